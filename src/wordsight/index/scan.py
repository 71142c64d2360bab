"""Fast search of many embeddings: a scan proposes candidates, the embeddings themselves decide.

    kernel = build_scan(rows)                                   # rows: fp16 (N, W), memory-mapped
    save_scan(kernel, folder / SCAN, generation=3)
    kernel = load_scan(folder / SCAN, rows, generation=3)       # FormatError where it is stale or damaged: build again
    nearest = search_scan(kernel, rows, queries, k=10, allowed=mask)

A scan is a cache beside the embeddings.  Nothing is lost with it, and nothing it gets wrong reaches a score: those are
exact dot products, and only which rows are looked at depends on it.  Whether those were enough is seen on every query:
how far candidates were off says how many of the nearest may lie beyond the last one, and while that is too many, four
times as many candidates are taken, in the end all rows.  `exact` compares every row and is the truth.
A further kernel is one file with one class, and one row of `KERNELS`.  Knows only arrays and one file.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError
from wordsight.base.optional import resolve
from wordsight.index.cache_file import CacheHeader, read_cache, write_cache
from wordsight.index.halves import Halves, Mask, nearest_halves, scores_halves
from wordsight.index.topk import Nearest, largest

SCAN = "scan.cache"  # beside the embeddings of a library
KERNELS = {
    "exact": "wordsight.index.scan:ExactScan",
    "projected": "wordsight.index.projected:ProjectedScan",
}
SMALL = 20_000  # rows that are compared one and all in a few milliseconds: nothing is built for fewer
GROWN = 1.5  # times the rows a kernel was built for: another is built
_FEW = 100  # where one row in so many is allowed, comparing these takes as long as a scan of all
MISSED = 0.002  # of the neighbours of a query: where more are probably missed, it is asked again for more candidates
_DENSER = 2.0  # beyond the candidates than just before the last one
_MANY = 8  # where one row in so many is a candidate, comparing all in their order is quicker


class ScanKernel(Protocol):
    """Proposes which rows may be the nearest."""

    name: ClassVar[str]
    version: ClassVar[int]  # of its parts: others are not read

    def __len__(self) -> int:
        """Return how many rows are covered."""

    @property
    def width(self) -> int:
        """The numbers in an embedding."""

    @property
    def built(self) -> int:
        """How many rows it was chosen and measured for."""

    def shortlist(self, k: int) -> int:
        """Return how many candidates to begin with when k neighbours are wanted."""

    def extend(self, rows: Halves) -> None:
        """Cover `rows` (N, W) whole, of which the first are covered already."""

    def candidates(self, queries: Embeddings, count: int, allowed: Mask | None = None) -> Nearest:
        """Return which rows may be nearest to queries (Q, W), with what the kernel takes their scores for.

        K is `count`, or as many as are `allowed` (N,); all are by default.  The scores of a query may be off by one
        amount for all rows, besides their errors.
        """

    def parts(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that a file has to keep."""

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """Return what had these parts, which covered `rows`; `KeyError` or `ValueError` where it did not."""


