"""A share of a source: chosen by keys, larger shares hold the smaller, failures stay told, positions can be gone on from."""

import pytest

from wordsight.base.errors import InputError
from wordsight.base.nouns import Sample
from wordsight.data.portion import Portion
from wordsight.data.source import Position, Walk


class Numbers:
    """A source of a hundred samples, the eleventh of which is broken."""

    name = "numbers"

    def samples(self, start=Position()):
        return Walk(self._steps(start.entry), start)

    def _steps(self, first):
        for number in range(first, 100):
            met = InputError("broken") if number == 10 else Sample(key=f"{number:03d}", image=b"", texts=())
            yield met, Position(0, number + 1)

    def parts(self):
        return 1

    def fingerprint(self):
        return "a" * 16


def keys(share):
    return [sample.key for sample in Portion(Numbers(), share).samples()]


def test_a_larger_share_holds_the_smaller_and_each_is_about_as_large_as_asked():
    assert len(keys(1.0)) == 99
    assert 15 < len(keys(0.3)) < 45
    assert set(keys(0.1)) < set(keys(0.3)) < set(keys(0.8))
    assert keys(0.3) == keys(0.3)


def test_a_walk_goes_on_from_its_position_and_tells_what_failed():
    walk = Portion(Numbers(), 0.5).samples()
    first = [next(walk).key for _ in range(8)]
    rest = [sample.key for sample in Portion(Numbers(), 0.5).samples(walk.position)]
    assert first + rest == keys(0.5)
    walk = Portion(Numbers(), 0.5).samples()
    list(walk)
    assert [str(error) for error in walk.failures] == ["broken"]


@pytest.mark.parametrize("share", [0.2, 0.3])
def test_the_fingerprint_names_the_share(share):
    assert Portion(Numbers(), share).fingerprint() != Portion(Numbers(), 0.25).fingerprint()
    assert len(Portion(Numbers(), share).fingerprint()) == 16
