"""How well masks of a picture fit texts, by showing a model each of them alone.

    cosines = score_masks(model.engine, image, masks, texts)             # (M, C), any engine
    kept = suppressed(overlaps(masks), cosines.max(axis=1), most=0.5)    # of those that overlap, the best

Each mask is cut out with some of what lies around it, and what is not of the mask fades to the mean colour of the
picture, so that the tower sees the thing and little of its neighbours; Liang et al. 2023 ("OVSeg") blank it wholly.
All go through the engine together.  Free of PyTorch.

Shapes: H, W sides of the picture, M masks, C texts, E width of the shared space, S side of the tower's images.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.engines.engine import Engine
from wordsight.explain.masks import box_of
from wordsight.explain.proposals import Mask, Proposals
from wordsight.images.transform import load_pixels

MARGIN = 0.1  # of the longer side of a mask's box, on each side
SEEN = 0.0  # how much of what is not of the mask is left; the best of 0, 0.3 and 1 on 50 photos (align-lite)
LONGEST = 8  # times the side of the tower's images; of larger pictures cuts are made from a coarser copy
_BLOCK = 1 << 18  # pixels of all masks that are counted at a time


def score_masks(
    engine: Engine,
    image: Pixels,
    masks: Sequence[Mask] | NDArray[np.bool_],
    texts: Embeddings,
    *,
    margin: float = MARGIN,
    seen: float = SEEN,
) -> NDArray[np.float32]:
    """Return the cosine of each mask with each text, float32 (M, C).

    `image` uint8 (H, W, 3), masks bool (H, W) each, `texts` unit embeddings (C, E) of the engine's model.  `margin` is
    a share of the longer side of a mask's box, `seen` how much is left of what lies outside the mask, from 0 to 1.
    Masks of another shape, and those of no pixel, raise `UsageError`.
    """
    if not 0 <= seen <= 1 or margin < 0:
        raise UsageError(f"margin = {margin}, seen = {seen}", cure="give a margin of 0 or more, and seen from 0 to 1")
    if not len(masks):
        return np.zeros((0, len(texts)), np.float32)
    spec, mean = engine.spec.preprocess, image.reshape(-1, 3).mean(axis=0)
    factor = -(-max(image.shape) // (LONGEST * spec.size))
    coarse = _coarser_image(image, factor)
    pixels = []
    for number, mask in enumerate(masks):
        part = _coarser_mask(_checked(mask, image, number), factor)
        pixels.append(load_pixels(_cut_out(coarse, part, mean, margin=margin, seen=seen), spec))
    cosines: NDArray[np.float32] = engine.embed_images(np.stack(pixels)) @ texts.T
    return cosines


def _checked(mask: Mask, image: Pixels, number: int) -> Mask:
    if mask.shape != image.shape[:2] or mask.dtype != np.bool_:
        problem = f"mask {number} of shape {mask.shape} and type {mask.dtype}"
        raise UsageError(problem, cure=f"the picture wants bool {image.shape[:2]}")
    if not mask.any():
        raise UsageError(f"mask {number} has no pixel", cure="leave it out")
    return mask


def _coarser_image(image: Pixels, factor: int) -> Pixels:
    """Return the image at a `factor`-th of its size, rounded up."""
    if factor == 1:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).reduce(factor))


def _coarser_mask(mask: Mask, factor: int) -> Mask:
    """Return the mask at a `factor`-th of its size, rounded up: true where any of its pixels is."""
    if factor == 1:
        return mask
    for axis, side in enumerate(mask.shape):
        mask = np.logical_or.reduceat(mask, np.arange(0, side, factor), axis=axis)
    return mask


def _cut_out(image: Pixels, mask: Mask, mean: NDArray[np.floating], *, margin: float, seen: float) -> Pixels:
    """Return the square around a mask, uint8 (side, side, 3); beyond the picture it is of the mean colour."""
    left, top, right, bottom = map(int, box_of(mask))
    longer = max(right - left, bottom - top)
    side = longer + 2 * round(margin * longer)
    left, top = (left + right - side) // 2, (top + bottom - side) // 2  # before the picture where negative
    cut = np.empty((side, side, 3), np.uint8)
    cut[:] = np.round(mean)
    rows = slice(max(top, 0), min(top + side, image.shape[0]))
    columns = slice(max(left, 0), min(left + side, image.shape[1]))
    part, of_mask = image[rows, columns], mask[rows, columns, None]
    faded = np.round(part * np.float32(seen) + mean.astype(np.float32) * np.float32(1 - seen)).astype(np.uint8)
    cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = np.where(of_mask, part, faded)
    return cut


def overlaps(masks: Sequence[Mask] | NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the intersection over the union of each two masks (H, W), float32 (M, M); two of no pixel have none."""
    if isinstance(masks, Proposals):
        return masks.overlaps
    flat = np.stack([np.asarray(mask, np.bool_).ravel() for mask in masks])
    common = np.zeros((len(flat), len(flat)), np.float64)
    at_once = max(1, _BLOCK // len(flat))
    for start in range(0, flat.shape[1], at_once):
        block = flat[:, start : start + at_once].astype(np.float32)
        common += block @ block.T
    each = np.diagonal(common)
    return (common / np.maximum(each[:, None] + each - common, 1)).astype(np.float32)


def suppressed(overlaps: NDArray[np.floating], scores: NDArray[np.floating], *, most: float = 0.5) -> list[int]:
    """Return the numbers of the masks that are left, the best first: none overlaps a better one by more than `most`.

    `overlaps` (M, M) are intersections over unions, `scores` (M,); of equal scores the first counts as better.
    """
    if overlaps.shape != (len(scores), len(scores)):
        raise UsageError(f"overlaps of shape {overlaps.shape} for {len(scores)} scores", cure="give one of each mask")
    free, left = np.ones(len(scores), np.bool_), list[int]()
    for number in np.argsort(-scores, kind="stable").tolist():
        if free[number]:
            left.append(number)
            free &= overlaps[number] <= most
    return left
