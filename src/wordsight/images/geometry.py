"""Sizes and corners: how large an image is scaled and what is cut out of it.

    frame = framed(375, 500, spec)     # scaled to 224 x 298, cut at (0, 37), 224 x 224 remain

Rounds as torchvision, open_clip and transformers do, which the published preprocessing uses.  Does not know pixels.
"""

import math
from dataclasses import dataclass

from wordsight.images.check import check_preprocess
from wordsight.images.spec import PreprocessSpec


@dataclass(frozen=True, slots=True)
class Frame:
    """An image is scaled to `height` x `width`; from the corner (`top`, `left`) on, `rows` x `columns` are cut out.

    A negative corner, or a cut that is larger than the image, shows what lies outside.
    """

    height: int
    width: int
    top: int
    left: int
    rows: int
    columns: int

    @property
    def inside(self) -> bool:
        """Nothing has to be filled."""
        fits = self.top + self.rows <= self.height and self.left + self.columns <= self.width
        return fits and min(self.top, self.left) >= 0

    @property
    def whole(self) -> bool:
        """Nothing has to be cut or filled."""
        return (self.top, self.left, self.rows, self.columns) == (0, 0, self.height, self.width)


def framed(height: int, width: int, spec: PreprocessSpec) -> Frame:
    """Return what is done to an image of this size."""
    new_height, new_width = resized(height, width, spec)
    if spec.resize == "patches":
        return Frame(new_height, new_width, 0, 0, new_height, new_width)
    top, left = (corner(side, spec) for side in (new_height, new_width))
    return Frame(new_height, new_width, top, left, spec.size, spec.size)


def resized(height: int, width: int, spec: PreprocessSpec) -> tuple[int, int]:
    """Return the (height, width) an image is scaled to before the cut.

    "shortest": the longer side is rounded down, as in torchvision's Resize; "longest": the shorter side is rounded,
    halves to the even number, as in open_clip, and is never less than one pixel.
    """
    side = spec.scale_to or spec.size
    if spec.resize == "squash":
        return side, side
    if spec.resize == "patches":
        return patched(height, width, spec)
    if spec.resize == "longest":
        ratio = max(height / spec.size, width / spec.size)
        return max(1, round(height / ratio)), max(1, round(width / ratio))
    if height <= width:
        return side, int(side * width / height)
    return int(side * height / width), side


def patched(height: int, width: int, spec: PreprocessSpec) -> tuple[int, int]:
    """Return the largest (height, width) in whole patches that keeps the shape and has at most `max_patches`.

    Both sides are rounded up to whole patches; the scale is found by halving 0.000001..100 until 0.00001 remains, as
    SigLIP 2 was taught (transformers, image_processing_siglip2.py).
    """
    check_preprocess(spec)
    low, high = 1e-6, 100.0
    while high - low >= 1e-5:
        middle = (low + high) / 2
        sides = [_in_patches(side, middle, spec.patch) for side in (height, width)]
        if sides[0] * sides[1] <= spec.max_patches:
            low = middle
        else:
            high = middle
    return _in_patches(height, low, spec.patch) * spec.patch, _in_patches(width, low, spec.patch) * spec.patch


def _in_patches(side: int, scale: float, patch: int) -> int:
    return max(1, math.ceil(side * scale / patch))


def columns_first(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Say whether every Pillow resizes the columns of an image of this (height, width) before its rows.

    Pillow up to 12 always does; Pillow 13 begins with the rows when that drops more of them (found by trying:
    height - new height > 2 (width - new width), for the shrunk heights of tall images).  The order shows where
    values are clipped between the passes.
    """
    return old[0] <= new[0] or old[0] - new[0] <= 2 * (old[1] - new[1])


def corner(side: int, spec: PreprocessSpec) -> int:
    """Return where the centre begins on a side; negative where the image is smaller than the cut."""
    if spec.crop == "floor":
        return (side - spec.size) // 2
    return round((side - spec.size) / 2) if side >= spec.size else -((spec.size - side) // 2)
