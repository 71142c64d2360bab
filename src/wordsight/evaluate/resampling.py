"""Intervals of numbers that are no means, such as a calibration error: the bootstrap over images, many draws at once.

    statistic = calibration_error_of(confidences, hits)          # of `evaluate.confidence`
    value, interval = value_of(statistic, 1000), statistic_interval(statistic, 1000)

A resample of N images is how often each is in it, N counts of sum N.  A `Statistic` takes a block of them, (B, N), and
gives a number for each, (B,): sums over images are then one matrix product, and what is sorted is sorted once.  One
without such a form is `by_rows`.  Draws are those of `metrics.bootstrap_interval`: 1,000, the same ones for a seed.
Equal scores have no order; what is read along a ranking takes the expected value over all their orders (`runs_of`).
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.metrics import Floats, drawn_rows

ResampleCounts = NDArray[np.int64]  # (B, N), how often each image is in each resample; every row has the sum N
Statistic = Callable[[ResampleCounts], Floats]  # counts (B, N) to one number for each resample, (B,)

AT_ONCE = 1 << 18  # counts that are held at a time: 2 MiB of int64, within a core's own cache


def value_of(statistic: Statistic, count: int) -> float:
    """Return the number of the set of `count` images itself: each is in it once."""
    return float(statistic(np.ones((1, count), dtype=np.int64))[0])


def statistic_interval(statistic: Statistic, count: int, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % percentile interval of `statistic` over resamples of images (Efron and Tibshirani 1993, 13).

    Resamples that have no value (NaN: a class of which no image was drawn) are left out; where none has one the
    interval is NaN.  Percentiles of a number that noise makes larger (ECE, gaps) lie above it: the value itself may be
    below the interval.
    """
    values = np.concatenate([statistic(block) for block in resamples(count, seed=seed)])
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def resamples(count: int, *, seed: int = 0) -> Iterator[ResampleCounts]:
    """Yield the `metrics.DRAWS` resamples of `count` images in blocks (B, N), those of `metrics.bootstrap_interval`."""
    if count < 1:
        raise UsageError("an interval of no images", cure="give at least one")
    for rows in drawn_rows(count, np.random.default_rng(seed), at_once=AT_ONCE):
        apart = rows + count * np.arange(len(rows))[:, None]  # row numbers of all resamples of the block in one row
        yield np.bincount(apart.ravel(), minlength=rows.size).reshape(rows.shape)


def by_rows(function: Callable[[NDArray[np.int64]], float]) -> Statistic:
    """Return the statistic that calls `function` with the rows (N,) of each resample; slow, but of any number."""

    def statistic(counts: ResampleCounts) -> Floats:
        rows = np.arange(counts.shape[1])
        return np.array([function(np.repeat(rows, row)) for row in counts])

    return statistic


def runs_of(keys: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order (N,) of `keys` (N,) from high to low and where in it each run of equal ones begins (R,)."""
    wide = keys.astype(np.float64)
    order = np.argsort(-wide, kind="stable")
    ranked = wide[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    return order, starts


def run_sums(values: NDArray[np.generic], starts: NDArray[np.int64]) -> Floats:
    """Return the sum of `values` (B, N) within each run, (B, R); a run begins at each of `starts` (R,)."""
    if len(starts) == values.shape[1]:  # nothing is equal: every run is one
        return values.astype(np.float64)
    sums: Floats = np.add.reduceat(values.astype(np.float64), starts, axis=1)
    return sums


def sums_up_to(sizes: Floats, sums: Floats, positions: Floats) -> Floats:
    """Return for each resample the sum over its first `positions` (K,) images, (B, K), along runs of equal keys.

    `sizes` and `sums` (B, R) are the images and the sum of each run.  Within a run the sum grows evenly: its expected
    value over all orders of what is equal.
    """
    ends = np.cumsum(sizes, axis=1)
    totals = np.cumsum(sums, axis=1)
    results = np.empty((len(sizes), len(positions)))
    for row in range(len(sizes)):
        results[row] = np.interp(positions, np.append(0.0, ends[row]), np.append(0.0, totals[row]))
    return results


def reciprocal_sums(count: int) -> Floats:
    """Return the harmonic numbers H(0) to H(count): what 1/position sums to over positions."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, count + 1))])
