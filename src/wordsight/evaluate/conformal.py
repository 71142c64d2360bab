"""Sets of classes that hold the right one with a chosen probability: split conformal prediction, and how to check it.

    calibration = lac_scores(calibration_probabilities)
    limit = quantile(of_labels(calibration, calibration_labels), alpha=0.1)
    sets = prediction_sets(lac_scores(test_probabilities), limit)              # bool (N, C)
    measured = measure_sets(sets, test_labels)
    low, high = coverage_bounds(len(calibration_labels), len(test_labels), alpha=0.1)

A score (N, C) says how badly a class fits an image; a set holds the classes whose score is at most the quantile of
the right ones' scores on calibration images (Vovk, Gammerman and Shafer 2005; Lei et al. 2018).  What is promised,
coverage of 1 - alpha at least, is an average over calibration sets and images, for images that are exchangeable with
those of calibration: no class, group or single image has a promise, but with `class_quantiles` each class has.  The
model and its temperature come from still other images.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.confidence import check_labels
from wordsight.evaluate.metrics import Floats, Ints

Sets = NDArray[np.bool_]  # (N, C), whether a class is in an image's set
Rare = Literal["all", "pooled"]

RAPS_PENALTY = 0.01  # per class beyond the rank: the value that Angelopoulos et al. 2021 use for ImageNet (section 3)
RAPS_RANK = 5  # classes without penalty, likewise


def lac_scores(probabilities: Floats) -> Floats:
    """Return 1 - p for every class, (N, C): least ambiguous sets (LAC, THR; Sadinle, Lei and Wasserman 2019)."""
    return 1.0 - probabilities.astype(np.float64)


def aps_scores(probabilities: Floats, *, seed: int | None = None) -> Floats:
    """Return the sum of the probabilities down to each class, itself included, (N, C) (APS; Romano et al. 2020).

    With `seed` each image draws a u from 0..1, and u times the class's own probability is subtracted: were the
    probabilities true, each image would be covered alike.  Without, coverage holds on average only, as of any score.
    Either way the first class may be above the quantile, and the set empty.  Equal probabilities stand in the order of
    the classes.  Give calibration and test another seed.
    """
    wide = probabilities.astype(np.float64)
    order = np.argsort(-wide, axis=1, kind="stable")
    ranked = np.take_along_axis(wide, order, axis=1)
    sums = np.cumsum(ranked, axis=1)
    if seed is not None:
        sums -= np.random.default_rng(seed).random((len(wide), 1)) * ranked
    scores = np.empty_like(wide)
    np.put_along_axis(scores, order, sums, axis=1)
    return scores


def raps_scores(
    probabilities: Floats, *, penalty: float = RAPS_PENALTY, rank: int = RAPS_RANK, seed: int | None = None
) -> Floats:
    """Return `aps_scores` plus `penalty` for each class beyond the first `rank` (RAPS; Angelopoulos et al. 2021).

    The penalty keeps sets from becoming long.  Choose both on images of neither calibration nor test.
    """
    ranks = np.argsort(np.argsort(-probabilities, axis=1, kind="stable"), axis=1, kind="stable")
    return aps_scores(probabilities, seed=seed) + penalty * np.maximum(ranks + 1 - rank, 0)


def of_labels(scores: Floats, labels: Ints) -> Floats:
    """Return the score of each image's own class, (N,), of `scores` (N, C) and `labels` (N,)."""
    check_labels(labels, scores.shape)
    own: Floats = scores[np.arange(len(labels)), labels]
    return own


def quantile(own: Floats, *, alpha: float) -> float:
    """Return the ceil((n + 1)(1 - alpha))-th smallest of the n calibration scores `own` (n,).

    Infinite where there are fewer than 1/alpha - 1: every class is then in every set (Lei et al. 2018, section 2.2;
    Angelopoulos and Bates 2023, section 1).
    """
    if np.isnan(own).any():
        raise UsageError(f"the score of calibration image {np.isnan(own).argmax()} is NaN", cure="leave it out")
    rank = _rank(len(own), alpha)
    return float("inf") if rank > len(own) else float(np.partition(own, rank - 1)[rank - 1])


