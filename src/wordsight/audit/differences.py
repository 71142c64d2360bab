"""Differences of two shares with their intervals, plain and among like with like.

    difference(20, 50, 45, 60)                             # share of the first less share of the second
    same_strata(hits, members, strata)                     # members less others, within each stratum

Knows no groups and no classes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.fairness import wilson_interval
from wordsight.evaluate.metrics import NORMAL_95


@dataclass(frozen=True, slots=True)
class ShareDifference:
    """A difference of two shares, -1 to 1, with its 95 % interval, of `count` things in both together."""

    value: float
    interval: tuple[float, float]
    count: int


def difference(hits: int, count: int, other_hits: int, other_count: int) -> ShareDifference:
    """Return hits / count less other_hits / other_count (Newcombe 1998, method 10: from Wilson intervals of both)."""
    lows, highs = wilson_interval(np.array([hits, other_hits]), np.array([count, other_count]))
    first, second = hits / count, other_hits / other_count
    value = first - second
    down = math.hypot(first - float(lows[0]), float(highs[1]) - second)
    up = math.hypot(float(highs[0]) - first, second - float(lows[1]))
    return ShareDifference(value, (max(-1.0, value - down), min(1.0, value + up)), count + other_count)


def same_strata(
    hits: NDArray[np.bool_], members: NDArray[np.bool_], strata: NDArray[np.integer]
) -> ShareDifference | None:
    """Return how much more often `hits` (N,) are true of `members` (N,) than of others of the same stratum (N,).

    The Mantel-Haenszel risk difference (Greenland and Robins 1985, with the variance of their equation 4): strata weigh
    by how much they tell, those with members alone or others alone nothing.  None where all are such.
    """
    total = above = variance = 0.0
    used = 0
    for stratum in np.unique(strata):
        own, other = hits[(strata == stratum) & members], hits[(strata == stratum) & ~members]
        first, second = len(own), len(other)
        if not first or not second:
            continue
        whole = first + second
        a, c = int(own.sum()), int(other.sum())
        total += first * second / whole
        above += (a * second - c * first) / whole
        variance += (a * (first - a) * second**3 + c * (second - c) * first**3) / (first * second * whole**2)
        used += whole
    if not total:
        return None
    value, half = above / total, NORMAL_95 * math.sqrt(variance) / total
    return ShareDifference(value, (max(-1.0, value - half), min(1.0, value + half)), used)
