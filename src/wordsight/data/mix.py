"""Several sets mixed by weight: which set each position of an endless sequence takes from, and which of its items.

    mixture = Mixture([3.0, 1.0])
    sets, numbers = mixture.at(np.arange(8))     # sets 0 0 1 0 0 0 1 0, numbers 0 1 0 2 3 4 1 5

A closed formula: position 10^9 costs as much as position 0, so the state of every set follows from the position alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError

CYCLE = 8192  # positions after which the pattern repeats; weights are exact to 1/8192


class Mixture:
    """The pattern of sets for given weights (any positive numbers; each set gets at least one position a cycle)."""

    def __init__(self, weights: Sequence[float]) -> None:
        if not weights or min(weights) <= 0 or not np.all(np.isfinite(weights)):
            raise UsageError(f"weights {list(weights)}", cure="give one positive number for each set")
        shares = _shares(np.asarray(weights, dtype=np.float64))
        self._shares = shares  # (sets,) positions of each set in one cycle
        times = np.concatenate([(np.arange(n) + 0.5) / n for n in shares])
        owners = np.repeat(np.arange(len(shares)), shares)
        self._pattern = owners[np.argsort(times, kind="stable")]  # (CYCLE,) evenly spread
        self._before = np.empty(CYCLE, dtype=np.int64)  # how many positions of the same set come before, in the cycle
        for number, share in enumerate(shares):
            self._before[self._pattern == number] = np.arange(share)

    def at(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each position (n,) the number of its set, and how many items of that set come before it."""
        cycles, inside = np.divmod(positions, CYCLE)
        sets = self._pattern[inside]
        return sets, cycles * self._shares[sets] + self._before[inside]


def _shares(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round weights to positions of a cycle: largest remainders, at least one each."""
    exact = weights / weights.sum() * (CYCLE - len(weights))
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64) + 1
    order = np.argsort(np.floor(exact) - exact, kind="stable")
    shares[order[: CYCLE - shares.sum()]] += 1
    return shares
