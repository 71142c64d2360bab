import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from wordsight.base.errors import UsageError
from wordsight.evaluate import conformal
from wordsight.evaluate.temperature import softmax

P = np.array([[0.5, 0.25, 0.125, 0.125], [0.0, 0.25, 0.75, 0.0]])


def test_scores_by_hand():
    """Equal probabilities stand in the order of the classes."""
    assert conformal.lac_scores(P).tolist() == [[0.5, 0.75, 0.875, 0.875], [1.0, 0.75, 0.25, 1.0]]
    assert conformal.aps_scores(P).tolist() == [[0.5, 0.75, 0.875, 1.0], [1.0, 1.0, 0.75, 1.0]]
    raps = conformal.raps_scores(P, penalty=0.5, rank=2)
    assert raps.tolist() == [[0.5, 0.75, 1.375, 2.0], [1.5, 1.0, 0.75, 2.0]]
    assert conformal.raps_scores(P, rank=4).tolist() == conformal.aps_scores(P).tolist()


def test_random_scores_lie_a_share_of_their_own_probability_below():
    plain, drawn = conformal.aps_scores(P), conformal.aps_scores(P, seed=3)
    shares = np.divide(plain - drawn, P, out=np.full(P.shape, np.nan), where=P > 0)
    assert np.nanmin(shares) >= 0
    assert np.nanmax(shares) < 1
    assert np.nanmax(shares, axis=1) == pytest.approx(np.nanmin(shares, axis=1))  # one u for each image
    assert shares[0, 0] != pytest.approx(shares[1, 2])
    assert conformal.aps_scores(P, seed=3).tolist() == drawn.tolist()
    penalised = conformal.raps_scores(P, penalty=1, rank=1, seed=3) - drawn
    assert penalised == pytest.approx(np.array([[0.0, 1, 2, 3], [2, 1, 0, 3]]))


@pytest.mark.parametrize(
    ("n", "alpha", "rank"),
    [
        (9, 0.1, 9),
        (10, 0.1, 10),
        (99, 0.1, 90),
        (100, 0.1, 91),
        (19, 0.05, 19),
        (999, 0.3, 700),
        (4, 0.5, 3),
        (8, 0.1, None),
    ],
)
def test_the_rank_is_exact(n, alpha, rank):
    """Scores 1 to n in some order: the quantile is the rank; None: too few."""
    scores = np.random.default_rng(n).permutation(n) + 1.0
    assert conformal.quantile(scores, alpha=alpha) == (math.inf if rank is None else rank)


def test_the_rank_is_that_of_fractions():
    """Every hundredth and 60 sizes; as floats 100 (1 - 0.42) is 58.00000000000001, whose ceiling is one too many."""
    for n in [*range(40), *range(90, 110)]:
        scores = np.arange(1.0, n + 1)
        for hundredths in range(1, 100):
            rank = math.ceil((n + 1) * (1 - Fraction(hundredths, 100)))
            expected = math.inf if rank > n else float(rank)
            assert conformal.quantile(scores, alpha=hundredths / 100) == expected


def test_classes_have_quantiles_of_their_own():
    """Class 0: 9 images; class 1: 4, too few at 0.1; class 2: none."""
    own = np.concatenate([np.arange(1.0, 10), [20.0, 21, 22, 23]])
    labels = np.repeat([0, 1], [9, 4])
    limits = conformal.class_quantiles(own, labels, classes=3, alpha=0.1)
    assert limits.tolist() == [9.0, math.inf, math.inf]
    pooled = conformal.class_quantiles(own, labels, classes=3, alpha=0.1, rare="pooled")
    assert pooled.tolist() == [9.0, 23.0, 23.0]  # the 13th of 13
    scores = np.array([[9.0, 24, 5], [9.5, 22, 99]])
    assert conformal.prediction_sets(scores, limits).tolist() == [[True, True, True], [False, True, True]]
    assert conformal.prediction_sets(scores, 9.0).tolist() == [[True, False, True], [False, False, False]]


