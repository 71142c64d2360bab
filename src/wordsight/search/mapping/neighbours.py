"""Which images are nearest to each image, among any number, in bounded memory.

    near = nearest(rows, 10)
    near.numbers[7], near.cosines[7]        # its ten nearest, best first

Up to `ALL` images are compared one and all, more with those that share a cell (`duplicates/nearby.py`).  Knows only
arrays.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.search.duplicates.nearby import Comparison, Halves, comparisons

ALL = 8_192  # images up to which every pair is compared: two seconds of one core
ChosenRows = NDArray[np.bool_]  # (N,)


class NearestRows(NamedTuple):
    """The k nearest of each row, best first: `numbers` int32 (N, k) and `cosines` float32 (N, k).

    Where fewer were met a row stands for itself, at a cosine of -2.
    """

    numbers: NDArray[np.int32]
    cosines: NDArray[np.float32]


def nearest(
    rows: Halves,
    k: int,
    *,
    asked: ChosenRows | None = None,
    among: ChosenRows | None = None,
    progress: Callable[[float], None] | None = None,
) -> NearestRows:
    """Return the k nearest of each row of unit length, float16 (N, W), which may be a file.

    `asked`: the rows whose neighbours are sought; `among`: the rows that may be neighbours.
    """
    numbers = np.repeat(np.arange(len(rows), dtype=np.int32)[:, None], k, axis=1)
    cosines = np.full((len(rows), k), -2, np.float32)
    compared = 0
    for one in comparisons(rows, all_up_to=ALL, asked=asked, among=among):
        _offer(rows, one, numbers, cosines)
        compared += len(one.block)
        if progress is not None:
            progress(compared)
    order = np.argsort(-cosines, axis=1, kind="stable")
    return NearestRows(np.take_along_axis(numbers, order, axis=1), np.take_along_axis(cosines, order, axis=1))


def _offer(rows: Halves, one: Comparison, numbers: NDArray[np.int32], cosines: NDArray[np.float32]) -> None:
    """Keep what is nearer than the neighbours that the rows of a block have so far."""
    if not len(one.members):
        return
    products = np.asarray(rows[one.block], np.float32) @ one.wide.T
    at = np.minimum(np.searchsorted(one.members, one.block), len(one.members) - 1)
    own = np.flatnonzero(one.members[at] == one.block)
    products[own, at[own]] = -2
    few = min(cosines.shape[1], products.shape[1])
    if few < products.shape[1]:
        best = np.argpartition(products, -few, axis=1)[:, -few:]
        products, ids = np.take_along_axis(products, best, axis=1), one.members[best]
    else:
        ids = np.broadcast_to(one.members, products.shape)
    both = np.concatenate([cosines[one.block], products], axis=1)
    which = np.concatenate([numbers[one.block], ids.astype(np.int32)], axis=1)
    best = np.argpartition(both, few, axis=1)[:, few:]
    numbers[one.block] = np.take_along_axis(which, best, axis=1)
    cosines[one.block] = np.take_along_axis(both, best, axis=1)
