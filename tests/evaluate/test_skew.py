import math

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.evaluate.skew import desired_shares, max_skew, ndkl, skews

# Two prompts over six images of two groups; from the first: groups 0 0 1 0 1 1, and 1 1 1 0 0 0.
GROUPS = np.array([0, 0, 1, 0, 1, 1])
SCORES = np.array([[6.0, 5, 4, 3, 2, 1], [1, 2, 4, 3, 5, 6]])


def test_skews_by_hand():
    assert skews(SCORES, GROUPS, k=4, desired="uniform") == pytest.approx(
        np.log([[3 / 4 / 0.5, 1 / 4 / 0.5], [1 / 4 / 0.5, 3 / 4 / 0.5]])
    )
    assert max_skew(SCORES, GROUPS, k=4, desired="uniform") == pytest.approx(math.log(1.5))
    assert max_skew(SCORES, GROUPS, k=3, desired="uniform") == pytest.approx(
        (math.log(2 / 3 / 0.5) + math.log(1 / 0.5)) / 2
    )


def test_a_group_without_an_image_counts_as_one():
    """Of the second prompt group 0 has none among the first 2: 1/2 in place of 0."""
    assert skews(SCORES[1:], GROUPS, k=2, desired="uniform")[0] == pytest.approx([0.0, math.log(2)])


@pytest.mark.parametrize(
    ("desired", "expected"),
    [("uniform", [1 / 3] * 3), ("set", [3 / 6, 2 / 6, 1 / 6]), (np.array([0.2, 0.3, 0.5]), [0.2, 0.3, 0.5])],
)
def test_desired_shares(desired, expected):
    assert desired_shares(np.array([7, 1, 1, 7, 1, 9])[[1, 2, 4, 0, 3, 5]], desired) == pytest.approx(expected)


def test_the_whole_set_has_no_skew_of_the_model():
    """The trap that the docs name: with k the number of images every ranking has the set's own shares."""
    generator = np.random.default_rng(0)
    groups = np.array([0] * 60 + [1] * 40)
    for _ in range(3):
        scores = generator.normal(size=(2, 100))
        assert max_skew(scores, groups, k=100, desired="set") == pytest.approx(0, abs=1e-12)
        assert max_skew(scores, groups, k=100, desired="uniform") == pytest.approx(math.log(0.6 / 0.5))


def test_ndkl_by_hand():
    """The first three of prompt 0: shares (1, 0), (1, 0), (2/3, 1/3)."""
    weights = [1 / math.log2(i + 1) for i in (1, 2, 3)]
    last = 2 / 3 * math.log(2 / 3 / 0.5) + 1 / 3 * math.log(1 / 3 / 0.5)
    terms = [math.log(2), math.log(2), last]
    expected = sum(w * t for w, t in zip(weights, terms, strict=True)) / sum(weights)
    assert ndkl(SCORES[:1], GROUPS, k=3, desired="uniform") == pytest.approx(expected)


def test_numbers_are_those_of_a_loop():
    generator = np.random.default_rng(1)
    scores, groups = generator.normal(size=(4, 50)), np.arange(50) % 3
    wanted = [np.mean(groups == g) for g in range(3)]
    skew_sum = ndkl_sum = 0.0
    for row in scores:
        ranked = groups[np.argsort(-row)]
        skew_sum += max(math.log(max(np.sum(ranked[:20] == g), 1) / 20 / wanted[g]) for g in range(3))
        total = norm = 0.0
        for i in range(1, 21):
            shares = [np.mean(ranked[:i] == g) for g in range(3)]
            divergence = sum(s * math.log(s / w) for s, w in zip(shares, wanted, strict=True) if s > 0)
            total, norm = total + divergence / math.log2(i + 1), norm + 1 / math.log2(i + 1)
        ndkl_sum += total / norm
    assert max_skew(scores, groups, k=20, desired="set") == pytest.approx(skew_sum / 4, abs=1e-12)
    assert ndkl(scores, groups, k=20, desired="set") == pytest.approx(ndkl_sum / 4, abs=1e-12)


def test_equal_scores_have_the_expected_shares_in_any_order_of_the_data():
    groups = np.array([0, 0, 0, 1])
    for order in (np.arange(4), np.arange(4)[::-1]):
        assert skews(np.zeros((1, 4)), groups[order], k=2, desired="uniform")[0] == pytest.approx(
            np.log([0.75 / 0.5, 0.25 / 0.5])
        )
        assert ndkl(np.zeros((1, 4)), groups[order], k=2, desired="set") == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("k", [0, 7, -1])
def test_a_k_without_meaning_is_refused(k):
    for function in (max_skew, ndkl):
        with pytest.raises(UsageError, match=f"the first {k} of 6 images; give a k from 1 to the number of images"):
            function(SCORES, GROUPS, k=k, desired="set")


@pytest.mark.parametrize(
    ("scores", "groups", "desired", "message"),
    [
        (SCORES, GROUPS[:5], "set", r"\(2, 6\) and groups of \(5,\); give \(prompts, images\)"),
        (np.full((1, 6), np.nan), GROUPS, "set", "a score is NaN; leave such images out"),
        (SCORES, GROUPS, "equal", "desired distribution 'equal'; give 'uniform', 'set' or shares"),
        (SCORES, GROUPS, np.array([0.5, 0.4]), r"\[0.5, 0.4\] for 2 groups; give 2 numbers over 0 with the sum 1"),
        (SCORES, GROUPS, np.array([1.0, 0.0]), r"\[1.0, 0.0\] for 2 groups"),
        (SCORES, GROUPS, np.array([0.5, 0.25, 0.25]), "for 2 groups"),
    ],
)
def test_what_has_no_skew_is_refused(scores, groups, desired, message):
    for function in (max_skew, ndkl):
        with pytest.raises(UsageError, match=message):
            function(scores, groups, k=2, desired=desired)