def test_measures_by_hand():
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=bool)
    measured = conformal.measure_sets(sets, np.array([0, 0, 1, 1]))
    assert (measured.coverage, measured.mean_size, measured.empty, measured.singleton) == (0.75, 1.25, 0.25, 0.25)
    assert measured.coverages == pytest.approx([1.0, 0.5, np.nan], nan_ok=True)
    assert (measured.worst_coverage, measured.worst_class) == (0.5, 1)


def _drawn(count, classes, seed):
    generator = np.random.default_rng(seed)
    probabilities = softmax(2 * generator.normal(size=(count, classes)))
    return probabilities, np.array([generator.choice(classes, p=row) for row in probabilities])


# Thresholds of torchcp 1.2.1 (LAC, APS, RAPS(penalty=0.01, kreg=5), not randomized, SplitPredictor) on the first 500 of
# `_rounded()` and the mean size of its sets on the other 2,000: printed by benchmarks/conformal_neighbours.py.
TORCHCP = {
    (0.05, "lac"): (0.9676933288574219, 4.633),
    (0.05, "aps"): (0.9684886932373047, 5.027),
    (0.05, "raps"): (0.9773871994018555, 5.1015),
    (0.1, "lac"): (0.9350728988647461, 3.364),
    (0.1, "aps"): (0.9288463592529297, 3.727),
    (0.1, "raps"): (0.9308910369873047, 3.739),
    (0.3, "lac"): (0.8158788681030273, 1.6675),
    (0.3, "aps"): (0.8265628814697266, 2.239),
    (0.3, "raps"): (0.8265628814697266, 2.239),
}
SCORES = {"lac": conformal.lac_scores, "aps": conformal.aps_scores, "raps": conformal.raps_scores}


def _rounded():
    probabilities, labels = _drawn(2500, 10, 0)
    probabilities = np.round(probabilities * 2**20) / 2**20
    probabilities[np.arange(2500), probabilities.argmax(axis=1)] += 1 - probabilities.sum(axis=1)
    return probabilities, labels


@pytest.mark.parametrize(("alpha", "name"), TORCHCP)
def test_thresholds_and_sizes_are_those_of_torchcp(alpha, name):
    probabilities, labels = _rounded()
    scores = SCORES[name](probabilities)
    limit = conformal.quantile(conformal.of_labels(scores[:500], labels[:500]), alpha=alpha)
    measured = conformal.measure_sets(conformal.prediction_sets(scores[500:], limit), labels[500:])
    assert (limit, measured.mean_size) == pytest.approx(TORCHCP[alpha, name], abs=1e-6)


@pytest.mark.parametrize("name", SCORES)
def test_coverage_is_within_its_bounds(name):
    """20 draws, bounds of level 1 - 1e-5: with other seeds 1 run in 5,000 would fail."""
    for seed in range(20):
        probabilities, labels = _drawn(600, 6, 100 + seed)
        given = {} if name == "lac" else {"seed": seed}  # without ties
        scores = SCORES[name](probabilities, **given)
        limit = conformal.quantile(conformal.of_labels(scores[:200], labels[:200]), alpha=0.1)
        measured = conformal.measure_sets(conformal.prediction_sets(scores[200:], limit), labels[200:])
        low, high = conformal.coverage_bounds(200, 400, 0.1, level=1 - 1e-5)
        assert low <= measured.coverage <= high


def test_coverage_is_as_promised_on_average_and_bounds_hold_as_often():
    """2,000 sets of scores alone: the mean coverage is 90/100 within 5 standard errors, 95 % are within the bounds."""
    generator = np.random.default_rng(0)
    low, high = conformal.coverage_bounds(99, 200, 0.1)
    limits = np.array([conformal.quantile(row, alpha=0.1) for row in generator.random((2000, 99))])
    coverages = (generator.random((2000, 200)) <= limits[:, None]).mean(axis=1)
    assert coverages.mean() == pytest.approx(0.9, abs=5 * coverages.std() / 2000**0.5)
    assert 0.94 < ((coverages >= low) & (coverages <= high)).mean() < 0.985  # 0.95 - 2 standard errors; discrete


