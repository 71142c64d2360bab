"""Maps without gradients: what changes when a part of the image is hidden.  Work with any engine.

    relevance = occlusion(engine, pixels, texts)              # (C, G, G): a window slides over the image
    relevance = rise(engine, pixels, texts)                   # (C, G, G): random masks, smoother and slower
    maps = upsampled(relevance, *pixels.shape[:2])            # wordsight.explain.perturbed

Values are in units of the cosine: more than 0 where a part speaks for the text, less where it speaks against it.
Shapes: C texts, E dimensions, G cells along a side, H and W the image's sides, N masks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.engines.engine import Engine
from wordsight.explain.perturbed import (
    Fill,
    blended,
    cell_edges,
    check_count,
    check_request,
    cosines,
    filled,
    stretched,
)

Maps = NDArray[np.float32]  # (C, G, G), or (C, H, W) where upsampled


def occlusion(
    engine: Engine,
    pixels: Pixels,
    texts: Embeddings,
    *,
    grid: int = 12,
    window: int = 3,
    fill: Fill = "mean",
) -> Maps:
    """Return by how much the cosine with each text falls where a window hides a cell, (C, grid, grid).

    Zeiler and Fergus 2014, with windows that overlap: a window of `window` x `window` cells moves on by one cell, and a
    cell has the mean of the windows that hide it.  Windows also hang over the border, so each cell is hidden by as
    many.  Takes (grid + window - 1) ** 2 + 1 images.  Large windows find large things and show them blunter.
    """
    check_request(engine, pixels, texts)
    check_count("a grid of", grid, least=1, most=min(pixels.shape[:2]))
    check_count("a window of", window, least=1, most=grid)
    other = filled(pixels, fill)
    edges = [cell_edges(side, grid) for side in pixels.shape[:2]]
    corners = range(1 - window, grid)

    def hidden() -> Iterator[Pixels]:
        yield pixels
        for corner in product(corners, corners):
            part = tuple(
                slice(line[max(start, 0)], line[min(start + window, grid)])
                for line, start in zip(edges, corner, strict=True)
            )
            image = pixels.copy()
            image[part] = other[part]
            yield image

    scores = cosines(engine, hidden(), texts)
    falls = (scores[0] - scores[1:]).T.reshape(len(texts), len(corners), len(corners))
    windows = np.lib.stride_tricks.sliding_window_view(falls, (window, window), axis=(1, 2))
    return np.asarray(windows.mean(axis=(3, 4)), dtype=np.float32)  # (C, grid, grid)


@dataclass(frozen=True, slots=True)
class RiseMasks:
    """Random masks of RISE: `count` of them from `cells` x `cells` values, each 1 with the probability `kept`.

    The paper takes 7 cells, one half, and 4,000 to 8,000 masks.  Maps are noisy with fewer: those of two seeds had rank
    correlations of 0.45 to 0.83 with 250 masks, 0.65 to 0.83 with 500 and 0.78 to 0.93 with 1,000 (four texts, three
    photos, bundled model, 2026-11-30).
    """

    count: int = 1000
    cells: int = 7
    kept: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("masks:", self.count, least=1, most=1_000_000)
        check_count("cells of a mask:", self.cells, least=1, most=1000)
        if not 0 < self.kept < 1:
            raise UsageError(f"a share of {self.kept!r} kept", cure="give a number between 0 and 1")


def rise(
    engine: Engine,
    pixels: Pixels,
    texts: Embeddings,
    *,
    grid: int = 14,
    masks: RiseMasks = RiseMasks(),
    fill: Fill = "mean",
) -> Maps:
    """Return how much better the image fits each text when a cell is seen, (C, grid, grid).

    RISE (Petsiuk, Das and Saenko 2018): the mean score of the masked images, each weighted by how much its mask lets
    through of the cell (equation 6).  Two things differ.  The sum is divided by that of the masks that were drawn in
    place of its expectation, and the mean score of all is taken away.  Both change a map by a constant alone when
    masks are many; with few, and with cosines, which are far from 0, they take out most of the noise.
    """
    check_request(engine, pixels, texts)
    check_count("a grid of", grid, least=1, most=min(pixels.shape[:2]))
    other = filled(pixels, fill)
    down, across = (_cell_means(side, grid) for side in pixels.shape[:2])
    seen, weighted, total = np.zeros((grid, grid)), np.zeros((len(texts), grid, grid)), np.zeros(len(texts))
    drawn = random_masks(pixels.shape[:2], masks)
    while batch := list(islice(drawn, engine.batch)):
        scores = cosines(engine, (blended(pixels, other, mask) for mask in batch), texts)  # (B, C)
        cells = down @ np.stack(batch) @ across.T  # (B, grid, grid)
        seen += cells.sum(axis=0)
        weighted += np.tensordot(scores, cells, axes=(0, 0))
        total += scores.sum(axis=0)
    means = total / masks.count
    excess = weighted - means[:, None, None] * seen  # what was never seen stays at 0
    return np.asarray(excess / np.maximum(seen, 1e-12), dtype=np.float32)


def random_masks(shape: tuple[int, ...], masks: RiseMasks) -> Iterator[NDArray[np.float32]]:
    """Yield `masks.count` masks of `shape` (H, W), 0..1: small random grids, enlarged and shifted (section 3.2).

    A grid is stretched to one cell more than the image on each side, of which a random window is cut.
    """
    generator = np.random.default_rng(masks.seed)
    cells = [-(-side // masks.cells) for side in shape]  # pixels of a cell, rounded up
    down, across = (stretched(masks.cells, (masks.cells + 1) * cell) for cell in cells)
    for _ in range(masks.count):
        values = (generator.random((masks.cells, masks.cells)) < masks.kept).astype(np.float32)
        top, left = (int(generator.integers(cell)) for cell in cells)
        mask = down[top : top + shape[0]] @ values @ across[left : left + shape[1]].T
        yield np.asarray(mask, dtype=np.float32)


def _cell_means(side: int, cells: int) -> NDArray[np.float32]:
    """Return the matrix (cells, side) that takes the mean of each cell."""
    edges = cell_edges(side, cells)
    positions = np.arange(side)
    inside = (positions >= edges[:-1, None]) & (positions < edges[1:, None])
    return np.asarray(inside / inside.sum(axis=1, keepdims=True), dtype=np.float32)
