"""Resizing without antialiasing: what TensorFlow's `image.resize` computes, on plain arrays.

    pixels = sampled(photo, 224, 224, "bilinear")    # uint8 (H, W, 3) -> uint8 (224, 224, 3)

Each new pixel looks at the four (or the one) old pixels nearest to its centre, however much the image shrinks.
All in float32 and in TensorFlow's order of operations, because the result is cut to whole levels: a value that
comes out as 127.99999 is 127.  Does not know files.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels

Plain = Literal["bilinear", "nearest"]


def sampled(pixels: Pixels, height: int, width: int, kind: Plain) -> Pixels:
    """Return uint8 (H, W, 3) resized to uint8 (height, width, 3)."""
    if kind == "nearest":
        return pixels[_nearest(pixels.shape[0], height)][:, _nearest(pixels.shape[1], width)]
    above, below, down = _neighbours(pixels.shape[0], height)
    before, behind, right = _neighbours(pixels.shape[1], width)
    share = right[None, :, None]
    lines = []
    for rows in (above, below):
        near, far = (pixels[rows][:, columns].astype(np.float32) for columns in (before, behind))
        lines.append(near + (far - near) * share)
    upper, lower = lines
    result: Pixels = (upper + (lower - upper) * down[:, None, None]).astype(np.uint8)
    return result


def _centres(old: int, new: int) -> NDArray[np.float32]:
    """Return where the centres of the new samples lie among the old ones, counted from an old sample's edge."""
    scale = np.float32(old) / np.float32(new)
    positions: NDArray[np.float32] = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale
    return positions


def _neighbours(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return for each new sample the old one before it, the one behind it, and the share of the latter."""
    position = _centres(old, new) - np.float32(0.5)
    floor = np.floor(position)
    before = np.maximum(floor, 0).astype(np.int64)
    behind = np.minimum(np.ceil(position), old - 1).astype(np.int64)
    return before, behind, position - floor


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    position: NDArray[np.int64] = np.minimum(np.floor(_centres(old, new)), old - 1).astype(np.int64)
    return position
