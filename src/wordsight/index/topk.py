"""Exact nearest embeddings, block by block, so that the scores of a large library never lie in memory at once.

Knows only arrays.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds

BLOCK_SCORES = 1 << 24  # scores held at once: 64 MiB of float32


class Nearest(NamedTuple):
    """`scores` float32 (Q, K) in falling order and `row_ids` int64 (Q, K); K = min(k, rows)."""

    scores: NDArray[np.float32]
    row_ids: RowIds  # (Q, K)


def top_k(
    queries: Embeddings,
    embeddings: Embeddings,
    k: int,
    *,
    among: RowIds | None = None,
) -> Nearest:
    """Return the k embeddings with the largest dot products for each query.

    `queries` (Q, D), `embeddings` (N, D; may be memory-mapped).  `among` holds the rows that may be answered
    (rising); all by default.  Equal scores are ordered by row.
    """
    total = len(embeddings) if among is None else len(among)
    k = min(k, total)
    block = max(k, BLOCK_SCORES // max(len(queries), 1), 1)
    best = Nearest(np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))
    for start in range(0, total if k else 0, block):
        stop = min(start + block, total)
        if among is None:
            row_ids, part = np.arange(start, stop), embeddings[start:stop]
        else:
            row_ids, part = among[start:stop], embeddings[among[start:stop]]
        scores = queries @ np.asarray(part).T  # (Q, B)
        best = _merge(best, scores, row_ids, k)
    return best


def _merge(best: Nearest, scores: NDArray[np.float32], row_ids: RowIds, k: int) -> Nearest:
    """Join the best so far with one block; earlier rows stand first, so stable sorting settles ties."""
    all_scores = np.concatenate([best.scores, scores], axis=1)
    wide = np.broadcast_to(row_ids, scores.shape)
    all_row_ids = np.concatenate([best.row_ids, wide], axis=1)
    chosen = largest(all_scores, k)
    return Nearest(np.take_along_axis(all_scores, chosen, 1), np.take_along_axis(all_row_ids, chosen, 1))


def largest(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the column numbers (Q, k) of the largest scores, falling; of equal ones the first columns."""
    if scores.shape[1] <= 4 * k:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    chosen = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    values = np.take_along_axis(scores, chosen, 1)
    least = values.min(axis=1, keepdims=True)
    tied = np.flatnonzero((scores == least).sum(axis=1) > (values == least).sum(axis=1))
    for row in tied:  # the partition cut through equal scores: take the first of them
        above = np.flatnonzero(scores[row] > least[row])
        equal = np.flatnonzero(scores[row] == least[row])[: k - len(above)]
        chosen[row] = np.sort(np.concatenate([above, equal]))
    values = np.take_along_axis(scores, chosen, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, 1)
