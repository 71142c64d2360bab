"""Rows that may still be among the nearest of each of many queries, while a scan goes by in chunks.

    contenders = Contenders(queries, rows, k, first=128)
    for row_ids, at_most in chunks:                    # (n,) rising, (Q, n): no row scores more
        contenders.offer(row_ids, at_most)
    contenders.nearest(0)                              # scores (K,) and row ids (K,), or None: too many were left

Now and then the rows that promise most are scored.  What the last of k such rows scores is a floor: a row that promises
less is no neighbour.  So nearly all of a long scan costs one comparison.  Knows only arrays.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.index.halves import Halves, Mask, Scores, scores_halves
from wordsight.index.topk import largest

MOST = 20_000  # rows of a query that are scored one here and one there; of more the caller takes another way
_WIDER = 8  # the floors are raised again when so many times as many rows have gone by
_ROUNDING = np.float32(1e-6)  # what the same dot product may differ by
_Chunk = tuple[NDArray[np.int64], RowIds, Scores]  # numbers of queries, rows and bounds (n,)


class Contenders:
    """Of queries (Q, W) and rows (N, W); where `allowed` (N,) is given, other rows are no answers.

    `first`: how many rows of a query are scored at once to raise its floor.
    """

    def __init__(self, queries: Embeddings, rows: Halves, k: int, *, first: int, allowed: Mask | None = None) -> None:
        self._queries, self._rows, self._allowed = queries, rows, allowed
        self._k, self._first = k, first
        self._floors: Scores = np.full(len(queries), -np.inf, np.float32)
        self._chunks: list[_Chunk] = []
        self._held = self._seen = 0
        self._raise_at = 1  # rows gone by
        self._lost: set[int] = set()  # queries with too many rows left

    def offer(self, row_ids: slice | RowIds, at_most: Scores) -> None:
        """Take in a chunk of rows (n,), after those before them, which score `at_most` (Q, n)."""
        width = at_most.shape[1]
        numbers, inside = np.divmod(np.flatnonzero(at_most >= self._floors[:, None]), max(width, 1))
        ids = inside + row_ids.start if isinstance(row_ids, slice) else row_ids[inside]
        bounds = at_most[numbers, inside]
        if self._allowed is not None:
            wanted = self._allowed[ids]
            numbers, ids, bounds = numbers[wanted], ids[wanted], bounds[wanted]
        self._chunks.append((numbers, ids, bounds))
        self._held += len(ids)
        self._seen += width
        if self._seen >= self._raise_at or self._held > MOST * len(self._queries):
            self._raise_at = _WIDER * self._seen
            self._raise()

    def nearest(self, number: int) -> tuple[Scores, RowIds] | None:
        """Return scores (K,), falling, and row ids (K,) of one query when all rows have gone by.

        Of equal scores the first row comes first.  None where too many rows were left.
        """
        if len(self._chunks) > 1:
            self._raise()
        numbers, row_ids, _ = self._chunks[0] if self._chunks else _joined([])
        ids = row_ids[slice(*np.searchsorted(numbers, (number, number + 1)))]
        if number in self._lost or len(ids) > MOST:
            return None
        scores = scores_halves(self._queries[number : number + 1], self._rows, ids[None])
        chosen = largest(scores, min(self._k, len(ids)))[0]
        return scores[0, chosen], ids[chosen]

    def _raise(self) -> None:
        """Raise the floor of each query to what the last of its k best rows scores, and drop what is below."""
        numbers, row_ids, bounds = _joined(self._chunks)
        starts = np.searchsorted(numbers, np.arange(len(self._queries) + 1))
        for number, query in enumerate(self._queries):
            own = slice(starts[number], starts[number + 1])
            count = own.stop - own.start
            if count < self._k or number in self._lost:
                continue
            best = np.argpartition(bounds[own], count - self._first)[-self._first :] if count > self._first else ...
            scores = scores_halves(query[None], self._rows, np.sort(row_ids[own][best])[None])[0]
            least = np.partition(scores, -self._k)[-self._k] - _ROUNDING
            self._floors[number] = max(self._floors[number], least)
        kept = bounds >= self._floors[numbers]
        self._chunks = [(numbers[kept], row_ids[kept], bounds[kept])]
        self._held = int(np.count_nonzero(kept))
        if self._held > MOST:
            self._lose(np.bincount(numbers[kept], minlength=len(self._queries)))

    def _lose(self, counts: NDArray[np.int64]) -> None:
        """Give up the queries of which more than the most rows are left."""
        lost = np.flatnonzero(counts > MOST)
        self._lost.update(lost.tolist())
        self._floors[lost] = np.inf
        ((numbers, row_ids, bounds),) = self._chunks
        kept = ~np.isin(numbers, lost)
        self._chunks = [(numbers[kept], row_ids[kept], bounds[kept])]
        self._held = int(np.count_nonzero(kept))


def _joined(chunks: list[_Chunk]) -> _Chunk:
    """Return chunks as one, by query and then by row."""
    if not chunks:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    numbers, row_ids, bounds = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    order = np.argsort(numbers, kind="stable")
    return numbers[order], row_ids[order], bounds[order]
