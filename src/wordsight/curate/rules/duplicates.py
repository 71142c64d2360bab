"""One image of each group of equal files, and of files that look the same when very small."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.looks import Looks
from wordsight.curate.pool import PairPool
from wordsight.curate.preference import Keep, ranks
from wordsight.curate.rules.table import Ruling, by_image
from wordsight.data.near_duplicates import near_links

NEEDS = ("looks",)
AMONG_KEPT = True
WHYS = ("equal", "looks the same")


@dataclass(frozen=True, slots=True)
class DuplicatesOptions:
    """`keep` which one; `near`: also files that look the same, not equal ones alone."""

    keep: Keep = "first"
    near: bool = True


OPTIONS = DuplicatesOptions


def judge(pool: PairPool, options: DuplicatesOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every image that has a kept pair; the figure is the number of the image (from 0) that stays instead."""
    looks = pool.looks
    rank = ranks(pool, options.keep, alive)  # of images without a kept pair: beyond all others
    rows = np.flatnonzero(looks.sound & (rank < len(rank)))
    rows = rows[np.argsort(rank[rows], kind="stable")]  # the best first
    _, first, group = np.unique(looks.digests[rows], return_index=True, return_inverse=True)
    stays = np.arange(looks.sound.size)
    stays[rows] = rows[first[group]]
    why = np.zeros(stays.size, np.uint8)
    if options.near:
        fresh = rows[stays[rows] == rows]
        for row, gone in _links(looks, fresh):
            if stays[row] == row and stays[gone] == gone:  # neither goes for a better one
                stays[gone], why[gone] = row, 1
        stays[rows] = stays[stays[rows]]  # of equal files, the one whose first goes
    kept = stays == np.arange(stays.size)
    return Ruling(
        by_image(pool, kept & looks.sound), by_image(pool, stays.astype(np.float32)), WHYS, by_image(pool, why)
    )


def _links(looks: Looks, rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield the near-duplicates among images in order of preference: the better one, the other; the best first."""
    links = {
        (row, other)
        for row, others in near_links(looks.bits[rows], lambda some: looks.thumbs(rows[some]))
        for other in others.tolist()
    }
    return ((int(rows[row]), int(rows[other])) for row, other in sorted(links))
