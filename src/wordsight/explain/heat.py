"""From the relevance of patches to something that is looked at: over the picture, two maps against each other.

    square = upsampled(relevance, 224, 224)                     # (C, 224, 224): wordsight.explain.perturbed
    over = on_image(square, framed(480, 640, spec), (480, 640))   # (C, 480, 640); NaN where the tower saw nothing
    drawn = overlay(image, scaled(over)[0])                   # uint8 (480, 640, 3)
    drawn = against(image, scaled(over)[0], scaled(over)[1])

Where a tower cuts the sides of a picture off, nothing is known of them: they stay grey.  Knows no method and no model.

Shapes: C maps, G side of the patch grid, S side of what the tower sees, H and W sides of the picture.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.explain.perturbed import upsampled
from wordsight.images.geometry import Frame, framed
from wordsight.images.spec import PreprocessSpec

Floats = NDArray[np.floating]
Maps = NDArray[np.float32]

# Colours from nothing to most, read off no neighbour's table: blue, teal, yellow, red, their lightness growing to the
# yellow, so that the strongest places stand out on dark and on light pictures and for readers who do not see red.
STOPS = np.array([(38, 52, 92), (28, 112, 138), (94, 170, 122), (246, 214, 70), (229, 72, 52)], np.float32)
FIRST, SECOND = np.array([31, 119, 180], np.float32), np.array([214, 78, 40], np.float32)  # two maps against each other
SHARE = 0.62  # of the colour over the picture where the map is strongest
UNSEEN = 0.35  # of the picture's light where the tower saw nothing


def on_image(square: Maps, frame: Frame, sides: tuple[int, int]) -> Maps:
    """Return maps of what the tower saw (C, S, S) on the whole picture (C, H, W), NaN where it saw nothing of it."""
    height, width = sides
    rows = _positions(height, frame.height, frame.top)
    columns = _positions(width, frame.width, frame.left)
    seen = square[:, np.clip(rows, 0, square.shape[1] - 1)][:, :, np.clip(columns, 0, square.shape[2] - 1)]
    inside = ((rows >= 0) & (rows < frame.rows))[:, None] & ((columns >= 0) & (columns < frame.columns))[None]
    return np.where(inside, seen, np.float32(np.nan)).astype(np.float32)


def on_whole(relevance: Maps, spec: PreprocessSpec, sides: tuple[int, int]) -> Maps:
    """Return raw maps (C, G, G) of what the tower sees on the whole image (C, H, W), from 0 to 1 or NaN."""
    square = upsampled(relevance, spec.size, spec.size)
    return scaled(on_image(square, framed(*sides, spec), sides))


def scaled(maps: Floats) -> Maps:
    """Return maps (C, H, W) from 0 to 1, each by its own least and greatest value; one that is even everywhere is 0."""
    low = np.nanmin(maps, axis=(1, 2), keepdims=True)
    span = np.nanmax(maps, axis=(1, 2), keepdims=True) - low
    even = span <= 1e-12 * np.maximum(1.0, np.abs(low))
    return np.where(even, np.where(np.isnan(maps), np.nan, 0), (maps - low) / np.where(even, 1, span)).astype(
        np.float32
    )


def overlay(image: Pixels, heat: Floats) -> Pixels:
    """Return a picture (H, W, 3) under a map (H, W) of values from 0 to 1: the stronger, the more of its colour."""
    strength = np.nan_to_num(heat, nan=0.0)[:, :, None]
    position = strength * (len(STOPS) - 1)
    lower = np.minimum(position.astype(int), len(STOPS) - 2)[:, :, 0]
    colours = STOPS[lower] + (position - lower[:, :, None]) * (STOPS[lower + 1] - STOPS[lower])
    return _laid_over(image, colours, SHARE * (0.35 + 0.65 * strength), heat)


def against(image: Pixels, first: Floats, second: Floats) -> Pixels:
    """Return a picture under the difference of two maps: blue where the first is stronger, orange where the second."""
    difference = np.nan_to_num(first - second, nan=0.0)[:, :, None]
    colours = np.where(difference > 0, FIRST, SECOND)
    return _laid_over(image, colours, 0.85 * np.abs(difference), first)


def _laid_over(image: Pixels, colours: Floats, share: Floats, seen: Floats) -> Pixels:
    """Return the picture, in grey, under colours (H, W, 3) of so much share (H, W, 1); darker where `seen` is NaN."""
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    light = np.where(np.isnan(seen), UNSEEN, 1.0) * grey
    base = 0.5 * light[:, :, None] + 0.5 * np.where(np.isnan(seen)[:, :, None], light[:, :, None], image)
    mixed = np.where(np.isnan(seen)[:, :, None], base, (1 - share) * base + share * colours)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _positions(side: int, resized: int, corner: int) -> NDArray[np.int64]:
    """Return for each row (or column) of a picture which one of the cut it became."""
    return np.floor((np.arange(side) + 0.5) * resized / side).astype(np.int64) - corner
