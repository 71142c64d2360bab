"""Dot products in which equal embeddings tie exactly, wherever they stand.

    products(queries, gallery)          # (Q, G)
    Gallery(gallery).products(block)    # the same for many blocks of queries

A matrix product gives equal rows results that differ in the last bits, by their place and by the processor.  Where
captions or images repeat, ties would then be broken by the order of the data, and count for the model half the time.
Shapes: Q queries, G gallery entries, D width.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

BLOCK = 8192  # rows that are read together


def first_equal(rows: Floats) -> NDArray[np.int64]:
    """Return for each row (G, D) the number of the first row with the same numbers, (G,); rows may be memory-mapped."""
    known: dict[bytes, int] = {}
    first = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), BLOCK):
        part = np.ascontiguousarray(rows[start : start + BLOCK]) + 0.0  # minus zero is zero
        for number, row in enumerate(part, start):
            first[number] = known.setdefault(blake2b(row.data, digest_size=16).digest(), number)
    return first


def repeated_together(first: NDArray[np.int64], repeated: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the positions of each row that is `repeated` (G,), those of equal ones, by `first` (G,), in one array."""
    positions = np.flatnonzero(repeated)
    if not positions.size:
        return []
    positions = positions[np.argsort(first[positions], kind="stable")]
    return np.split(positions, np.flatnonzero(np.diff(first[positions])) + 1)


class Gallery:
    """The rows (G, D) that queries are compared with, each of several equal ones once."""

    def __init__(self, rows: Floats) -> None:
        first = first_equal(rows)
        kept, columns = np.unique(first, return_inverse=True)
        repeated = len(kept) < len(rows)
        self._rows = rows[kept] if repeated else rows
        self._columns = columns if repeated else None

    def products(self, queries: Floats) -> Floats:
        """Return the dot products (Q, G) of queries (Q, D); those of equal rows are equal to the last bit."""
        every: Floats = queries @ self._rows.T
        return every if self._columns is None else every[:, self._columns]


def products(queries: Floats, gallery: Floats) -> Floats:
    """Return the dot products (Q, G) of queries (Q, D) and rows (G, D); those of equal rows are exactly equal."""
    return Gallery(gallery).products(queries)
