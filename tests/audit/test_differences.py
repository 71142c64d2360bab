"""Differences of shares beside published figures, and that classes explain what they explain."""

import numpy as np
import pytest

from wordsight.audit.differences import difference, same_strata


@pytest.mark.parametrize(
    ("counts", "interval"),  # Newcombe 1998, table II, method 10
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)), ((10, 10, 0, 10), (0.6075, 1.0))],
)
def test_intervals_are_those_of_newcombe(counts, interval):
    one = difference(*counts)
    assert one.interval == pytest.approx(interval, abs=5e-5)
    assert (one.value, one.count) == (
        pytest.approx(counts[0] / counts[1] - counts[2] / counts[3]),
        counts[1] + counts[3],
    )


def test_one_stratum_is_the_plain_difference():
    rng = np.random.default_rng(0)
    hits, members = rng.random(200) < 0.4, rng.random(200) < 0.3
    one = same_strata(hits, members, np.zeros(200, int))
    p, q = hits[members].mean(), hits[~members].mean()
    half = 1.959964 * np.sqrt(p * (1 - p) / members.sum() + q * (1 - q) / (~members).sum())
    assert one.value == pytest.approx(p - q)
    assert one.interval == pytest.approx((p - q - half, p - q + half), abs=1e-6)


def test_groups_that_differ_by_their_classes_alone_do_not_differ_within_them():
    """A hard class that most of the members have: the plain difference is large, that within classes none."""
    strata = np.repeat([0, 1], 400)
    members = np.concatenate([np.arange(400) < 320, np.arange(400) < 80])
    hits = np.concatenate([np.arange(400) % 10 < 2, np.arange(400) % 10 < 8])
    plain = difference(int(hits[members].sum()), 400, int(hits[~members].sum()), 400)
    within = same_strata(hits, members, strata)
    assert plain.interval[1] < -0.2
    assert within.value == pytest.approx(0, abs=1e-12)
    assert within.interval[0] < 0 < within.interval[1]


def test_strata_without_both_say_nothing():
    assert same_strata(np.array([True, False]), np.array([True, False]), np.array([0, 1])) is None
