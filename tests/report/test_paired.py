"""Two models on the same pictures: against a bootstrap written out, and what may not be compared."""

import base64

import numpy as np
import pytest

from wordsight.evaluate.measured import hits_of_draws
from wordsight.report.paired import RecordedHits, compare, read_hits


def record(right, **change):
    packed = base64.b64encode(np.packbits(np.array(right, bool)).tobytes()).decode()
    return {"key_hash": "0123456789abcdef", "hits": packed, "count": len(right), **change}


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100])
def test_hits_are_read_as_they_were_written(count):
    right = np.random.default_rng(count).random(count) < 0.5
    assert np.array_equal(read_hits(record(right)).right, right)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 17},
        {"count": 0},
        {"count": True},
        {"count": "9"},
        {"hits": "§"},
        {"hits": 5},
        {"key_hash": 3},
        {"draws": 3},
        {"draws": 0, "hits": "AAAAAAAAAAAA"},
        {"draws": 2, "hits": "AAAAAAAAAAAD"},
    ],
)
def test_damaged_hits_are_refused(change):
    with pytest.raises(ValueError):
        read_hits(record([True] * 9, **change))


def test_the_interval_is_that_of_pairs_drawn_together():
    rng = np.random.default_rng(5)
    first, second = rng.random(60) < 0.7, rng.random(60) < 0.5
    difference = compare(RecordedHits("k", first), RecordedHits("k", second))
    draws, generator = [], np.random.default_rng(0)
    for _ in range(1000):
        rows = generator.integers(60, size=60)
        draws.append(sum(int(first[i]) - int(second[i]) for i in rows) / 60)
    assert difference.value == pytest.approx(first.mean() - second.mean())
    assert difference.interval == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))
    assert difference.only_first == sum(a and not b for a, b in zip(first, second, strict=True))
    assert difference.only_second == sum(b and not a for a, b in zip(first, second, strict=True))
    assert difference.count == 60


def test_a_model_against_itself_differs_in_nothing():
    right = np.array([True, False, True])
    assert compare(RecordedHits("k", right), RecordedHits("k", right)).interval == (0.0, 0.0)


def test_other_pictures_are_not_compared():
    right = np.ones(4, bool)
    assert compare(RecordedHits("k", right), RecordedHits("other", right)) is None
    assert compare(RecordedHits("k", right), RecordedHits("k", np.ones(5, bool))) is None


def test_hits_of_draws_are_shares_and_are_compared_as_such():
    right = np.random.default_rng(1).random((3, 40)) < 0.6
    data = hits_of_draws("x", [str(i) for i in range(40)], right).data
    shares = read_hits(data)
    assert shares.right == pytest.approx(right.mean(axis=0))
    other = RecordedHits(shares.key_hash, right[0].astype(float))
    difference = compare(shares, other)
    assert difference.value == pytest.approx((right.mean(axis=0) - right[0]).mean())
    assert difference.only_second == sum(right[0] & ~right.all(axis=0))
