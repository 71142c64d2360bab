"""Embeddings as 16-bit floats: the same numbers as float32, and the exact nearest of them, block by block.

    wide = to_float32(rows[:512])
    nearest = nearest_halves(queries, rows, k, allowed=mask)

What is stored is half as large as float32 and exact enough to rank by.  NumPy turns 16-bit floats into 32-bit ones a
number at a time on most processors; moving their bits does it for many at once, with the same result.  Knows only
arrays.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.index.best import Best
from wordsight.index.topk import Nearest

Halves = NDArray[np.float16]  # (N, W), little-endian, memory-mapped or not, all finite
Mask = NDArray[np.bool_]  # (N,), one for each row
Scores = NDArray[np.float32]  # (Q, C), or (C,) of one query

BLOCK = 1024  # rows turned into float32 at once: 2 MiB at a width of 512, which stays in the processor's cache
_KEPT = np.array(0x8FFFFFFF, np.uint32).view(np.int32)  # sign, and the 28 bits below what the sign was spread over
_RAISE = np.float32(
    2.0**112
)  # 2 ** (127 - 15): the exponent of a 16-bit float counts from 15, of a 32-bit one from 127


def to_float32(halves: Halves) -> NDArray[np.float32]:
    """Return finite 16-bit floats of any shape as float32, each exactly what `astype` gives."""
    wide = np.ascontiguousarray(halves).view("<i2").astype(np.int32)  # the sign is spread over the upper 17 bits
    wide <<= 13  # 23 - 10: from the fraction's width in one to that in the other
    wide &= _KEPT
    floats = wide.view(np.float32)
    floats *= _RAISE
    return floats


def row_blocks(count: int, allowed: Mask | None, size: int) -> Iterator[slice | RowIds]:
    """Yield what to read of `count` rows, in order: the ids of `allowed` rows, or a slice where most are.

    No block holds more than `size` rows.  The scores of a slice go through `hide`.
    """
    if allowed is not None and 2 * np.count_nonzero(allowed) < count:  # together, or each block would hold but few
        row_ids = np.flatnonzero(allowed)
        yield from (row_ids[start : start + size] for start in range(0, len(row_ids), size))
        return
    for start in range(0, count, size):
        stop = min(start + size, count)
        inside = None if allowed is None else allowed[start:stop]
        if inside is None or 2 * np.count_nonzero(inside) >= stop - start:
            yield slice(start, stop)
        elif inside.any():
            yield start + np.flatnonzero(inside)


def hide(scores: Scores, block: slice | RowIds, allowed: Mask | None) -> Scores:
    """Return the scores (Q, B) of a block, in place, with those of rows that are not allowed below all others."""
    if allowed is not None and isinstance(block, slice):
        scores[:, ~allowed[block]] = -np.inf
    return scores


def nearest_halves(queries: Embeddings, rows: Halves, k: int, *, allowed: Mask | None = None) -> Nearest:
    """Return the k rows with the largest dot products for each query, compared with every allowed row.

    `queries` (Q, W), `rows` (N, W).  K = min(k, rows that are allowed); equal scores are ordered by row.
    """
    best = Best(len(queries), min(k, len(rows) if allowed is None else int(np.count_nonzero(allowed))))
    for block in row_blocks(len(rows), allowed, BLOCK):
        best.offer(hide(queries @ to_float32(rows[block]).T, block, allowed), block)  # (Q, B)
    return best.nearest()


def scores_halves(queries: Embeddings, rows: Halves, row_ids: RowIds) -> Scores:
    """Return the dot products of each query (Q, W) with rows of its own, (Q, C), given as their ids (Q, C)."""
    scores = np.empty(row_ids.shape, np.float32)
    for query, ids, out in zip(queries, row_ids, scores, strict=True):
        for start in range(0, len(ids), BLOCK):
            part = rows.take(ids[start : start + BLOCK], axis=0, mode="clip")  # which is quicker than by brackets
            out[start : start + BLOCK] = to_float32(part) @ query
    return scores
