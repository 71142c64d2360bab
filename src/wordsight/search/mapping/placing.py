"""Where images that were added go on a map that is there: to their neighbours, and nothing else moves.

    at = beside(near, positions, numbers)         # Beside(positions, numbers) of the images that were asked about

An image lies at the mean of those of its nearest neighbours that are of one cluster, the one most of them are of: the
mean of all would lie in the void between clusters.  Knows only arrays.
"""

from typing import NamedTuple

import numpy as np

from wordsight.search.mapping.clusters import ClusterNumbers
from wordsight.search.mapping.layout import Positions
from wordsight.search.mapping.neighbours import NearestRows

NEIGHBOURS = 5
SCATTER = 0.002  # of the map's width, so that images with the same neighbours do not lie on one another
_SHARP = 20.0  # how much more a nearer neighbour counts: e times at a cosine that is larger by 0.05


class Beside(NamedTuple):
    """Where n images go, (n, 2) and (n,)."""

    positions: Positions
    numbers: ClusterNumbers


def beside(near: NearestRows, positions: Positions, numbers: ClusterNumbers, *, seed: int = 0) -> Beside:
    """Return where n images go whose k nearest are `near` (n, k), rows of images with `positions` and `numbers`."""
    weights = np.where(near.cosines > -2, np.exp(_SHARP * (near.cosines - near.cosines[:, :1])), 0.0)
    around = numbers[near.numbers]
    votes = np.einsum("ikj,ij->ik", around[:, :, None] == around[:, None, :], weights)
    chosen = around[np.arange(len(around)), votes.argmax(axis=1)]
    weights = weights * (around == chosen[:, None])
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    middle = np.einsum("ik,ikd->id", weights / total, positions[near.numbers])
    draw = np.random.default_rng(seed).normal(scale=SCATTER, size=middle.shape)
    return Beside(np.clip(middle + draw, -1, 1).astype(np.float32), chosen.astype(np.int32))
