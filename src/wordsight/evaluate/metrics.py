"""The numbers of an evaluation, from plain arrays: ranks, recall, accuracy, chance, bootstrap intervals.

Ties are counted against the model: something wrong that scores exactly as high as the right answer
stands before it.  So an encoder that gives everything the same embedding scores 0, not 1.  Equal embeddings tie exactly
(`wordsight.evaluate.equal_rows`).
Shapes: Q queries, G gallery entries, N images, C classes.  Knows nothing of models or data sets.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.evaluate.equal_rows import Gallery

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]

DRAWS = 1000  # resamplings of a bootstrap: the ends of a 95 % interval are then the 25th values
AT_ONCE = 1 << 16  # row numbers that are held at a time
TAIL = 0.025  # beyond each end of a 95 % interval
NORMAL_95 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution
FEW = 5  # images of a class; with fewer a bootstrap within the class is too narrow
BLOCK = 1024  # queries compared at a time: with a gallery of 100,000 that is 400 MB of float32


def best_ranks(queries: Floats, gallery: Floats, *, query_owners: Ints, gallery_owners: Ints) -> NDArray[np.int64]:
    """Return for each query how many wrong gallery entries stand before its best right one, (Q,); 0 is best.

    `queries` (Q, D) and `gallery` (G, D) are unit embeddings; a gallery entry is right when its owner is the
    query's.  A query without a right entry raises `UsageError`.
    """
    ranks, entries = np.empty(len(queries), dtype=np.int64), Gallery(gallery)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        right = query_owners[block, None] == gallery_owners[None, :]
        ranks[block] = ranks_in(entries.products(queries[block]), right)
    return ranks


def ranks_in(scores: Floats, right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rank (from 0) of the best right entry of each row; `scores` and `right` are (Q, G)."""
    lost = np.flatnonzero(~right.any(axis=1))
    if lost.size:
        raise UsageError(f"query {lost[0]} has nothing right in the gallery", cure="leave such queries out")
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    before: NDArray[np.int64] = (~(scores < best) & ~right).sum(axis=1)  # NaN stands before everything
    return before


def first_right(
    queries: Floats, gallery: Floats, *, query_owners: Ints, gallery_owners: Ints, k: int
) -> NDArray[np.bool_]:
    """Return which of the first `k` gallery entries of each query are right, (Q, min(k, G)), the nearest first.

    Arguments as of `best_ranks`; an equal score of a wrong entry stands before a right one.
    """
    first, entries = np.empty((len(queries), min(k, len(gallery))), dtype=np.bool_), Gallery(gallery)
    for start in range(0, len(queries), BLOCK):
        block = slice(start, start + BLOCK)
        right = query_owners[block, None] == gallery_owners[None, :]
        scores = entries.products(queries[block])
        scores = np.where(right, np.nextafter(scores, -np.inf), scores)
        nearest = np.argpartition(-scores, first.shape[1] - 1, axis=1)[:, : first.shape[1]]
        order = np.argsort(-np.take_along_axis(scores, nearest, axis=1), axis=1, kind="stable")
        first[block] = np.take_along_axis(right, np.take_along_axis(nearest, order, axis=1), axis=1)
    return first


def discounted_gains(first: NDArray[np.bool_], right_counts: Ints) -> Floats:
    """Return the NDCG of each query, (Q,), for `first` (Q, k): which of its first answers are right, of how many (Q,).

    The sum over right ones of 1 / log2(position + 1), by that of the best order (Jarvelin and Kekalainen 2002).
    """
    gains = 1.0 / np.log2(np.arange(2, first.shape[1] + 2))
    best = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(right_counts, first.shape[1])]
    ndcg: Floats = (first * gains).sum(axis=1) / best
    return ndcg


def label_ranks(scores: Floats, labels: Ints) -> NDArray[np.int64]:
    """Return how many wrong classes stand before the right one, (N,), for `scores` (N, C) and `labels` (N,)."""
    right = labels[:, None] == np.arange(scores.shape[1])[None, :]
    return ranks_in(scores, right)


def mean_per_class(hits: NDArray[np.generic], labels: Ints) -> float:
    """Return the mean over the classes that occur of the mean of `hits` (N,) within each: rare ones count alike."""
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