def test_each_class_is_covered_by_its_own_quantile():
    """A hard class is covered too, where one threshold leaves it out; level 1 - 1e-5 for each of three classes."""
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 800)
    logits = generator.normal(size=(2400, 3)) + np.eye(3)[labels] * np.array([4.0, 3, 0])[labels, None]
    scores = conformal.lac_scores(softmax(logits))
    calibration = np.arange(2400) % 2 == 0
    own = conformal.of_labels(scores[calibration], labels[calibration])
    low, high = conformal.coverage_bounds(400, 400, 0.1, level=1 - 1e-5)
    limits = conformal.class_quantiles(own, labels[calibration], classes=3, alpha=0.1)
    classes = conformal.measure_sets(
        conformal.prediction_sets(scores[~calibration], limits), labels[~calibration]
    ).coverages
    assert ((low <= classes) & (classes <= high)).all()
    one = conformal.prediction_sets(scores[~calibration], conformal.quantile(own, alpha=0.1))
    measured = conformal.measure_sets(one, labels[~calibration])
    assert measured.worst_class == 2
    assert measured.worst_coverage < low


def test_ties_cover_more_never_less():
    scores = np.round(np.random.default_rng(0).random(400), 1)
    limit = conformal.quantile(scores[:100], alpha=0.25)
    assert (scores[:100] <= limit).mean() >= 0.75
    assert conformal.quantile(np.ones(20), alpha=0.1) == 1.0


@pytest.mark.parametrize(("n", "a", "b"), [(0, 1, 1), (10, 3, 8), (2000, 450, 51), (400, 1, 1)])
def test_beta_binomial_is_that_of_scipy(n, a, b):
    theirs = stats.betabinom.pmf(np.arange(n + 1), n, a, b)
    assert conformal.beta_binomial(n, a, b) == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize(("n_cal", "n_test", "alpha", "level"), [(99, 50, 0.1, 0.95), (500, 2000, 0.05, 0.99)])
def test_bounds_leave_at_most_half_of_the_rest_on_each_side(n_cal, n_test, alpha, level):
    rank = math.ceil((n_cal + 1) * (1 - Fraction(str(alpha))))
    law = stats.betabinom(n_test, rank, n_cal + 1 - rank)
    low, high = (round(end * n_test) for end in conformal.coverage_bounds(n_cal, n_test, alpha, level=level))
    tail = (1 - level) / 2
    assert law.cdf(low - 1) <= tail < law.cdf(low)
    assert law.sf(high) <= tail < law.sf(high - 1)


def test_too_few_calibration_images_cover_everything():
    assert conformal.coverage_bounds(8, 50, 0.1) == (1.0, 1.0)
    assert conformal.quantile(np.zeros(0), alpha=0.1) == math.inf


@pytest.mark.parametrize("alpha", [0, 1, -0.1, float("nan")])
def test_other_alphas_are_refused(alpha):
    for call in (
        lambda: conformal.quantile(np.ones(3), alpha=alpha),
        lambda: conformal.coverage_bounds(3, 3, alpha),
        lambda: conformal.class_quantiles(np.ones(3), np.zeros(3, int), classes=1, alpha=alpha),
    ):
        with pytest.raises(UsageError, match=f"alpha {alpha}; give a share of misses between 0 and 1"):
            call()


def test_what_has_no_set_is_refused():
    with pytest.raises(UsageError, match="score of calibration image 1 is NaN; leave it out"):
        conformal.quantile(np.array([0.0, np.nan]), alpha=0.5)
    with pytest.raises(UsageError, match="a score of image 1 is NaN; leave it out"):
        conformal.prediction_sets(np.array([[0.0, 1], [0.0, np.nan]]), 0.5)
    with pytest.raises(UsageError, match="label 4 of image 0; give class numbers 0 to 3"):
        conformal.of_labels(P, np.array([4, 0]))
    with pytest.raises(UsageError, match="sets of no images; give at least one"):
        conformal.measure_sets(np.zeros((0, 2), bool), np.zeros(0, int))
    with pytest.raises(UsageError, match=r"3 calibration images, 0 test images, level 0\.95; give one test image"):
        conformal.coverage_bounds(3, 0, 0.1)
