"""Changed images and how well they still fit the texts: what maps without gradients and tests of maps are made of.

    other = filled(pixels, "blur")                                   # uint8 (H, W, 3): what stands in for pixels
    images = (blended(pixels, other, mask) for mask in masks)        # mask 1 keeps, 0 replaces
    scores = cosines(engine, images, texts)                          # (N, C), in the engine's batches

Any engine will do.  Shapes: N images, C texts, E dimensions, H and W the sides that the model sees, G cells.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels, is_unit
from wordsight.base.errors import NoEmbedding, UsageError
from wordsight.engines.engine import Engine, check_pixels
from wordsight.images.corruptions.filters import gaussian_blur, unit

Fill = Literal["mean", "blur", "black"]
LEVELS = 2  # of 255: an image that varies by no more is of one colour, but for the rounding of its decoder
BLUR = 10.0  # pixels of 224: the standard deviation with which Fong and Vedaldi (2017) blur


def filled(pixels: Pixels, fill: Fill) -> Pixels:
    """Return what stands in for removed pixels, uint8 (H, W, 3), an image as large as `pixels`.

    "mean": the image's mean colour everywhere, the grey that most papers use, but as bright as the image.
    "blur": the image itself without its details; no edges appear where pixels are removed, but large things stay to be
    seen.  "black": the strongest change, and the one furthest from what a model has learned.
    """
    try:
        make = _FILLS[fill]
    except (KeyError, TypeError):
        raise UsageError(f"no fill {fill!r}", cure=f"use {', '.join(_FILLS)}") from None
    return make(pixels)


def is_of_one_colour(pixels: Pixels) -> bool:
    """Say whether nothing is to be seen in an image (H, W, 3) but one colour: no part of it can speak for a text."""
    return int(np.ptp(pixels, axis=(0, 1)).max()) <= LEVELS


def blended(pixels: Pixels, other: Pixels, mask: NDArray[np.generic]) -> Pixels:
    """Return an image (H, W, 3) that shows `pixels` where `mask` (H, W) is 1 and `other` where it is 0."""
    if mask.dtype == np.bool_:
        return np.where(mask[..., None], pixels, other)
    share = mask[..., None].astype(np.float32)
    mixed: Pixels = np.rint(other + share * (pixels.astype(np.float32) - other)).astype(np.uint8)
    return mixed


def cosines(engine: Engine, images: Iterable[Pixels], texts: Embeddings) -> NDArray[np.float64]:
    """Return the cosines (N, C) of images, each uint8 (H, W, 3), with texts (C, E); they are made as they are needed.

    Raises `NoEmbedding` where the model gives none for a changed image.
    """
    rest = iter(images)
    parts = [np.empty((0, len(texts)))]
    while batch := list(islice(rest, engine.batch)):
        scores = engine.embed_images(np.stack(batch)).astype(np.float64) @ texts.T.astype(np.float64)
        if not np.isfinite(scores).all():
            raise NoEmbedding("a changed picture has no embedding", cure="take another fill, or another model")
        parts.append(scores)
    return np.concatenate(parts)


def check_request(engine: Engine, pixels: Pixels, texts: Embeddings) -> None:
    """Raise `UsageError` unless `pixels` (H, W, 3) is one image for the model and `texts` (C, E) are its embeddings."""
    if pixels.ndim != 3:
        cure = "give one image (H, W, 3) as the model sees it"
        raise UsageError(f"pixels of the shape {tuple(pixels.shape)}", cure=cure)
    check_pixels(pixels[None], engine.spec)
    if texts.ndim != 2 or len(texts) == 0 or texts.shape[1] != engine.spec.width:
        cure = f"give (texts, {engine.spec.width}) from the same model"
        raise UsageError(f"text embeddings of the shape {tuple(texts.shape)}", cure=cure)
    if not is_unit(texts).all():
        number = int(np.argmin(is_unit(texts)))
        raise UsageError(f"text embedding {number} is not of length 1", cure="give what embed_texts returns")


def check_count(name: str, count: Any, *, least: int, most: int) -> None:
    """Raise `UsageError` unless `count` is a whole number from `least` to `most`."""
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not least <= count <= most:
        raise UsageError(f"{name} {count!r}", cure=f"give a whole number from {least} to {most}")


def cell_edges(side: int, cells: int) -> NDArray[np.int64]:
    """Return where the cells of a side of `side` pixels begin and end, (cells + 1,), alike to one pixel."""
    return np.rint(np.linspace(0, side, cells + 1)).astype(np.int64)


def stretched(old: int, new: int) -> NDArray[np.float32]:
    """Return the matrix (new, old) that stretches a line of `old` values to `new` by linear interpolation.

    Centres of pixels lie at halves; beyond the first and last centre values stay as they are.
    """
    return between_centres((np.arange(new) + 0.5) * old / new, old)


def between_centres(positions: NDArray[np.floating], cells: int) -> NDArray[np.float32]:
    """Return the weights (P, cells) by which positions (P,), from 0 to `cells`, lie between the centres of cells.

    They are linear, and sum to 1; beyond the first and last centre that cell has all.
    """
    clipped = np.clip(positions - 0.5, 0, cells - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(clipped[:, None] - np.arange(cells))), dtype=np.float32)


def upsampled(relevance: NDArray[np.floating], height: int, width: int) -> NDArray[np.float32]:
    """Return maps (C, G, G) as (C, height, width), by bilinear interpolation between the centres of cells."""
    down, across = stretched(relevance.shape[1], height), stretched(relevance.shape[2], width)
    return np.asarray(down @ relevance.astype(np.float32) @ across.T, dtype=np.float32)


def _mean(pixels: Pixels) -> Pixels:
    colour = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    return np.broadcast_to(colour, pixels.shape)


def _blur(pixels: Pixels) -> Pixels:
    sigma = BLUR * unit(pixels.astype(np.float32))
    blurred = gaussian_blur(pixels.astype(np.float32), sigma, truncate=3.0, border="reflect")
    return np.rint(np.clip(blurred, 0, 255)).astype(np.uint8)


_FILLS: dict[Fill, Callable[[Pixels], Pixels]] = {"mean": _mean, "blur": _blur, "black": np.zeros_like}
