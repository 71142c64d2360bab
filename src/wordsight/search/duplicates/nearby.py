"""Which embeddings lie near one another, among any number, in bounded memory.

    for pairs in near_pairs(rows, floor=0.7, most=8): ...        # rows: float16 (N, W), may be a file; each: NearPairs

Up to `ALL` rows are compared one and all.  More are sorted into cells, by which of some centres each is nearest to, and
a row is compared with the rows of the `PROBED` cells whose centres are nearest to it: two that are near share a cell
nearly always (docs/duplicates.md says how often).  Holds blocks of products, never all.  Knows only arrays.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit

Halves = NDArray[np.float16]

ALL = 32_768  # rows up to which every pair is compared
CELL = 512  # rows of a cell, in the mean
PROBED = 4  # cells
_BLOCK = 1024  # rows compared with others at once
_MEMBERS = 16_384  # of a cell at once: 64 MiB of products
_LEARNED = 131_072  # rows of which the centres are learned
_ROUNDS = 3  # of k-means


class SomeRows:
    """Some of the rows of an array, by their numbers, as if they were all; what is asked for is copied."""

    def __init__(self, rows: Halves, chosen: NDArray[np.int64]) -> None:
        self._rows = rows
        self._chosen = chosen

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._chosen)

    def __getitem__(self, asked: "slice | NDArray[np.int64]") -> Halves:
        """Return the rows at these positions (n, W)."""
        return np.asarray(self._rows[self._chosen[asked]], np.float16)


class NearPairs(NamedTuple):
    """Rows of `some` and `others`, int64 (P,) each, the first below the second, and their `cosines`, float32 (P,)."""

    some: NDArray[np.int64]
    others: NDArray[np.int64]
    cosines: NDArray[np.float32]


def floor_of(sample: Embeddings, share: float) -> float:
    """Return the cosine at `share` of the usual distance between two images of a library with this sample (n, W)."""
    if len(sample) < 2:
        return 1 - share
    cosines = (sample @ sample.T)[~np.tri(len(sample), dtype=bool)]
    return 1 - share * (1 - float(np.median(cosines)))


class Comparison(NamedTuple):
    """Rows `block` (B,) that are to be compared with rows `members` (M,), whose embeddings are `wide`, (M, W)."""

    block: NDArray[np.int64]
    members: NDArray[np.int64]
    wide: Embeddings


def near_pairs(rows: "Halves | SomeRows", *, floor: float, most: int) -> Iterator[NearPairs]:
    """Yield pairs of rows with a cosine of `floor` or more, of which one is among the `most` nearest of the other.

    A pair may come twice.
    """
    for one in comparisons(rows):
        yield _best(rows, one, floor=floor, most=most)


def comparisons(
    rows: "Halves | SomeRows",
    *,
    all_up_to: int = ALL,
    asked: NDArray[np.bool_] | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Iterator[Comparison]:
    """Yield which rows to compare with which: every pair of up to `all_up_to` rows, of more those that share a cell.

    `asked` (N,): the rows whose neighbours are sought, `among` (N,): the rows that may be neighbours; all by default.
    """
    if len(rows) > all_up_to:
        yield from _by_cells(rows, asked, among)
        return
    every = np.arange(len(rows))
    members = every if among is None else every[among]
    sought = every if asked is None else every[asked]
    wide = _wide(rows[members])
    for start in range(0, len(sought), _BLOCK):
        yield Comparison(sought[start : start + _BLOCK], members, wide)


def _by_cells(
    rows: "Halves | SomeRows", asked: NDArray[np.bool_] | None, among: NDArray[np.bool_] | None
) -> Iterator[Comparison]:
    """Yield the comparisons of each cell: of the rows for which it is one of the nearest, with its own."""
    centres = _centres(rows)
    probed = np.empty((len(rows), PROBED), np.int32)
    for start in range(0, len(rows), _BLOCK * 4):
        nearness = _wide(rows[start : start + _BLOCK * 4]) @ centres.T
        best = np.argpartition(-nearness, PROBED, axis=1)[:, :PROBED]
        order = np.argsort(-np.take_along_axis(nearness, best, axis=1), axis=1)
        probed[start : start + len(best)] = np.take_along_axis(best, order, axis=1)
    at_home, homes = _by_cell(probed[:, :1], len(centres))
    visiting, visits = _by_cell(probed, len(centres))
    for cell in range(len(centres)):
        members = _only(at_home[homes[cell] : homes[cell + 1]], among)
        visitors = _only(visiting[visits[cell] : visits[cell + 1]], asked)
        for first in range(0, len(members) if len(visitors) else 0, _MEMBERS):
            some = members[first : first + _MEMBERS]
            wide = _wide(rows[some])
            for start in range(0, len(visitors), _BLOCK):
                yield Comparison(visitors[start : start + _BLOCK], some, wide)


def _only(numbers: NDArray[np.int64], chosen: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    return numbers if chosen is None else numbers[chosen[numbers]]


def _centres(rows: "Halves | SomeRows") -> Embeddings:
    """Return the centres of the cells, by k-means of a part of the rows that is spread evenly."""
    count = max(2 * PROBED, len(rows) // CELL)
    learned = np.arange(min(_LEARNED, len(rows))) * len(rows) // min(_LEARNED, len(rows))
    centres = _wide(rows[learned[np.arange(count) * len(learned) // count]])
    for _ in range(_ROUNDS):
        sums = np.zeros_like(centres)
        for start in range(0, len(learned), _BLOCK * 4):
            block = _wide(rows[learned[start : start + _BLOCK * 4]])
            np.add.at(sums, (block @ centres.T).argmax(axis=1), block)
        lone = ~sums.any(axis=1)
        sums[lone] = centres[lone]
        centres = unit(sums)
    return centres


def _by_cell(cells: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows sorted by the cells (N, n) that they are in, and where each cell begins, (count + 1,)."""
    flat = cells.reshape(-1)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(count + 1))
    return order // cells.shape[1], starts


def _best(rows: "Halves | SomeRows", asked: Comparison, *, floor: float, most: int) -> NearPairs:
    """Return the pairs of each row of a block with its `most` nearest of the members, if they are near enough."""
    block, members = asked.block, asked.members
    products = _wide(rows[block]) @ asked.wide.T
    one, other = np.nonzero(products >= floor)
    apart = block[one] != members[other]
    one, other = one[apart], other[apart]
    cosines = products[one, other]
    order = np.lexsort((-cosines, one))
    one, other, cosines = one[order], other[order], cosines[order]
    first = np.searchsorted(one, one)  # where the row's pairs begin
    kept = np.arange(len(one)) - first < most
    some, others = block[one[kept]], members[other[kept]]
    return NearPairs(np.minimum(some, others), np.maximum(some, others), cosines[kept])


def _wide(rows: Halves) -> Embeddings:
    return np.asarray(rows, np.float32)