class ExactScan:
    """The truth, a `ScanKernel` that compares every row."""

    name: ClassVar[str] = "exact"
    version: ClassVar[int] = 1

    def __init__(self, rows: Halves, built: int = 0) -> None:
        self._rows = rows
        self.built = built or len(rows)

    def __len__(self) -> int:
        """Return how many rows are covered."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """The numbers in an embedding."""
        return int(self._rows.shape[1])

    def shortlist(self, k: int) -> int:
        """See `ScanKernel`."""
        return min(k, len(self))

    def extend(self, rows: Halves) -> None:
        """See `ScanKernel`."""
        self._rows = rows

    def candidates(self, queries: Embeddings, count: int, allowed: Mask | None = None) -> Nearest:
        """See `ScanKernel`."""
        return nearest_halves(queries, self._rows, count, allowed=allowed)

    def parts(self) -> Mapping[str, NDArray[Any]]:
        """See `ScanKernel`."""
        return {"built": np.array([self.built])}

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """See `ScanKernel`."""
        return cls(rows, int(parts["built"][0]))


def build_scan(rows: Halves, *, probes: Embeddings | None = None, allowed: Mask | None = None) -> ScanKernel:
    """Return the quickest kernel for `rows` (N, W) whose recall at 10, measured here, is at least 0.99.

    `probes` (P, W) are queries to measure with, if there are any; `allowed` (N,) the rows that are still answered.
    """
    if len(rows) > SMALL:
        from wordsight.index.projected import build_projected

        projected = build_projected(rows, probes=probes, allowed=allowed)
        if projected is not None:
            return projected
    return ExactScan(rows)


def outgrown(kernel: ScanKernel) -> bool:
    """Return whether a kernel covers so many more rows than it was built for that another may be better."""
    return len(kernel) > max(SMALL, GROWN * kernel.built)


def save_scan(kernel: ScanKernel, path: Path, *, generation: int) -> None:
    """Write a kernel for the embeddings of a generation, whole or not at all."""
    header = CacheHeader(kernel.name, kernel.version, generation, len(kernel), kernel.width)
    write_cache(path, header, kernel.parts())


def load_scan(path: Path, rows: Halves, *, generation: int) -> ScanKernel:
    """Return the kernel at `path`, extended to all of `rows` (N, W).

    `NotFound` where there is none, `FormatError` where it is damaged, cut, or of other embeddings: build it again.
    """
    header, parts = read_cache(path)
    target = KERNELS.get(header.kind)
    if target is None or header.version != resolve(target).version:
        raise _stale(path, f"was written by {header.kind} {header.version}, which this program does not have")
    if header.generation != generation:
        raise _stale(path, f"is of generation {header.generation}, the embeddings are of {generation}")
    if header.rows > len(rows) or header.width != rows.shape[1]:
        covered, there = f"{header.rows} embeddings of {header.width} numbers", f"{len(rows)} of {rows.shape[1]}"
        raise _stale(path, f"covers {covered}, and there are {there}")
    try:
        kernel: ScanKernel = resolve(target).from_parts(parts, rows[: header.rows])
    except (KeyError, ValueError, IndexError) as error:
        raise _stale(path, f"does not fit the embeddings ({error})") from None
    if len(kernel) != header.rows:
        raise _stale(path, f"has {len(kernel)} embeddings instead of {header.rows}")
    kernel.extend(rows)
    return kernel


def search_scan(
    kernel: ScanKernel, rows: Halves, queries: Embeddings, k: int, *, allowed: Mask | None = None
) -> Nearest:
    """Return the k nearest of `rows` (N, W), which the kernel covers, to queries (Q, W), with exact scores.

    K = min(k, rows that are `allowed` (N,)).  Equal scores are ordered by row.
    """
    assert len(kernel) == len(rows)
    left = len(rows) if allowed is None else int(np.count_nonzero(allowed))
    k = min(k, left)
    best = Nearest(np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64))
    open_queries, count = np.arange(len(queries)), kernel.shortlist(k)
    while len(open_queries):
        asked = queries[open_queries]
        if kernel.name == ExactScan.name or count > len(rows) // _MANY or left <= max(2 * count, len(rows) // _FEW):
            answer, sure = nearest_halves(asked, rows, k, allowed=allowed), np.ones(len(asked), bool)
        else:
            answer, sure = _ranked(kernel.candidates(asked, count, allowed), asked, rows, k)
        best.scores[open_queries], best.row_ids[open_queries] = answer.scores, answer.row_ids
        open_queries, count = open_queries[~sure], 4 * count
    return best


def _ranked(guessed: Nearest, queries: Embeddings, rows: Halves, k: int) -> tuple[Nearest, NDArray[np.bool_]]:
    """Return the k best candidates of each query by their exact scores, and for which queries these are the nearest."""
    order = np.argsort(guessed.row_ids, axis=1)  # of equal scores the first row is taken
    row_ids = np.take_along_axis(guessed.row_ids, order, 1)
    scores = scores_halves(queries, rows, row_ids)
    chosen = largest(scores, k)
    best = Nearest(np.take_along_axis(scores, chosen, 1), np.take_along_axis(row_ids, chosen, 1))
    exact = np.take_along_axis(scores, np.argsort(order, axis=1), 1)  # beside the guesses, which fall
    sure = [
        _missed(guess, true, least) <= MISSED * k
        for guess, true, least in zip(guessed.scores, exact, best.scores[:, -1], strict=True)
    ]
    return best, np.array(sure, bool)


def _missed(guessed: NDArray[np.float32], exact: NDArray[np.float32], least: float) -> float:
    """Return how many rows are probably better than the `least` neighbour, but no candidates.

    A row that is no candidate was guessed to be below the last one.  How wrong guesses are is seen on the candidates,
    on the lower half of them, which are most like those beyond: the errors are near a normal distribution, for each
    is a sum of many.  Beyond the last candidate rows lie as dense as within one deviation before it, or denser.
    """
    lower = slice(len(guessed) // 2, None)
    errors = exact[lower] - guessed[lower]
    deviation = max(float(errors.std()), 1e-6)
    border = float(guessed[-1])
    density = np.count_nonzero(guessed <= border + deviation)
    distance = (least - border - float(errors.mean())) / deviation
    # The rows per deviation times the integral of the normal distribution's tail from here on.
    tail = math.exp(-(distance**2) / 2) / math.sqrt(2 * math.pi) - distance * math.erfc(distance / math.sqrt(2)) / 2
    return _DENSER * density * tail


def _stale(path: Path, problem: str) -> FormatError:
    return FormatError(f"{path} {problem}", cure=f"delete {path}: it is made again")