def bootstrap_interval(
    values: NDArray[np.generic], *, clusters: Ints | None = None, strata: Ints | None = None, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a mean of `values` (N,), by resampling them with replacement.

    `clusters` (N,) are drawn whole: the five captions of one image are not five independent answers.
    With `strata` (N,) the mean is the mean of the strata's means, each resampled within itself
    (the interval of `mean_per_class`).  The same input gives the same interval.
    """
    if len(values) == 0:
        raise UsageError("an interval of no values", cure="give at least one")
    generator = np.random.default_rng(seed)
    if strata is not None:
        means = np.mean([_means(values[strata == s], generator) for s in np.unique(strata)], axis=0)
    elif clusters is not None:
        means = _cluster_means(values, clusters, generator)
    else:
        means = _means(values, generator)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def share_interval(values: NDArray[np.generic], *, clusters: Ints | None = None) -> tuple[float, float]:
    """Return the 95 % interval of a share, of `values` (N,) from 0 to 1; `clusters` as in `bootstrap_interval`.

    Where all are 0 or all are 1 no resample differs: there the other end is exact, that of n values (or clusters) at
    2.5 % (Clopper and Pearson 1934), 1 - 0.025^(1/n) or 0.025^(1/n).
    """
    if len(values) and (not values.any() or (values == 1).all()):
        count = len(values if clusters is None else np.unique(clusters))
        reach = TAIL ** (1 / count)
        return (reach, 1.0) if values.any() else (0.0, 1 - reach)
    return bootstrap_interval(values, clusters=clusters)


def per_class_interval(hits: NDArray[np.bool_], labels: Ints) -> tuple[float, float]:
    """Return the 95 % interval of `mean_per_class` of `hits` (N,) and `labels` (N,).

    A bootstrap within each class, but where a class has fewer than `FEW` images, or all or none are hits: there
    resamples within classes hardly differ, and it is the value +- 1.96 sqrt(sum over classes of p (1 - p) / n) / C,
    with p = (hits + 2) / (n + 4) of each (Agresti and Coull 1998), cut to 0 to 1.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    counts = np.bincount(codes)
    if len(hits) and min(counts) >= FEW and hits.any() and not hits.all():
        return bootstrap_interval(hits, strata=labels)
    shares = (np.bincount(codes, weights=hits.astype(np.float64)) + 2) / (counts + 4)
    half = NORMAL_95 * math.sqrt(float((shares * (1 - shares) / counts).sum())) / len(classes)
    value = mean_per_class(hits, labels)
    return max(0.0, value - half), min(1.0, value + half)


def _means(values: NDArray[np.generic], generator: np.random.Generator) -> Floats:
    if values.dtype == np.bool_:  # the hits of a resample are binomially distributed
        return generator.binomial(len(values), float(values.mean()), size=DRAWS) / len(values)
    plain = values.astype(np.float64)
    return np.concatenate([plain[drawn].mean(axis=1) for drawn in drawn_rows(len(plain), generator)])


def _cluster_means(values: NDArray[np.generic], clusters: Ints, generator: np.random.Generator) -> Floats:
    _, codes = np.unique(clusters, return_inverse=True)
    sums = np.bincount(codes, weights=values.astype(np.float64))
    counts = np.bincount(codes)
    blocks = drawn_rows(len(sums), generator)
    return np.concatenate([sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1) for drawn in blocks])


def drawn_rows(count: int, generator: np.random.Generator, *, at_once: int = AT_ONCE) -> Iterator[Ints]:
    """Yield the row numbers of `DRAWS` resamples of `count` rows, in blocks (B, count) of about `at_once` numbers."""
    size = max(1, at_once // count)
    for start in range(0, DRAWS, size):
        yield generator.integers(count, size=(min(size, DRAWS - start), count))


def chance_of_recall(right_counts: Sequence[int] | Ints, gallery: int, k: int) -> float:
    """Return the recall at `k` of a random order: `right_counts` (Q,) are the right entries of each query.

    One minus the probability that all `k` first entries are wrong, C(G - m, k) / C(G, k), averaged.
    """
    drawn = min(k, gallery)
    ways = math.comb(gallery, drawn)
    counts, times = np.unique(np.asarray(right_counts), return_counts=True)
    misses = [math.comb(gallery - int(m), drawn) / ways for m in counts]
    return 1.0 - float(np.average(misses, weights=times))
