"""Classes from the nearest labelled embeddings, without learning (Wu et al. 2018; Caron et al. 2021, DINO).

    scores = vote(learned, embeddings, classes=10)                  # 20 neighbours, temperature 0.07
    k = choose_k(learned, held_out, classes=10)

Each of the k nearest gives exp(cosine / temperature) to its class.  The work goes in blocks, so that a million labelled
embeddings, memory-mapped too, need little memory.
Ties help nobody: several that are exactly as near as the k-th share the places that are left, so the order of the rows
never counts, and classes with equal votes stay equal (`metrics.label_ranks` counts them against the model).
Shapes: Q queries, N labelled rows, C classes, K neighbours.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.evaluate.equal_rows import first_equal, repeated_together
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.metrics import label_ranks
from wordsight.index.topk import Nearest, largest

Votes = NDArray[np.float64]
NEIGHBOURS, TEMPERATURE = 20, 0.07  # those of DINO's evaluation
NUMBERS = (1, 5, 10, 20, 50, 100, 200)  # of neighbours that are tried; DINO reports 10, 20, 100 and 200
QUERIES, ROWS = 512, 8192  # compared at a time: 16 MiB of scores


def vote(
    learned: Labelled,
    embeddings: Embeddings,
    *,
    classes: int,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Votes:
    """Return the votes (Q, C) of the k nearest rows, of all rows where there are fewer.

    They are divided by that of the nearest, which gives 1.  A query with NaN gets none.
    """
    k = _checked(k, learned)
    return _Search(learned, embeddings, k).votes(k, classes=classes, temperature=temperature)


def choose_k(
    learned: Labelled,
    held_out: Labelled,
    *,
    classes: int,
    temperature: float = TEMPERATURE,
    among: Sequence[int] = NUMBERS,
) -> int:
    """Return the number of neighbours that is right most often on held-out rows; among equals the smallest."""
    numbers = sorted({_checked(k, learned) for k in among})
    search = _Search(learned, held_out.embeddings, numbers[-1])
    best, right = numbers[0], -1.0
    for k in numbers:
        votes = search.votes(k, classes=classes, temperature=temperature)
        accuracy = float((label_ranks(votes, held_out.labels) == 0).mean())
        if accuracy > right:
            best, right = k, accuracy
    return best


def _checked(k: int, learned: Labelled) -> int:
    if k < 1 or not len(learned):
        raise UsageError(f"{k} neighbours among {len(learned)} rows", cure="ask for at least 1, of at least one row")
    return min(k, len(learned))


class _Search:
    """The k nearest rows of each query and one more, which shows whether the k-th is as near as the next."""

    def __init__(self, learned: Labelled, queries: Embeddings, k: int) -> None:
        self._learned, self._queries = learned, queries
        self._same_as = first_equal(learned.embeddings)
        self._nearest = nearest(learned.embeddings, queries, min(k + 1, len(learned)), same_as=self._same_as)
        self._labels = learned.labels[self._nearest.row_ids]

    def votes(self, k: int, *, classes: int, temperature: float) -> Votes:
        """Return the votes (Q, C) of k neighbours, at most as many as were searched for."""
        near = self._nearest.scores
        limits = near[:, k - 1]
        above, equal = near > limits[:, None], near == limits[:, None]
        counts = _by_class(self._labels, equal, classes)
        if near.shape[1] < len(self._learned):
            self._count_beyond(counts, limits, near[:, -1] == limits)
        first = np.where(np.isfinite(near[:, :1]), near[:, :1], 0.0)  # a query with NaN has none
        weights = np.exp((near.astype(np.float64) - first) / temperature)  # the nearest has 1 at any temperature
        each = weights[:, k - 1] * (k - above.sum(axis=1)) / np.maximum(counts.sum(axis=1), 1.0)
        votes = _by_class(self._labels, above * weights, classes)
        votes += each[:, None] * counts
        return votes

    def _count_beyond(self, counts: Votes, limits: NDArray[np.float32], beyond: NDArray[np.bool_]) -> None:
        """Count all rows at the limit where there are more than were searched for; the blocks are those of before."""
        classes = counts.shape[1]
        firsts = [first for first in range(0, len(beyond), QUERIES) if beyond[first : first + QUERIES].any()]
        if not firsts:
            return
        counts[beyond] = 0.0
        for first, start, scores in _blocks(self._learned.embeddings, self._queries, firsts, self._same_as):
            equal = scores == limits[first : first + QUERIES, None]
            equal &= beyond[first : first + QUERIES, None]
            rows, columns = np.nonzero(equal)
            cells = rows * classes + self._learned.labels[start + columns]
            count = np.bincount(cells, minlength=len(scores) * classes).reshape(len(scores), classes)
            counts[first : first + QUERIES] += count


def nearest(rows: Embeddings, queries: Embeddings, k: int, *, same_as: NDArray[np.int64] | None = None) -> Nearest:
    """Return the k rows (of N or more) with the largest dot products; of equal ones the first.

    `same_as` is `first_equal(rows)`, where that is known.  After the first blocks hardly any row is nearer than what is
    known, and only those that are get sorted.
    """
    same_as = first_equal(rows) if same_as is None else same_as
    best = Nearest(np.full((len(queries), k), -np.inf, np.float32), np.zeros((len(queries), k), np.int64))
    for first, start, scores in _blocks(rows, queries, range(0, len(queries), QUERIES), same_as):
        known, row_ids = (values[first : first + QUERIES] for values in best)
        nearer = scores > known[:, -1:]  # (Q, B)
        counts = nearer.sum(axis=1)
        owners, columns = np.nonzero(nearer)
        columns_of = k + np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        both = np.full((len(scores), k + counts.max(initial=0)), -np.inf, np.float32)
        both[:, :k], both[owners, columns_of] = known, scores[owners, columns]
        ids = np.zeros(both.shape, np.int64)
        ids[:, :k], ids[owners, columns_of] = row_ids, start + columns
        chosen = largest(both, k)
        known[:] = np.take_along_axis(both, chosen, 1)
        row_ids[:] = np.take_along_axis(ids, chosen, 1)
    return best


def _blocks(
    rows: Embeddings, queries: Embeddings, firsts: Sequence[int], same_as: NDArray[np.int64]
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Yield the number of the first query, that of the first row, and the dot products of the block.

    `same_as` (N,) is `first_equal(rows)`: equal rows have exactly equal products.
    """
    repeated = np.bincount(same_as, minlength=len(rows))[same_as] > 1
    for start in range(0, len(rows), ROWS):
        part = np.asarray(rows[start : start + ROWS], dtype=np.float32)
        together = repeated_together(same_as[start : start + ROWS], repeated[start : start + ROWS])
        for first in firsts:
            block = queries[first : first + QUERIES]
            scores: NDArray[np.float32] = block @ part.T
            for same in together:
                scores[:, same] = (block @ part[same[0]])[:, None]  # a row alone: the same wherever it stands
            yield first, start, scores


def _by_class(labels: NDArray[np.int64], weights: NDArray[np.generic], classes: int) -> Votes:
    """Return the sums (Q, C) of the weights (Q, K) of each class."""
    cells = np.arange(len(labels))[:, None] * classes + labels
    sums = np.bincount(cells.ravel(), weights=weights.ravel(), minlength=len(labels) * classes)
    return sums.reshape(len(labels), classes).astype(np.float64)
