"""Average precision of each class, for images that have several classes.

    precisions = average_precisions(scores, targets)                        # (C,)
    value = mean_average_precision(scores, targets, absent="zero")
    interval = statistic_interval(mean_precision_of(scores, targets), len(scores))      # of `evaluate.resampling`

For each class all images are ranked by its score; the precision at each image that has the class is averaged over
them. This is CLIP_benchmark's zero-shot number for multi-label sets, with two differences: it sums in float64, and of
images with one score those without the class stand first, so that equal scores for all give the share of positives at
best (there the sort decides).  Shapes: N images, C classes.  Knows nothing of models.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.metrics import Floats
from wordsight.evaluate.resampling import ResampleCounts, Statistic, reciprocal_sums

Targets = NDArray[np.bool_] | NDArray[np.integer]
Absent = Literal["zero", "skip"]


def average_precisions(scores: Floats, targets: Targets) -> Floats:
    """Return the average precision of each class, (C,), of `scores` and `targets` (1 or True: has the class), (N, C).

    The mean over positives of the precision at their rank (Manning, Raghavan and Schuetze 2008, section 8.4, equation
    8.8, where it is averaged over queries), without interpolation.  0 for a class without positives, as CLIP_benchmark
    has it.
    """
    _check(scores, targets)
    once = np.ones((1, len(scores)), dtype=np.int64)
    columns = [_precisions(scores[:, c], targets[:, c], once) for c in range(scores.shape[1])]
    return np.asarray(np.nan_to_num(np.concatenate(columns)))


def mean_average_precision(scores: Floats, targets: Targets, *, absent: Absent = "zero") -> float:
    """Return the mean of `average_precisions` over the classes (Everingham et al. 2010, there interpolated).

    `absent`: what a class without positives counts: "zero" (CLIP_benchmark) or nothing, "skip" (the mean over the
    classes that have positives, as PASCAL VOC and COCO have it).  A set without any positive raises with "skip".
    """
    precisions = average_precisions(scores, targets)
    if absent == "zero":
        return float(precisions.mean())
    present = np.asarray(targets).any(axis=0)
    if not present.any():
        raise UsageError("no class has a positive image", cure='absent="zero" counts such classes as 0')
    return float(precisions[present].mean())


def mean_precision_of(scores: Floats, targets: Targets, *, absent: Absent = "zero") -> Statistic:
    """Return `mean_average_precision` as a statistic; what a resample lacks of a class counts as `absent` says."""
    _check(scores, targets)

    def statistic(counts: ResampleCounts) -> Floats:
        total, present = np.zeros(len(counts)), np.zeros(len(counts))
        for column in range(scores.shape[1]):
            precisions = _precisions(scores[:, column], targets[:, column], counts)
            total += np.nan_to_num(precisions)
            present += ~np.isnan(precisions)
        classes = present if absent == "skip" else np.full(len(counts), float(scores.shape[1]))
        return np.asarray(np.divide(total, classes, out=np.full(len(counts), np.nan), where=classes > 0))

    return statistic


def _precisions(scores: Floats, targets: Targets, counts: ResampleCounts) -> Floats:
    """Return the average precision of one class in each resample, (B,); NaN where it has no positive.

    A positive that is m times in a resample, after W images of which F are negative, adds the sum over t = 1..m of
    1 - F / (W + t) = m - F (H(W + m) - H(W)), H the harmonic numbers.
    """
    positive = np.asarray(targets).astype(bool)
    order = np.lexsort((positive, -scores.astype(np.float64)))  # negatives first among equals
    chosen = np.flatnonzero(positive[order])
    ends = np.cumsum(counts[:, order], axis=1)[:, chosen]
    times = counts[:, order[chosen]]
    before = ends - times
    negatives = before - (np.cumsum(times, axis=1) - times)
    sums = reciprocal_sums(counts.shape[1])
    positives = times.sum(axis=1)
    total = (times - negatives * (sums[ends] - sums[before])).sum(axis=1)
    return np.asarray(np.divide(total, positives, out=np.full(len(counts), np.nan), where=positives > 0))


def _check(scores: Floats, targets: Targets) -> None:
    if scores.ndim != 2 or scores.shape != targets.shape or 0 in scores.shape:
        cure = "give both as (images, classes), one at least"
        raise UsageError(f"scores of the shape {scores.shape} and targets of {targets.shape}", cure=cure)
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise UsageError(f"the score of image {row} for class {column} is NaN", cure="leave such images out")
    if not np.isin(targets, (0, 1)).all():
        raise UsageError("a target is neither 0 nor 1", cure="give 1 where an image has the class, else 0")
