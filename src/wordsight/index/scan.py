"""Fast search of many embeddings: a scan bounds scores, the embeddings themselves decide.

    kernel = build_scan(rows)                                   # rows: fp16 (N, W), memory-mapped
    save_scan(kernel, folder / SCAN, generation=3)
    kernel = load_scan(folder / SCAN, rows, generation=3)       # FormatError where it is stale or damaged: build again
    nearest = search_scan(kernel, rows, queries, k=10, allowed=mask)

A scan is a cache beside the embeddings.  Nothing is lost with it, and nothing it gets wrong reaches a score: those are
exact dot products.  It says of every row what its score is at most.  So when the rows that promise most are scored,
only those that may still be better than the last neighbour are left to score: the answer is that of comparing all.
A further kernel is one file with one class, and one row of `KERNELS`.  Knows only arrays and one file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.base.errors import FormatError
from wordsight.base.optional import resolve
from wordsight.index.cache_file import CacheHeader, Stacked, read_cache, write_cache
from wordsight.index.contenders import Contenders
from wordsight.index.halves import Halves, Mask, Scores, nearest_halves, scores_halves
from wordsight.index.topk import Nearest, largest

SCAN = "scan.cache"  # beside the embeddings of a library
KERNELS = {
    "exact": "wordsight.index.scan:ExactScan",
    "int8": "wordsight.index.int8:Int8Scan",
}
SMALL = 20_000  # rows that are compared one and all in a few milliseconds: nothing is built for fewer
_FEW = 100  # where one row in so many is allowed, comparing these takes as long as a scan of all
_MANY = 8  # where one row in so many is scored to begin with, comparing all in their order is quicker
TOGETHER = 64  # queries of one pass over the rows: of more each takes as long
CHUNK = 8192  # rows whose bounds are held at once: a block of the scan of 8-bit numbers,
_FEW_QUERIES = 16  # of so many queries; of fewer that of more rows


class ScanKernel(Protocol):
    """Proposes which rows may be the nearest."""

    name: ClassVar[str]
    version: ClassVar[int]  # of its parts: others are not read

    def __len__(self) -> int:
        """Return how many rows are covered."""

    @property
    def width(self) -> int:
        """The numbers in an embedding."""

    def shortlist(self, k: int) -> int:
        """Return how many rows to score to begin with when k neighbours are wanted; all where nothing is bounded."""

    def extend(self, rows: Halves) -> None:
        """Cover `rows` (N, W) whole, of which the first are covered already."""

    def at_most(self, queries: Embeddings, row_ids: slice | RowIds | None = None) -> Scores:
        """Return what the scores (Q, n) of rows (n,), rising, all by default, are at most for queries (Q, W).

        A slice has a start and a stop.
        """

    def parts(self) -> Mapping[str, NDArray[Any] | Stacked]:
        """Return the arrays that a file has to keep."""

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """Return what had these parts, which covered `rows`; `KeyError` or `ValueError` where it did not."""


class ExactScan:
    """The truth, a `ScanKernel` that compares every row."""

    name: ClassVar[str] = "exact"
    version: ClassVar[int] = 1

    def __init__(self, rows: Halves) -> None:
        self._rows = rows

    def __len__(self) -> int:
        """Return how many rows are covered."""
        return len(self._rows)

    @property
    def width(self) -> int:
        """The numbers in an embedding."""
        return int(self._rows.shape[1])

    def shortlist(self, k: int) -> int:
        """See `ScanKernel`."""
        return max(k, len(self))

    def extend(self, rows: Halves) -> None:
        """See `ScanKernel`."""
        self._rows = rows

    def at_most(self, queries: Embeddings, row_ids: slice | RowIds | None = None) -> Scores:
        """See `ScanKernel`."""
        if row_ids is None or isinstance(row_ids, slice):
            row_ids = np.arange(len(self))[row_ids or slice(None)]
        return scores_halves(queries, self._rows, np.broadcast_to(row_ids, (len(queries), len(row_ids))))

    def parts(self) -> Mapping[str, NDArray[Any]]:
        """See `ScanKernel`."""
        return {}

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """See `ScanKernel`."""
        return cls(rows)


def build_scan(rows: Halves, *, allowed: Mask | None = None) -> ScanKernel:
    """Return the quickest kernel for `rows` (N, W), of which those that are `allowed` (N,) are still answered."""
    if len(rows) > SMALL and (allowed is None or allowed.any()):
        from wordsight.index.int8 import build_int8

        return build_int8(rows, allowed=allowed)
    return ExactScan(rows)


def save_scan(kernel: ScanKernel, path: Path, *, generation: int) -> None:
    """Write a kernel for the embeddings of a generation, whole or not at all."""
    header = CacheHeader(kernel.name, kernel.version, generation, len(kernel), kernel.width)
    write_cache(path, header, kernel.parts())


def known(header: CacheHeader) -> bool:
    """Return whether this program reads a kernel with this header."""
    return header.kind in KERNELS and header.version == resolve(KERNELS[header.kind]).version


def load_scan(path: Path, rows: Halves, *, generation: int) -> ScanKernel:
    """Return the kernel at `path`, extended to all of `rows` (N, W).

    `NotFound` where there is none, `FormatError` where it is damaged, cut, or of other embeddings: build it again.
    """
    header, parts = read_cache(path)
    if not known(header):
        raise _stale(path, f"was written by {header.kind} {header.version}, which this program does not have")
    if header.generation != generation:
        raise _stale(path, f"is of generation {header.generation}, the embeddings are of {generation}")
    if header.rows > len(rows) or header.width != rows.shape[1]:
        covered, there = f"{header.rows} embeddings of {header.width} numbers", f"{len(rows)} of {rows.shape[1]}"
        raise _stale(path, f"covers {covered}, and there are {there}")
    try:
        kernel: ScanKernel = resolve(KERNELS[header.kind]).from_parts(parts, rows[: header.rows])
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
    count = kernel.shortlist(k)
    if not k or count > left // _MANY or left <= len(rows) // _FEW:
        return nearest_halves(queries, rows, k, allowed=allowed)
    among = None
    if allowed is not None and 2 * left < len(rows):
        among, allowed = np.flatnonzero(allowed), None
    best = Nearest(np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64))
    for start in range(0, len(queries), TOGETHER):
        some = queries[start : start + TOGETHER]
        contenders = Contenders(some, rows, k, first=count, allowed=allowed)
        for chunk in _chunks(len(rows), among, step=CHUNK * max(1, _FEW_QUERIES // len(some))):
            contenders.offer(chunk, kernel.at_most(some, chunk))
        for number, query in enumerate(some):
            answer = contenders.nearest(number) or _nearest_of_many(
                query[None], rows, k, kernel=kernel, allowed=_mask(len(rows), allowed, among), count=count
            )
            best.scores[start + number], best.row_ids[start + number] = answer
    return best


def _chunks(count: int, among: RowIds | None, *, step: int) -> Iterator[slice | RowIds]:
    """Yield the rows to be looked at, all or those `among`: a chunk, and then so many of the scan at a time.

    Of the first chunk all are contenders.
    """
    for first in (0, *range(CHUNK, count, step)):
        last = min(first + step if first else CHUNK, count)
        if among is None:
            yield slice(first, last)
            continue
        inside = among[slice(*np.searchsorted(among, (first, last)))]
        if len(inside):
            yield inside


def _mask(count: int, allowed: Mask | None, among: RowIds | None) -> Mask | None:
    if among is None:
        return allowed
    mask: Mask = np.zeros(count, bool)
    mask[among] = True
    return mask


def _nearest_of_many(
    query: Embeddings, rows: Halves, k: int, *, kernel: ScanKernel, allowed: Mask | None, count: int
) -> tuple[Scores, RowIds]:
    """Return scores (k,), falling, and row ids (k,) of one query (1, W), of which very many rows may be near.

    The rows that may be better than those that promise most are compared in their order.
    """
    at_most = kernel.at_most(query)[0]
    if allowed is not None:
        at_most[~allowed] = -np.inf
    first = np.sort(largest(at_most[None], count)[0])
    least = np.partition(scores_halves(query, rows, first[None])[0], -k)[-k]
    at_most[first] = np.inf
    answer = nearest_halves(query, rows, k, allowed=at_most >= least)
    return answer.scores[0], answer.row_ids[0]


def _stale(path: Path, problem: str) -> FormatError:
    return FormatError(f"{path} {problem}", cure=f"delete {path}: it is made again")
