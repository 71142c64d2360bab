import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from wordsight.base.errors import UsageError
from wordsight.evaluate import precision, resampling


def _brute(scores, targets):
    """The precision at each positive, with negatives first among equals."""
    ranked = [t for _, t in sorted(zip(scores, targets, strict=True), key=lambda pair: (-pair[0], pair[1]))]
    at = [sum(ranked[: i + 1]) / (i + 1) for i, t in enumerate(ranked) if t]
    return sum(at) / len(at) if at else 0.0


def test_by_hand():
    """Class 0: positives at the ranks 1 and 3; class 1: at rank 2 only; class 2: none."""
    scores = np.array([[0.9, 0.1, 0.3], [0.5, 0.7, 0.2], [0.4, 0.6, 0.1], [0.1, 0.0, 0.9]])
    targets = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert precision.average_precisions(scores, targets) == pytest.approx([(1 + 2 / 3) / 2, 0.5, 0.0])
    assert precision.mean_average_precision(scores, targets) == pytest.approx((5 / 6 + 0.5) / 3)
    assert precision.mean_average_precision(scores, targets, absent="skip") == pytest.approx((5 / 6 + 0.5) / 2)


def test_without_ties_it_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 6))
    targets = generator.random((200, 6)) < [0.5, 0.3, 0.1, 0.05, 0.9, 0.02]
    theirs = [average_precision_score(targets[:, c], scores[:, c]) for c in range(6)]
    assert precision.average_precisions(scores, targets) == pytest.approx(theirs, abs=1e-12)


def test_equal_scores_give_the_least_of_all_orders():
    targets = np.array([1, 0, 1, 0, 0])
    orders = [_brute(range(5), order) for order in itertools.permutations(targets)]
    assert precision.average_precisions(np.zeros((5, 1)), targets[:, None])[0] == pytest.approx(min(orders))
    assert min(orders) < 2 / 5 < max(orders)


@settings(deadline=None)
@given(st.integers(1, 14), st.integers(0, 10**6))
def test_a_resample_by_counts_is_the_resample_by_rows(size, seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, (size, 3)).astype(np.float32)
    targets = generator.random((size, 3)) < 0.4
    counts = np.stack([np.bincount(generator.integers(size, size=size), minlength=size) for _ in range(4)])
    for absent in ("zero", "skip"):
        values = precision.mean_precision_of(scores, targets, absent=absent)(counts)
        for value, row in zip(values, counts, strict=True):
            rows = np.repeat(np.arange(size), row)
            each = [_brute(scores[rows, c], targets[rows, c]) for c in range(3)]
            kept = [ap for ap, c in zip(each, range(3), strict=True) if absent == "zero" or targets[rows, c].any()]
            assert value == pytest.approx(np.mean(kept) if kept else np.nan, abs=1e-12, nan_ok=True)


def test_the_value_of_the_statistic_is_the_plain_number():
    generator = np.random.default_rng(1)
    scores, targets = generator.normal(size=(60, 4)), generator.random((60, 4)) < 0.3
    statistic = precision.mean_precision_of(scores, targets)
    value = precision.mean_average_precision(scores, targets)
    assert resampling.value_of(statistic, 60) == pytest.approx(value, abs=1e-12)
    low, high = resampling.statistic_interval(statistic, 60)
    assert low < value < high


def test_no_class_with_a_positive_has_no_mean():
    with pytest.raises(UsageError, match='no class has a positive image; absent="zero" counts such classes as 0'):
        precision.mean_average_precision(np.zeros((2, 2)), np.zeros((2, 2), dtype=bool), absent="skip")
    assert precision.mean_average_precision(np.zeros((2, 2)), np.zeros((2, 2), dtype=bool)) == 0.0


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"\(2, 3\) and targets of \(3, 2\); give both as \(images, classes\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.array([[0.0, np.nan]]), np.zeros((1, 2)), "score of image 0 for class 1 is NaN; leave such images out"),
        (np.zeros((1, 2)), np.array([[0, 2]]), "neither 0 nor 1; give 1 where an image has the class"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, targets, message):
    with pytest.raises(UsageError, match=message):
        precision.average_precisions(scores, targets)
