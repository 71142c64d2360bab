"""Which pairs of images that lie near one another are copies, by their pixels: saved again, a part, or mirrored.

    relations = confirm(pairs, smalls)           # uint8 (P,): one of Relation for each pair
    Relation.CROP

The limits were chosen on one half of benchmarks/duplicates.py and measured on the other (docs/duplicates.md).  Knows
small versions of images, and no library.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.progress import bar
from wordsight.search.duplicates.aligning import brightness, where_cropped, windowed
from wordsight.search.duplicates.comparing import Compared, compare
from wordsight.search.duplicates.nearby import NearPairs

AGREEING, INSIDE = 0.6, 0.95  # a copy: so many fields agree, and detail in them,
DETAIL, LEAST_AGREEING = 0.96, 0.2  # or detail everywhere: of edits that clip highlights few fields agree
PROPORTIONS = 0.05  # by which width / height of a copy may differ
EDITED = 2.0  # by which contrast or saturation of a copy may be multiplied or divided
CROP_AGREEING, CROP_DETAIL, CROP_SUM = 0.75, 0.76, 1.68  # a part of another: both, and together
CROP_AREA = 0.97  # of the whole image, at most
CROP_EDITED = 1.25  # as EDITED: what fits after moving and scaling has to fit in colour
RANKED = 3  # a crop is among so many nearest of the whole image, or that of it
_AT_ONCE = 256


class Relation(IntEnum):
    """How two images are related, the surest first."""

    EXACT = 1
    NEAR = 2
    CROP = 3
    FLIP = 4
    ALIKE = 5


class SmallImages(NamedTuple):
    """Small versions uint8 (n, SIDE, SIDE, 3), width / height and pixels (n,) each; 0 of images that cannot be read."""

    images: NDArray[np.uint8]
    proportions: NDArray[np.float32]
    areas: NDArray[np.float64]


def confirm(pairs: NearPairs, smalls: SmallImages, *, crops_from: float) -> NDArray[np.uint8]:
    """Return how the two of each pair are related, 0 where they are no copies; pairs name rows of `smalls`.

    `crops_from` is the cosine from which a crop is looked for.
    """
    relations = np.zeros(len(pairs.some), np.uint8)
    sought = _ranked(pairs) & (pairs.cosines >= crops_from)
    with bar(len(relations), unit=" pairs", desc="comparing") as progress:
        for start in range(0, len(relations), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            some, others = pairs.some[part], pairs.others[part]
            relations[part] = _confirmed(some, others, smalls, sought[part])
            progress.update(len(some))
    return relations


def _ranked(pairs: NearPairs) -> NDArray[np.bool_]:
    """Return which pairs are among the nearest of either of the two."""
    near = np.zeros(len(pairs.some), bool)
    for ends in (pairs.some, pairs.others), (pairs.others, pairs.some):
        both = np.concatenate(ends)
        numbers = np.tile(np.arange(len(pairs.some)), 2)
        order = np.lexsort((-pairs.cosines[numbers], both))
        sorted_ends = both[order]
        rank = np.arange(len(both)) - np.searchsorted(sorted_ends, sorted_ends)
        near[numbers[order[rank < RANKED]]] = True
    return near


def _confirmed(
    some: NDArray[np.int64], others: NDArray[np.int64], smalls: SmallImages, sought: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return the relations of some pairs."""
    images, shapes = smalls.images, smalls.proportions
    relations = np.zeros(len(some), np.uint8)
    readable = (shapes[some] > 0) & (shapes[others] > 0)
    ratio = np.abs(np.log(np.maximum(shapes[others], 1e-3) / np.maximum(shapes[some], 1e-3)))
    shaped = np.flatnonzero(readable & (ratio <= PROPORTIONS))
    near = is_copy(compare(images[some[shaped]], images[others[shaped]]))
    relations[shaped[near]] = Relation.NEAR
    left = shaped[~near]
    mirrored = is_copy(compare(images[some[left]][:, :, ::-1], images[others[left]]))
    relations[left[mirrored]] = Relation.FLIP
    for at in np.flatnonzero(readable & sought & (relations == 0)):
        if _is_crop(int(some[at]), int(others[at]), smalls):
            relations[at] = Relation.CROP
    return relations


def is_copy(seen: Compared) -> NDArray[np.bool_]:
    """Return for each compared pair whether it is one image, saved again, edited or marked, (P,)."""
    detailed = (seen.agreeing >= AGREEING) & (seen.inside >= INSIDE)
    detailed |= (seen.agreeing >= LEAST_AGREEING) & (seen.texture >= DETAIL)
    even = seen.fields == 0
    alike: NDArray[np.bool_] = np.where(even, seen.shift < 2, detailed & _within(seen.contrast, EDITED))
    return alike


def _within(factor: NDArray[np.float32], most: float) -> NDArray[np.bool_]:
    return (factor <= most) & (factor >= 1 / most)


def _is_crop(one: int, other: int, smalls: SmallImages) -> bool:
    """Return whether one of two images is a part of the other, which may be the smaller: crops are enlarged, too."""
    whole, part = (one, other) if smalls.areas[one] >= smalls.areas[other] else (other, one)
    return _lies_in(whole, part, smalls) or _lies_in(part, whole, smalls)


def _lies_in(whole: int, part: int, smalls: SmallImages) -> bool:
    ratio = float(smalls.proportions[part] / smalls.proportions[whole])
    window = where_cropped(brightness(smalls.images[whole]), brightness(smalls.images[part]), ratio)
    if window is None or window.width * window.height > CROP_AREA:
        return False
    seen = compare(windowed(smalls.images[whole], window)[None], smalls.images[part][None])
    return bool(is_crop(seen)[0])


def is_crop(seen: Compared) -> NDArray[np.bool_]:
    """Return for each pair of a window and an image whether they are the same, (P,)."""
    good = (seen.agreeing >= CROP_AGREEING) & (seen.texture >= CROP_DETAIL)
    good &= seen.agreeing + seen.texture >= CROP_SUM
    fits: NDArray[np.bool_] = good & _within(seen.contrast, CROP_EDITED) & _within(seen.colour, CROP_EDITED)
    return fits & (seen.fields >= 4)
