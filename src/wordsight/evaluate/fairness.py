"""Whether a model treats groups of images alike: shares within each group, and their gaps.

    correct = group_shares(predictions == labels, groups)                    # accuracy of each group
    harmful = group_shares(np.isin(predictions, crime_classes), groups)      # how often a group is called that
    recalls = group_recalls(predictions, labels, groups, classes=10)         # of each class

Groups are integers (N,), of what people say of the images (never of what a model guesses).  A gap is never 0 on few
images: `p_value` says how often groups that differ by nothing have one as large.  Rankings and associations have their
own files, `skew.py` and `association.py`.  Knows nothing of models, nor of what a group is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.confidence import check_labels
from wordsight.evaluate.metrics import DRAWS, NORMAL_95, Floats, Ints


@dataclass(frozen=True, slots=True)
class GroupShares:
    """The share of images of which something is true in each group, (G,) each, and the largest gap between two.

    `lows`, `highs`: 95 % intervals of the shares (Wilson 1927).  `gap_interval`: 95 % by a bootstrap within each
    group; of few images it is too wide upwards, since noise makes gaps larger.  `p_value`: of a gap this large where
    groups are exchanged at random.
    """

    groups: NDArray[np.int64]
    counts: NDArray[np.int64]
    shares: Floats
    lows: Floats
    highs: Floats
    gap: float
    gap_interval: tuple[float, float]
    p_value: float

    @property
    def lowest(self) -> int:
        """Return the group with the least share: the worst one of an accuracy."""
        return int(self.groups[self.shares.argmin()])

    @property
    def highest(self) -> int:
        """Return the group with the largest share: the worst one of an error."""
        return int(self.groups[self.shares.argmax()])


def group_shares(events: NDArray[np.bool_], groups: Ints, *, seed: int = 0) -> GroupShares:
    """Return the share of `events` (N,) in each of the `groups` (N,) that occur.

    With right answers as events it is the accuracy of each group, with a set of predicted classes the rate that
    Radford et al. 2021 (section 7.1, tables 6 and 7) count.  The gap is the largest difference of two shares (Hardt,
    Price and Srebro 2016 for recalls and false positives).
    """
    if events.ndim != 1 or events.shape != groups.shape or not len(events):
        cure = "give one of both for each image, one image at least"
        raise UsageError(f"events of the shape {events.shape} and groups of {groups.shape}", cure=cure)
    if not np.isin(events, (0, 1)).all():
        raise UsageError("an event is neither 0 nor 1", cure="give whether it is true of each image")
    names, codes = np.unique(groups, return_inverse=True)
    counts = np.bincount(codes)
    hits = np.bincount(codes, weights=events.astype(np.float64)).astype(np.int64)
    shares = hits / counts
    lows, highs = wilson_interval(hits, counts)
    generator = np.random.default_rng(seed)
    gap = float(np.ptp(shares))
    gaps = np.ptp(generator.binomial(counts, shares, size=(DRAWS, len(counts))) / counts, axis=1)
    low, high = np.quantile(gaps, [0.025, 0.975])
    mixed = generator.multivariate_hypergeometric(counts, int(hits.sum()), size=DRAWS)
    as_large = int((np.ptp(mixed / counts, axis=1) >= gap - 1e-12).sum())  # shares are sums of rounded numbers
    return GroupShares(
        groups=names.astype(np.int64),
        counts=counts.astype(np.int64),
        shares=shares,
        lows=lows,
        highs=highs,
        gap=gap,
        gap_interval=(float(low), float(high)),
        p_value=(1 + as_large) / (1 + DRAWS),  # Phipson and Smyth 2010: never 0
    )


def group_recalls(
    predictions: Ints, labels: Ints, groups: Ints, *, classes: int, seed: int = 0
) -> Mapping[int, GroupShares]:
    """Return for each class that occurs the share of its images that are recognised, in each group that has any.

    The true positive rates that "equality of opportunity" asks to be alike (Hardt, Price and Srebro 2016, definition
    2.2).
    """
    _check_predictions(predictions, labels, groups, classes)
    return {
        label: group_shares(predictions[labels == label] == label, groups[labels == label], seed=seed)
        for label in range(classes)
        if (labels == label).any()
    }


def group_false_positives(
    predictions: Ints, labels: Ints, groups: Ints, *, classes: int, seed: int = 0
) -> Mapping[int, GroupShares]:
    """Return for each class the share of images of other classes that are taken for it, in each group that has any.

    With recalls they are what "equalised odds" asks to be alike (Hardt, Price and Srebro 2016, definition 2.1).
    """
    _check_predictions(predictions, labels, groups, classes)
    return {
        label: group_shares(predictions[labels != label] == label, groups[labels != label], seed=seed)
        for label in range(classes)
        if (labels != label).any()
    }


def wilson_interval(hits: Ints, counts: Ints) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % score interval of shares hits / counts, (G,) each (Wilson 1927).

    Unlike a bootstrap it has a width where all or none are hits (Brown, Cai and DasGupta 2001, section 3.1.1).
    """
    shares = hits / counts
    square = NORMAL_95**2 / counts
    middle = (shares + square / 2) / (1 + square)
    half = np.sqrt(shares * (1 - shares) * square + square**2 / 4) / (1 + square)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _check_predictions(predictions: Ints, labels: Ints, groups: Ints, classes: int) -> None:
    if groups.shape != labels.shape:
        raise UsageError(f"groups of the shape {groups.shape} for {len(labels)} images", cure="give one for each image")
    check_labels(labels, (len(labels), classes))
    check_labels(predictions, (len(labels), classes))