def class_quantiles(own: Floats, labels: Ints, *, classes: int, alpha: float, rare: Rare = "all") -> Floats:
    """Return the quantile of each class among its own calibration images, (C,): coverage holds in each (Mondrian).

    Vovk, Gammerman and Shafer 2005, section 4.5.  A class with fewer than 1/alpha - 1 images has none: with `rare`
    "all" it is in every set, which keeps the promise and tells nothing; with "pooled" it has the quantile of all
    images, whose promise is of the average only.
    """
    check_labels(labels, (len(own), classes))
    pooled = quantile(own, alpha=alpha)
    limits = np.array([quantile(own[labels == label], alpha=alpha) for label in range(classes)])
    if rare == "pooled":
        few = np.array([_rank(n, alpha) > n for n in np.bincount(labels, minlength=classes)])
        limits[few] = pooled
    return limits


def prediction_sets(scores: Floats, limits: float | Floats) -> Sets:
    """Return for `scores` (N, C) which classes are in each set, (N, C): those at `limits`, one or (C,), or below."""
    if np.isnan(scores).any():
        raise UsageError(f"a score of image {np.isnan(scores).any(axis=1).argmax()} is NaN", cure="leave it out")
    sets: Sets = scores <= limits
    return sets


@dataclass(frozen=True, slots=True)
class SetMeasures:
    """What prediction sets are like: shares of the images, the mean number of classes, coverage of the worst class.

    `coverages` (C,) are NaN for classes without images; `worst_class` is the number of the least.
    """

    coverage: float
    mean_size: float
    empty: float
    singleton: float
    coverages: Floats
    worst_coverage: float
    worst_class: int


def measure_sets(sets: Sets, labels: Ints) -> SetMeasures:
    """Return the measures of `sets` (N, C) for images of the classes `labels` (N,).

    Marginal and class coverage as Angelopoulos and Bates 2023, section 3.  The worst of many classes with few images
    is low by chance alone: hold it beside `coverage_bounds` of its number of images.
    """
    check_labels(labels, sets.shape)
    if not len(labels):
        raise UsageError("sets of no images", cure="give at least one")
    covered = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    counts = np.bincount(labels, minlength=sets.shape[1])
    sums = np.bincount(labels, weights=covered, minlength=sets.shape[1])
    coverages = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    worst = int(np.nanargmin(coverages))
    return SetMeasures(
        coverage=float(covered.mean()),
        mean_size=float(sizes.mean()),
        empty=float((sizes == 0).mean()),
        singleton=float((sizes == 1).mean()),
        coverages=coverages,
        worst_coverage=float(coverages[worst]),
        worst_class=worst,
    )


def coverage_bounds(n_cal: int, n_test: int, alpha: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return the coverages between which that of `n_test` images is with probability `level` at least, if all is right.

    With continuous scores the number of covered test images has the beta-binomial distribution of n_test, k and n_cal
    + 1 - k, k = ceil((n_cal + 1)(1 - alpha)) (Vovk 2012; Angelopoulos and Bates 2023, section 3.2 and appendix C).
    Scores with many ties cover more: only the lower end is a test then.
    """
    if n_test < 1 or n_cal < 0 or not 0 < level < 1:
        cure = "give one test image or more, and a level between 0 and 1"
        raise UsageError(f"{n_cal} calibration images, {n_test} test images, level {level}", cure=cure)
    rank = _rank(n_cal, alpha)
    if rank > n_cal:
        return 1.0, 1.0
    sums = np.cumsum(beta_binomial(n_test, rank, n_cal + 1 - rank))
    tail = (1 - level) / 2
    low = int(np.searchsorted(sums, tail, side="right"))  # the least number with more than the tail at or below it
    high = int(np.searchsorted(sums, 1 - tail, side="left"))
    return low / n_test, min(high, n_test) / n_test


def beta_binomial(n: int, a: float, b: float) -> Floats:
    """Return the probabilities of 0 to `n` successes, (n + 1,), where their share is drawn from Beta(a, b).

    By the ratio of neighbours, (n - j)(a + j) / ((j + 1)(b + n - j - 1)): no gamma functions (Skellam 1948).
    """
    j = np.arange(n)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - j) * (a + j)) - np.log((j + 1) * (b + n - j - 1)))])
    powers = np.exp(logs - logs.max())
    return np.asarray(powers / powers.sum())


def _rank(n: int, alpha: float) -> int:
    """Return ceil((n + 1)(1 - alpha)), which of the scores from the smallest is the quantile, counted from 1."""
    if not 0 < alpha < 1:
        raise UsageError(f"alpha {alpha}", cure="give a share of misses between 0 and 1, such as 0.1")
    return math.ceil(round((n + 1) * (1 - alpha), 9))  # 100 * (1 - 0.42) is 58.00000000000001
