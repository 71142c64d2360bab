"""The nearest rows of one query, of which a scan has guessed the scores: those with the best guesses are scored.

    scores, row_ids = Sieve(guesses, exact).nearest(k=10, count=200)

How wrong guesses are is seen on the rows that were scored: from this, and from the guesses of all others, follows how
many of the nearest are probably among the others.  Where that is too many, as many more are scored as are needed; no
row is guessed or scored twice.  Knows only arrays.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.index.halves import Mask
from wordsight.index.topk import largest

MISSED = 0.001  # of the neighbours of a query: where more are probably missed, more rows are scored
_GROWTH = 8  # times as many rows at once at most: after that it is known better how wrong guesses are
_REACH = 6  # deviations: no guess is taken to be further off
_STEPS = 8  # of a deviation, in which guesses are counted
_ROUNDING = 2e-6  # what sums of float32 differ by: rows that are better by less are not missed
_SAMPLED = 16  # one of so many guesses is looked at to know where the best begin
# The share of errors beyond so many steps, from -_REACH deviations on.  They are near a normal distribution: each is a
# sum of many.
_TAIL = np.array([math.erfc(i / _STEPS / math.sqrt(2)) / 2 for i in range(-_REACH * _STEPS, _REACH * _STEPS)])

Scores = NDArray[np.float32]
Exact = Callable[[RowIds], Scores]  # rising row ids (n,) to their scores (n,)


@dataclass(frozen=True, slots=True)
class Errors:
    """By how much scores are above their guesses: mean and standard deviation."""

    mean: float
    deviation: float

    @classmethod
    def seen(cls, guesses: Scores, scores: Scores) -> "Errors":
        """Return those of the lower half of some guesses (n,), which is most like what lies below."""
        lower = guesses <= np.partition(guesses, len(guesses) // 2)[len(guesses) // 2]
        errors = (scores[lower] - guesses[lower]).astype(np.float64)
        unsure = 1 + math.sqrt(2 / len(errors))  # two standard errors of the deviation: of few it may seem too small
        return cls(float(errors.mean()), max(unsure * float(errors.std()), _ROUNDING / _REACH))


class Sieve:
    """The guesses (N,) of all rows, and the exact scores of those taken so far."""

    def __init__(self, guesses: Scores, exact: Exact, allowed: Mask | None = None) -> None:
        """Only `allowed` rows (N,) are answered, all by default."""
        self._guesses, self._exact = guesses, exact
        self._left: Mask = np.ones(len(guesses), bool) if allowed is None else allowed.copy()  # not scored yet
        self._row_ids: RowIds = np.empty(0, np.int64)  # (n,) that were scored
        self._scores: Scores = np.empty(0, np.float32)  # (n,)

    def nearest(self, k: int, count: int) -> tuple[Scores, RowIds]:
        """Return scores (k,), falling, and row ids (k,); equal scores are ordered by row.

        Begins with the `count` best guesses; 1 <= k <= count, and so many rows are allowed.
        """
        self._take(self._best(count))
        while len(more := self._wanted(k)):
            self._take(more)
        chosen = np.flatnonzero(self._scores >= self._least(k))
        chosen = chosen[np.argsort(self._row_ids[chosen])]  # of equal scores the first row is chosen
        chosen = chosen[largest(self._scores[chosen][None], k)[0]]
        return self._scores[chosen], self._row_ids[chosen]

    def _least(self, k: int) -> float:
        """Return the score of the last neighbour."""
        return float(np.partition(self._scores, -k)[-k])

    def _best(self, count: int) -> RowIds:
        """Return the rows with the best guesses, rising; of equal ones the first."""
        some = self._guesses[::_SAMPLED][self._left[::_SAMPLED]]
        rank = 2 * count // _SAMPLED + _SAMPLED  # so many more that it is nearly never too few
        row_ids = np.flatnonzero(self._left) if rank > len(some) else self._above(np.partition(some, -rank)[-rank])
        if len(row_ids) < count:
            row_ids = np.flatnonzero(self._left)
        return np.sort(row_ids[largest(self._guesses[row_ids][None], count)[0]])

    def _wanted(self, k: int) -> RowIds:
        """Return the rows to score because too many of the k nearest are probably among the others; rising."""
        errors = Errors.seen(self._guesses[self._row_ids], self._scores)
        least = self._least(k)
        outside = self._above(least - errors.mean - _REACH * errors.deviation)
        border = down_to(self._guesses[outside], least, errors, missed=MISSED * k, most=_GROWTH * len(self._row_ids))
        return outside[self._guesses[outside] >= border]

    def _above(self, border: float) -> RowIds:
        inside = self._guesses >= border
        inside &= self._left
        return np.flatnonzero(inside)

    def _take(self, row_ids: RowIds) -> None:
        self._left[row_ids] = False
        self._row_ids = np.concatenate([self._row_ids, row_ids])
        self._scores = np.concatenate([self._scores, self._exact(row_ids)])


def down_to(guesses: Scores, least: float, errors: Errors, *, missed: float, most: int) -> float:
    """Return down to which of these guesses (n,) rows have to be scored, infinity where none has to be.

    So far that of the others not more than `missed` are probably better than `least`; where these are more than `most`
    rows, only down to where there are about so many.
    """
    step = errors.deviation / _STEPS
    top = least + _ROUNDING - errors.mean + _REACH * errors.deviation  # further up none is in doubt
    below = np.float32(top) - guesses
    below *= np.float32(1 / step)
    numbers = np.clip(below, 0, len(_TAIL), out=below).astype(np.int64)  # of whole steps
    counts = np.bincount(numbers, minlength=len(_TAIL) + 1)[: len(_TAIL)]
    better = np.cumsum((counts * _TAIL)[::-1])[::-1]  # probably, from each step on down
    needed = int(np.count_nonzero(better > missed))  # steps
    if not needed:
        return math.inf
    many = int(np.searchsorted(np.cumsum(counts), most, "right"))
    first = int(np.flatnonzero(counts)[0]) + 1
    return float(guesses[numbers < min(needed, max(many, first))].min())
