"""The largest scores met so far, for scans that offer them block by block.

    best = Best(queries=2, count=10)
    for block in blocks:
        best.offer(scores, block)
    best.nearest()

A score enters only when it is above the least that counts, so nearly all of a long scan costs one comparison.  Knows
only arrays.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.index.topk import Nearest, largest

_SPARE = 4096  # what a query keeps beyond `count` before the least of it is dropped


class Best:
    """The `count` largest scores of each query; of equal ones those that were offered first."""

    def __init__(self, queries: int, count: int) -> None:
        self._count = count
        self._scores = [[np.empty(0, np.float32)] for _ in range(queries)]
        self._row_ids = [[np.empty(0, np.int64)] for _ in range(queries)]
        self._held = [0] * queries
        self._floor = [-np.inf] * queries  # a score has to be above it

    def offer(self, scores: NDArray[np.float32], rows: slice | RowIds) -> None:
        """Take in the scores (Q, B) of some rows, given as ids (B,) or a slice; rows are offered in rising order."""
        if not self._count:
            return
        for query, one in enumerate(scores):
            full = self._floor[query] > -np.inf
            above = np.flatnonzero(one > self._floor[query]) if full else np.arange(len(one))
            if len(above):
                self._scores[query].append(one[above])
                self._row_ids[query].append(above + rows.start if isinstance(rows, slice) else rows[above])
                self._held[query] += len(above)
                if self._held[query] > self._count + _SPARE:
                    self._drop(query)

    def nearest(self) -> Nearest:
        """Return the best, (Q, count) or fewer columns where fewer were offered."""
        for query in range(len(self._held)):
            self._drop(query)
        if not self._held:
            return Nearest(np.empty((0, self._count), np.float32), np.empty((0, self._count), np.int64))
        return Nearest(np.stack([s[0] for s in self._scores]), np.stack([r[0] for r in self._row_ids]))

    def _drop(self, query: int) -> None:
        """Keep the best of a query only, in falling order."""
        scores, row_ids = np.concatenate(self._scores[query]), np.concatenate(self._row_ids[query])
        # In the order of the rows, for `largest` takes the first of equal scores.
        order = np.argsort(row_ids, kind="stable")
        chosen = order[largest(scores[order][None], min(self._count, len(scores)))[0]]
        self._scores[query], self._row_ids[query] = [scores[chosen]], [row_ids[chosen]]
        self._held[query] = len(chosen)
        if self._count == len(chosen) and self._count:
            self._floor[query] = float(scores[chosen[-1]])
