import itertools

import numpy as np
import pytest
from scipy import stats

from wordsight.base.errors import UsageError
from wordsight.evaluate.fairness import group_false_positives, group_recalls, group_shares, wilson_interval


def test_shares_by_hand():
    """Group 7: 3 of 4; group 2: 1 of 2; group 5: 0 of 1."""
    groups = np.array([7, 7, 2, 7, 2, 7, 5])
    events = np.array([1, 1, 0, 0, 1, 1, 0], dtype=bool)
    shares = group_shares(events, groups)
    assert shares.groups.tolist() == [2, 5, 7]
    assert shares.counts.tolist() == [2, 1, 4]
    assert shares.shares.tolist() == [0.5, 0.0, 0.75]
    assert (shares.gap, shares.lowest, shares.highest) == (0.75, 5, 7)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (10, 10), (3, 7), (250, 1000)])
def test_intervals_are_wilsons(hits, count):
    theirs = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    low, high = wilson_interval(np.array([hits]), np.array([count]))
    assert (low[0], high[0]) == (pytest.approx(theirs.low, abs=1e-12), pytest.approx(theirs.high, abs=1e-12))


def test_the_p_value_is_that_of_exchanged_groups():
    """Every one of the C(9, 4) ways; 1,000 draws have a standard error of at most 0.016, the bound is 4 of them."""
    groups = np.array([0] * 4 + [1] * 5)
    events = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0], dtype=bool)
    gap = abs(3 / 4 - 1 / 5)
    ways = [set(way) for way in itertools.combinations(range(9), 4)]
    gaps = [
        abs(np.mean([events[i] for i in way]) - np.mean([events[i] for i in range(9) if i not in way])) for way in ways
    ]
    exact = np.mean([value >= gap - 1e-12 for value in gaps])
    assert group_shares(events, groups).p_value == pytest.approx(exact, abs=0.064)


def test_a_large_gap_is_no_chance_and_a_small_one_is():
    groups = np.repeat([0, 1], 500)
    large = group_shares(np.arange(1000) % 500 < np.where(groups == 0, 450, 300), groups)
    assert large.p_value == pytest.approx(1 / 1001)
    assert large.gap == pytest.approx(0.3)
    low, high = large.gap_interval
    half = 1.96 * np.sqrt(0.9 * 0.1 / 500 + 0.6 * 0.4 / 500)  # of a difference of two shares
    assert (low, high) == (pytest.approx(0.3 - half, abs=0.01), pytest.approx(0.3 + half, abs=0.01))
    small = group_shares(np.arange(1000) % 500 < np.where(groups == 0, 450, 449), groups)
    assert small.p_value > 0.5


def test_one_group_and_no_events_have_no_gap():
    for events in (np.zeros(5, bool), np.ones(5, bool)):
        shares = group_shares(events, np.arange(5) % 2)
        assert (shares.gap, shares.p_value) == (0.0, 1.0)
    one = group_shares(np.arange(5) < 2, np.zeros(5, int))
    assert (one.gap, one.gap_interval, one.p_value, one.shares.tolist()) == (0.0, (0.0, 0.0), 1.0, [0.4])


def test_recalls_and_false_positives_are_those_of_loops():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 200)  # class 3 never occurs
    predictions = np.where(generator.random(200) < 0.6, labels, generator.integers(0, 4, 200))
    groups = generator.integers(0, 3, 200)
    recalls = group_recalls(predictions, labels, groups, classes=4)
    wrongs = group_false_positives(predictions, labels, groups, classes=4)
    assert (sorted(recalls), sorted(wrongs)) == ([0, 1, 2], [0, 1, 2, 3])
    for label in range(4):
        for group in range(3):
            rows = [i for i in range(200) if groups[i] == group]
            own = [predictions[i] == label for i in rows if labels[i] == label]
            others = [predictions[i] == label for i in rows if labels[i] != label]
            assert wrongs[label].shares[group] == pytest.approx(np.mean(others))
            assert wrongs[label].counts[group] == len(others)
            if own:
                assert recalls[label].shares[group] == pytest.approx(np.mean(own))


def test_a_group_without_images_of_a_class_is_left_out_of_it():
    recalls = group_recalls(np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([4, 6, 6]), classes=2)
    assert recalls[0].groups.tolist() == [4, 6]
    assert recalls[1].groups.tolist() == [6]


@pytest.mark.parametrize(
    ("events", "groups", "message"),
    [
        (np.zeros(3, bool), np.zeros(2, int), r"\(3,\) and groups of \(2,\); give one of both"),
        (np.zeros(0, bool), np.zeros(0, int), "one image at least"),
        (np.array([0.5, 1]), np.zeros(2, int), "an event is neither 0 nor 1; give whether it is true"),
    ],
)
def test_what_has_no_share_is_refused(events, groups, message):
    with pytest.raises(UsageError, match=message):
        group_shares(events, groups)


@pytest.mark.parametrize(
    ("predictions", "labels", "groups", "message"),
    [
        ([0, 2], [0, 1], [0, 0], "label 2 of image 1; give class numbers 0 to 1"),
        ([0, 1], [0, -1], [0, 0], "label -1 of image 1"),
        ([0], [0, 1], [0, 0], r"\(1,\) labels for 2 images"),
        ([0, 1], [0, 1], [0], r"groups of the shape \(1,\) for 2 images; give one for each image"),
    ],
)
def test_predictions_that_are_no_classes_are_refused(predictions, labels, groups, message):
    for function in (group_recalls, group_false_positives):
        with pytest.raises(UsageError, match=message):
            function(np.array(predictions), np.array(labels), np.array(groups), classes=2)
