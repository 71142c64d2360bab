"""One image of each group of near-equal embeddings, looked for within clusters (as SemDeDup, Abbas et al. 2023).

An image goes when one that is preferred, and stays, has a cosine of at least `cosine` with it.  Embeddings of the two
may lie in neighbouring clusters: such a pair is not seen (docs/curate.md states how many).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.curate.clusters import check_clusters, cluster_numbers
from wordsight.curate.pool import PairPool
from wordsight.curate.preference import Keep, ranks
from wordsight.curate.rules.table import Ruling, by_image

NEEDS = ("images",)
AMONG_KEPT = True
IN_A_CLUSTER = 4000  # images, on average: fewer need more clusters and miss more pairs
_AT_ONCE = 512  # images compared with those that stay


@dataclass(frozen=True, slots=True)
class NearDuplicatesOptions:
    """`cosine` from which on two images are the same; `keep` which one; `clusters`: None: one for 4,000 images."""

    cosine: float = 0.95
    keep: Keep = "first"
    clusters: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cosine <= 1:
            raise UsageError(f"near-duplicates: cosine={self.cosine}", cure="give one above 0 and up to 1")
        check_clusters("near-duplicates", self.clusters)


OPTIONS = NearDuplicatesOptions


def judge(pool: PairPool, options: NearDuplicatesOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every image that has a kept pair; the figure is its largest cosine with one that stays."""
    embeddings, sound = pool.images.rows, pool.images.sound
    rank = ranks(pool, options.keep, alive)
    count = options.clusters or -(-int(sound.sum()) // IN_A_CLUSTER)
    numbers = cluster_numbers(pool, count)
    kept, figures = sound.copy(), np.zeros(len(sound), np.float32)
    candidates = np.flatnonzero(sound & (rank < len(rank)))
    order = candidates[np.lexsort((rank[candidates], numbers[candidates]))]
    for rows in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if len(rows) > 1:
            stays, near = _greedy(embeddings[rows], options.cosine)
            kept[rows], figures[rows] = stays, near
    return Ruling(by_image(pool, kept), by_image(pool, figures))


def _greedy(embeddings: NDArray[np.float32], least: float) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return which rows (n,) stay, best first, and the largest cosine of each with one before it that stays."""
    stays = np.zeros(len(embeddings), bool)
    nearest = np.zeros(len(embeddings), np.float32)
    for start in range(0, len(embeddings), _AT_ONCE):
        block = embeddings[start : start + _AT_ONCE]
        before = embeddings[:start][stays[:start]]
        if len(before):
            nearest[start : start + len(block)] = (block @ before.T).max(axis=1)
        among = block @ block.T
        for row in range(len(block)):
            here = stays[start : start + row]
            if here.any():
                nearest[start + row] = max(nearest[start + row], among[row, :row][here].max())
            stays[start + row] = nearest[start + row] < least
    return stays, nearest
