"""Clusters of a map: the hills of its density, each with the points from which it is uphill to its top.

    numbers = hills(positions, most=24)      # int32 (N,), 0 for the largest

The density is counted on a mesh and smoothed; a hill that hardly rises above the pass to a higher one belongs to that
one (Chazal, Guibas, Oudot and Skraba, "Persistence-based clustering in Riemannian manifolds", JACM 60, 2013).  So
a cluster is one piece of the map and may have any shape.  Knows only arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.search.mapping.layout import Positions

SIDE = 160  # squares of the mesh on a side
SMOOTHED = 0.4  # of the deviation by Scott's rule, which is for one hill
LEAST = 8  # images of a cluster in a library of some hundreds; of larger ones a share
FEWEST, MOST = 8, 60  # clusters
ClusterNumbers = NDArray[np.int32]  # (N,)


class _Pass(NamedTuple):
    """Where a lower hill meets a higher one: the numbers of both, and how far the lower one rises above it."""

    lower: int
    higher: int
    rise: float


def cluster_count(images: int) -> int:
    """Return how many clusters a map of so many images should have at most: 8 of some hundreds, 60 from 50,000 on."""
    return int(np.clip(round(images**0.5 / 3.7), FEWEST, MOST)) if images > FEWEST * LEAST else max(1, images // LEAST)


def hills(positions: Positions, most: int) -> ClusterNumbers:
    """Return the cluster of each of N positions within [-1, 1], at most `most`, numbered by their sizes."""
    count = len(positions)
    if most < 2 or count < 2:
        return np.zeros(count, np.int32)
    squares = np.minimum(((positions + 1) / 2 * SIDE).astype(np.int64), SIDE - 1)
    square = squares[:, 0] * SIDE + squares[:, 1]
    counted = np.bincount(square, minlength=SIDE * SIDE).reshape(SIDE, SIDE)
    deviation = SMOOTHED * float(positions.std()) * count ** (-1 / 6) * SIDE / 2
    density = _smoothed(counted.astype(np.float64), max(deviation, 1.0))
    tops, passes = _climb(density)
    kept = _merged(passes, np.bincount(tops.reshape(-1)[square], minlength=int(tops.max()) + 1), most)
    raw = kept[tops.reshape(-1)[square]]
    sizes = np.bincount(raw)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(sizes), np.int32)
    rank[order] = np.arange(len(sizes))
    return np.asarray(rank[raw], np.int32)


def _smoothed(counted: NDArray[np.float64], deviation: float) -> NDArray[np.float64]:
    """Return counts (S, S) under a normal kernel of this deviation in squares, nothing beyond the border."""
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * deviation**2))
    kernel /= kernel.sum()
    for _ in range(2):
        counted = np.array([np.convolve(line, kernel)[reach:-reach] for line in counted]).T
    return counted


def _climb(density: NDArray[np.float64]) -> tuple[NDArray[np.int64], list[_Pass]]:
    """Return the hill of each square (S, S), and the passes between hills from the highest down."""
    side = len(density)
    padded = np.pad(density, 1, constant_values=-1.0).reshape(-1)
    width = side + 2
    around = np.array([-width - 1, -width, -width + 1, -1, 1, width - 1, width, width + 1])
    inside = (np.arange(1, side + 1)[:, None] * width + np.arange(1, side + 1)).reshape(-1)
    order = inside[np.argsort(-padded[inside], kind="stable")]
    hill = np.full(len(padded), -1, np.int64)
    heights: list[float] = []  # of the tops
    stands_for: list[int] = []  # hill -> the higher one that it has met
    passes: list[_Pass] = []
    for at in order.tolist():
        beside = at + around
        known = beside[hill[beside] >= 0]
        height = float(padded[at])
        if not len(known):
            hill[at] = len(heights)
            stands_for.append(len(heights))
            heights.append(height)
            continue
        hill[at] = hill[known[padded[known].argmax()]]
        own = _highest(stands_for, int(hill[at]))
        for other in {_highest(stands_for, one) for one in hill[known].tolist()} - {own}:
            lower, higher = sorted((own, other), key=lambda one: (heights[one], -one))
            passes.append(_Pass(lower, higher, heights[lower] - height))
            stands_for[lower] = own = higher
    return hill.reshape(width, width)[1:-1, 1:-1], passes


def _highest(stands_for: list[int], hill: int) -> int:
    """Return the hill that this one belongs to by now."""
    while stands_for[hill] != hill:
        stands_for[hill] = hill = stands_for[stands_for[hill]]
    return hill


def _merged(passes: list[_Pass], sizes: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return for each hill which of the `most` that stay it belongs to, numbered from 0.

    Hills of few images go first, then those that rise least.
    """
    total = int(sizes.sum())
    least = max(LEAST, total // (most * 8))
    together = sizes.astype(np.int64).copy()
    belongs = list(range(len(sizes)))
    left = []
    for one in passes:  # from the highest pass down: what a small hill would take with it has come to it by then
        if together[one.lower] < least or one.rise <= 0:
            belongs[one.lower] = one.higher
            together[_highest(belongs, one.higher)] += together[one.lower]
        else:
            left.append(one)
    left.sort(key=lambda one: one.rise)
    for one in left[: max(len(left) + 1 - most, 0)]:
        belongs[one.lower] = one.higher
    roots = np.array([_highest(belongs, hill) for hill in range(len(sizes))])
    return np.unique(roots, return_inverse=True)[1].reshape(-1)
