"""Does a map point at the thing?  Measured with masks that people drew.

    pointing_game(relevance, mask)           # 1.0: the maximum lies in the mask
    energy_inside(relevance, mask)           # share of the positive relevance that lies in it
    mask_iou(relevance, mask), pixel_precision(relevance, mask)
    counts += confusion(predicted, labels, 21, ignore=255)      # for each image; then
    mean_iou(counts)

Maps (H, W) are upsampled to the picture that the mask (H, W) was drawn on (or as the model sees it: both alike).  All
depend on how large the mask is: measure a random map and the picture's centre beside them (`centre_map`).  Knows no
engine.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.explain.masks import BoolMask

Floats = NDArray[np.floating]  # (H, W)
ClassLabels = NDArray[np.integer[Any]]  # (H, W), the class of each pixel
Confusion = NDArray[np.int64]  # (K, K): true class, predicted class
TOLERANCE = 15 / 224  # of the shorter side: the 15 pixels of Zhang et al. 2018, whose model saw 224


def pointing_game(relevance: Floats, mask: BoolMask, *, tolerance: float = TOLERANCE) -> float:
    """Return 1.0 if the maximum lies in the mask or within `tolerance` of it, else 0.0 (Zhang et al. 2018).

    `tolerance` is a share of the picture's shorter side; 0: the mask itself.  Of several equal maxima it is the share
    that hits, so that no order of pixels decides: a flat map gets the mask's own share of the picture.
    """
    check_mask(relevance, mask)
    if not 0 <= tolerance <= 1:
        raise UsageError(f"a tolerance of {tolerance}", cure="give a share of the shorter side, from 0 to 1")
    near = grown(mask, round(tolerance * min(mask.shape)))
    return float(near[relevance == relevance.max()].mean())


def energy_inside(relevance: Floats, mask: BoolMask) -> float:
    """Return the share of the positive relevance that lies inside the mask (Wang et al. 2020, Score-CAM).

    Negative relevance counts as none.  Chance is the mask's share of the picture, which is also what a map without
    anything positive gets.
    """
    check_mask(relevance, mask)
    positive = np.maximum(relevance.astype(np.float64), 0)
    total = float(positive.sum())
    return float(positive[mask].sum()) / total if total > 0 else float(mask.mean())


def mask_iou(relevance: Floats, mask: BoolMask, *, threshold: float | None = None) -> float:
    """Return the intersection over union of the mask and where relevance is over `threshold`, its mean by default.

    Chefer, Gur and Wolf 2021 threshold at the mean for ImageNet-Segmentation.
    """
    check_mask(relevance, mask)
    inside = relevance > (float(relevance.mean(dtype=np.float64)) if threshold is None else threshold)
    return float((inside & mask).sum() / (inside | mask).sum())


def pixel_precision(relevance: Floats, mask: BoolMask) -> float:
    """Return the average precision of pixels, ranked by relevance: the sum of precision times the step in recall.

    Equal values are one step, as scikit-learn has it.  Chance is the mask's share of the picture.
    """
    check_mask(relevance, mask)
    values, codes = np.unique(-relevance.ravel(), return_inverse=True)
    inside = np.cumsum(np.bincount(codes, weights=mask.ravel(), minlength=len(values)))
    seen = np.cumsum(np.bincount(codes, minlength=len(values)))
    recall = inside / inside[-1]
    return float((np.diff(recall, prepend=0.0) * inside / seen).sum())


def confusion(predicted: ClassLabels, labels: ClassLabels, classes: int, *, ignore: int | None = None) -> Confusion:
    """Return how many pixels of each class (rows) were predicted as which (columns), int64 (K, K).

    `classes` K: labels are 0..K-1; pixels whose true label is `ignore` do not count.  Sum it over images.
    """
    _check_sizes(predicted, labels, "labels")
    counted = np.ones(labels.shape, dtype=np.bool_) if ignore is None else labels != ignore
    for name, values in (("predicted", predicted[counted]), ("true", labels[counted])):
        if values.size and not 0 <= int(values.min()) <= int(values.max()) < classes:
            wrong = int(values.max()) if int(values.max()) >= classes else int(values.min())
            cure = f"labels are 0 to {classes - 1}; name the label to leave out with ignore="
            raise UsageError(f"a {name} label {wrong}", cure=cure)
    codes = labels[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(codes, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def class_ious(counts: Confusion) -> NDArray[np.float64]:
    """Return the IoU of each class (K,) from a confusion; NaN for classes that neither are there nor were predicted."""
    hits = np.diag(counts).astype(np.float64)
    unions = counts.sum(axis=0) + counts.sum(axis=1) - hits
    return np.asarray(np.divide(hits, unions, out=np.full(len(hits), np.nan), where=unions > 0))


def mean_iou(counts: Confusion) -> float:
    """Return the mean IoU over the classes that are there or were predicted."""
    ious = class_ious(counts)
    if np.isnan(ious).all():
        raise UsageError("a mean IoU of no pixels", cure="give at least one pixel that is not ignored")
    return float(np.nanmean(ious))


def centre_map(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a map (H, W) that falls off from the centre: photographers put things there, so it is the one to beat."""
    down, across = (np.abs((np.arange(side) + 0.5) / side - 0.5) for side in shape)
    return -np.hypot(down[:, None], across).astype(np.float32)


def grown(mask: BoolMask, radius: int) -> BoolMask:
    """Return a mask with everything within `radius` pixels of it."""
    result = mask.copy()
    height, width = mask.shape
    for down in range(-min(radius, height - 1), min(radius, height - 1) + 1):
        reach = math.isqrt(radius**2 - down**2)
        sums = np.pad(np.cumsum(mask, axis=1), ((0, 0), (1, 0)))  # (H, W + 1): how many before each column
        positions = np.arange(width)
        wide = sums[:, np.minimum(positions + reach + 1, width)] > sums[:, np.maximum(positions - reach, 0)]
        if down >= 0:
            result[down:] |= wide[: height - down]
        else:
            result[:down] |= wide[-down:]
    return result


def check_mask(relevance: Floats, mask: BoolMask) -> None:
    """Raise `UsageError` unless `mask` is bool, of the map's size (H, W), and has something inside."""
    _check_sizes(relevance, mask, "a mask")
    if mask.dtype != np.bool_:
        raise UsageError(f"a mask of the type {mask.dtype}", cure="give bool: labels == class, or mask > 0")
    if not mask.any():
        raise UsageError("a mask with nothing inside", cure="leave the picture out: the thing is not in it")
    if not np.isfinite(relevance).all():
        raise UsageError("a map with values that are not finite", cure="a map that failed cannot be measured")


def _check_sizes(first: NDArray[Any], second: NDArray[Any], name: str) -> None:
    if first.ndim != 2 or first.shape != second.shape:
        cure = "both are (H, W) of the same picture: enlarge the map, or make the mask as the model sees the picture"
        raise UsageError(f"{name} of {second.shape} for a map of {first.shape}", cure=cure)
