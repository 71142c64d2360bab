"""The order in which the rows of a set are drawn: another permutation every epoch, a pure function of seed and number.

    order = Order(images.blocks(), seed=[7, 0])
    order.rows(np.array([0, 1, 2]))      # rows of the first three items
    order.rows(np.array([10**6]))        # any later item, without those before it

Blocks (shards) are shuffled, and rows within a window of a few blocks, so that a set read from shards stays on a few
open files at a time; a set of one block is shuffled as a whole.  With `probabilities` an epoch has each row once at
most, and with its probability; it is as long as their sum, the same every time (systematic sampling, Madow 1949).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds

WINDOW = 8  # blocks that are mixed with one another


class Order:
    """The endless sequence of the items of one set."""

    def __init__(
        self, blocks: Sequence[RowIds], *, seed: Sequence[int], probabilities: NDArray[np.float64] | None = None
    ) -> None:
        self._blocks = list(blocks)
        self._seed = list(seed)
        self._probabilities = probabilities  # by row
        self.count = sum(len(block) for block in blocks)  # items of an epoch
        if probabilities is not None and self.count:
            self.count = max(1, int(sum(probabilities[block].sum() for block in blocks)))
        self._epoch = lru_cache(maxsize=2)(self._shuffle)

    def rows(self, numbers: NDArray[np.int64]) -> RowIds:
        """Return the rows of the items with these numbers, counted from 0 over all epochs."""
        epochs, inside = np.divmod(numbers, self.count)
        rows = np.empty(len(numbers), dtype=np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            rows[here] = self._epoch(int(epoch))[inside[here]]
        return rows

    def _shuffle(self, epoch: int) -> RowIds:
        generator = np.random.default_rng([*self._seed, epoch])
        blocks = [self._blocks[i] for i in generator.permutation(len(self._blocks))]
        windows = [np.concatenate(blocks[i : i + WINDOW]) for i in range(0, len(blocks), WINDOW)]
        rows = np.concatenate([generator.permutation(window) for window in windows])
        return rows if self._probabilities is None else self._drawn(rows, self._probabilities[rows], generator)

    def _drawn(self, rows: RowIds, probabilities: NDArray[np.float64], generator: np.random.Generator) -> RowIds:
        """Return `count` of the rows: those at which the running sum of probabilities passes evenly spaced marks."""
        sums = np.cumsum(probabilities)
        marks = (generator.random() + np.arange(self.count)) * (sums[-1] / self.count)  # 1 apart, or a little more
        drawn: RowIds = rows[np.minimum(np.searchsorted(sums, marks, side="right"), len(rows) - 1)]
        return drawn
