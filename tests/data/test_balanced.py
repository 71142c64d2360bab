"""Pairs drawn with their probability at each epoch: as often as it says, without state, and none without a verdict."""

import numpy as np
import pytest

from wordsight.base.errors import FormatError, InputError, NotFound
from wordsight.base.nouns import Sample
from wordsight.data.balance import Draw, balance, draw, match_pairs
from wordsight.data.balance_files import verdict_writer
from wordsight.data.balanced import Balanced, BalancedSet, by_row, read_probabilities
from wordsight.data.entry_matcher import EntryMatcher
from wordsight.data.order import Order
from wordsight.data.source import Position, Walk

PROBABILITIES = {f"{number:03d}": [0.0, 0.1, 0.5, 1.0][number % 4] for number in range(100)}


class Hundred:
    """A source of a hundred samples, the eleventh of which is broken."""

    name = "hundred"

    def samples(self, start=Position()):
        return Walk(self._steps(start.entry), start)

    def _steps(self, first):
        for number in range(first, 100):
            yield InputError("broken") if number == 10 else Sample(key=f"{number:03d}"), Position(0, number + 1)

    def parts(self):
        return 1

    def count(self):
        return 100

    def fingerprint(self):
        return "a" * 16


def keys(**changes):
    return [sample.key for sample in Balanced(Hundred(), PROBABILITIES, **changes).samples()]


def test_each_epoch_draws_with_the_probabilities():
    drawn = [keys(epoch=epoch) for epoch in range(300)]
    share = {key: sum(key in one for one in drawn) / 300 for key in PROBABILITIES if key != "010"}
    for key, own in share.items():
        assert abs(own - PROBABILITIES[key]) <= 5 * np.sqrt(max(PROBABILITIES[key] * (1 - PROBABILITIES[key]), 0) / 300)
    assert keys(epoch=1) == drawn[1] != drawn[2]
    assert keys(seed=1) != keys(seed=2)


def test_a_walk_goes_on_from_its_position_and_tells_what_failed():
    walk = Balanced(Hundred(), PROBABILITIES).samples()
    first = [next(walk).key for _ in range(12)]
    assert first + [sample.key for sample in Balanced(Hundred(), PROBABILITIES).samples(walk.position)] == keys()
    list(walk)
    assert [str(error) for error in walk.failures] == ["broken"]


def test_a_pair_without_a_verdict_is_a_failure():
    walk = Balanced(Hundred(), {key: 1.0 for key in PROBABILITIES if key != "042"}).samples()
    assert len(list(walk)) == 98
    assert [str(error) for error in walk.failures] == ["broken", "042 has no probability; balance the whole source"]


def test_the_fingerprint_names_probabilities_seed_and_epoch():
    names = {Balanced(Hundred(), PROBABILITIES, seed=s, epoch=e).fingerprint() for s in range(3) for e in range(3)}
    names.add(Balanced(Hundred(), PROBABILITIES | {"000": 0.2}).fingerprint())
    assert len(names) == 10


@pytest.mark.parametrize("blocks", [1, 7])
def test_an_order_has_rows_as_often_as_their_probability_and_none_twice_in_an_epoch(blocks):
    probabilities = np.array([1.0, 0.5, 0.03, 0.0, 1.0, 0.97] * 20)
    order = Order(np.array_split(np.flatnonzero(probabilities), blocks), seed=[1], probabilities=probabilities)
    assert order.count == int(probabilities.sum())
    epochs = 1000
    drawn = order.rows(np.arange(epochs * order.count)).reshape(epochs, order.count)
    assert all(len(set(epoch.tolist())) == order.count for epoch in drawn)
    often = np.bincount(drawn.ravel(), minlength=len(probabilities)) / epochs
    expected = probabilities * order.count / probabilities.sum()
    assert np.abs(often - expected).max() < 5 * 0.5 / np.sqrt(epochs)
    assert order.rows(np.array([5 * order.count + 3])).tolist() == [drawn[5, 3]]
    assert not np.array_equal(drawn[0], drawn[1])


def test_probabilities_of_one_change_nothing():
    rows = np.arange(50)
    every = Order([rows], seed=[3], probabilities=np.ones(50)).rows(np.arange(100))
    assert every.tolist() == Order([rows], seed=[3]).rows(np.arange(100)).tolist()


def test_few_and_tiny_probabilities_still_make_an_epoch():
    order = Order([np.arange(3)], seed=[3], probabilities=np.array([0.01, 0.0, 0.01]))
    assert set(order.rows(np.arange(60)).tolist()) == {0, 2}


@pytest.mark.parametrize("name", ["v.csv", "v.jsonl", "v.parquet"])
def test_verdicts_are_read_as_they_were_written(tmp_path, name):
    pairs = [(f'k"{number}", ü', ("a dog",) if number % 3 else ()) for number in range(40)]
    matcher = EntryMatcher(["dog"])
    with verdict_writer(tmp_path / name, ["dog"]) as write:
        for block in draw(match_pairs(pairs, matcher, block=16), Draw(["dog"], np.array([26]), 10)):
            write(block)
    expected = {verdict.key: verdict.probability for verdict in balance(pairs, ["dog"], 10)}
    assert read_probabilities(tmp_path / name) == expected
    assert set(expected.values()) == {0.0, 1 - (1 - 10 / 26)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("key,kept\na,1\n", "holds no verdicts: 'probability'"),
        ("key,probability\na,1.5\n", "'a' has the probability 1.5"),
        ("key,probability\na,nan\n", "'a' has the probability nan"),
        ("key,probability\na,0.5\na,0.25\n", "'a' has two probabilities"),
    ],
)
def test_what_is_no_table_of_verdicts_is_refused(tmp_path, text, why):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(FormatError, match=why):
        read_probabilities(tmp_path / "v.csv")
    with pytest.raises(NotFound):
        read_probabilities(tmp_path / "w.csv")


class Two:
    name, size, keys = "two", 8, ["a", "b", "c"]

    def __len__(self):
        return 3

    def blocks(self):
        return [np.array([0, 2]), np.array([1])]


def test_a_set_leaves_out_what_is_never_drawn_and_asks_for_every_verdict():
    balanced = BalancedSet(Two(), by_row(Two(), {"a": 0.5, "b": 0.0, "c": 1.0, "more": 1.0}))
    assert [block.tolist() for block in balanced.blocks()] == [[0, 2]]
    with pytest.raises(FormatError, match="1 of 3 images of two have no verdict, such as b"):
        by_row(Two(), {"a": 0.5, "c": 1.0})
