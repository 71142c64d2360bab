"""A scan of few bytes for each embedding: its strongest directions, as 8-bit numbers; a `ScanKernel` of NumPy alone.

    kernel = build_projected(rows)             # None where it would not pay, or not find enough
    kernel.candidates(queries, kernel.shortlist(10))

Embeddings of one model lie close to a few dozen directions.  A library's own are taken: the principal directions of a
sample.  What an embedding has along each is kept as one byte, so a million embeddings are 64 MB and not 1 GB, and a
scan reads that.  How many directions and how many candidates are enough is measured when it is built, with the
library's own embeddings: probes are embeddings that have been moved so far that they are no more like the nearest than
a text is like an image.  See docs/index.md for what was measured.  Knows only arrays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.index.best import Best
from wordsight.index.halves import Halves, Mask, hide, nearest_halves, row_blocks, to_float32
from wordsight.index.topk import Nearest

DIRECTIONS = (64, 96, 128, 192)  # how many are tried; with fewer the errors of some texts were far beyond all others
RECALL = 0.995  # of the probes' ten nearest; above the 0.99 that is promised, for probes are a sample
PROBES = 48
NEAREST = 10  # that recall is measured for
LIKENESS = 0.35  # of a probe and the embedding it was made of: that of a text and an image of most models
SAMPLE = 20_000  # embeddings whose directions are taken
SPAN = 4.5  # standard deviations that 8 bits reach over: beyond it lies one number in 150,000
BLOCK = 4096  # rows turned into float32 at once
_BYTES = 1 << 30  # of the codes while it is built: fewer directions are tried for more than 5 million rows
_CHECKED = 64  # of the last rows whose codes are made again when a file is read
_LEAST = 200  # candidates, however easy the probes were: enough to see how far they are off
# Nanoseconds on one core with AVX2 (EPYC 7003): only their proportions matter, for the choice of the cheapest.
_SCAN, _EACH, _RANK, _EXACT = 0.5, 10.0, 2500.0, 350.0  # a row's direction, a row, a candidate, a row in an exact scan


@dataclass(frozen=True, slots=True)
class Measured:
    """What a build has measured: over how many rows, the candidates for ten neighbours, and the recall with them."""

    rows: int
    candidates: int
    recall: float


class ProjectedScan:
    """A `ScanKernel`: 8-bit numbers along the principal directions."""

    name: ClassVar[str] = "projected"
    version: ClassVar[int] = 1

    def __init__(
        self, directions: NDArray[np.float32], steps: NDArray[np.float32], codes: NDArray[np.int8], measured: Measured
    ) -> None:
        self._directions = directions  # (W, D)
        self._steps = steps  # (D,): what one step of a code is worth
        self._codes = [codes]  # (n, D) each: those of the file, and what was added since
        self.measured = measured

    def __len__(self) -> int:
        """Return how many rows are covered."""
        return sum(len(part) for part in self._codes)

    @property
    def width(self) -> int:
        """The numbers in an embedding."""
        return len(self._directions)

    @property
    def built(self) -> int:
        """See `ScanKernel`."""
        return self.measured.rows

    def shortlist(self, k: int) -> int:
        """See `ScanKernel`.  More neighbours need more candidates, measured: in proportion to the third root of k."""
        growth = max(1.0, len(self) / self.built) * max(1.0, k / NEAREST) ** float(1 / 3)
        return min(len(self), max(k, int(self.measured.candidates * growth)))

    def extend(self, rows: Halves) -> None:
        """See `ScanKernel`."""
        first = len(self)
        added = [_coded(block, self._directions, self._steps) for block in _blocks(rows, first)]
        if added:
            self._codes = [self._codes[0], np.concatenate([*self._codes[1:], *added])]

    def candidates(self, queries: Embeddings, count: int, allowed: Mask | None = None) -> Nearest:
        """See `ScanKernel`."""
        best = Best(len(queries), min(count, len(self) if allowed is None else int(np.count_nonzero(allowed))))
        short = np.asarray((queries @ self._directions) * self._steps, np.float32)  # (Q, D)
        first = 0
        for codes in self._codes:
            inside = None if allowed is None else allowed[first : first + len(codes)]
            for block in row_blocks(len(codes), inside, BLOCK):
                scores = hide(short @ codes[block].astype(np.float32).T, block, inside)  # (Q, B)
                best.offer(scores, _moved(block, first))
            first += len(codes)
        return best.nearest()

    def parts(self) -> Mapping[str, NDArray[Any]]:
        """See `ScanKernel`."""
        measured = self.measured
        facts = np.array([measured.rows, measured.candidates, measured.recall], np.float64)
        codes = self._codes[0] if len(self._codes) == 1 else np.concatenate(self._codes)
        return {"measured": facts, "directions": self._directions, "steps": self._steps, "codes": codes}

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """See `ScanKernel`."""
        count, candidates, recall = parts["measured"].tolist()
        directions, steps, codes = parts["directions"], parts["steps"], parts["codes"]
        # A process that was killed may have left other embeddings behind than those that are there now.
        last = _coded(rows[-_CHECKED:], directions, steps).astype(np.int16)
        if np.abs(last - codes[-_CHECKED:]).max(initial=0) > 1:
            raise ValueError("the codes of the last rows")
        return cls(directions, steps, codes, Measured(int(count), int(candidates), recall))


def build_projected(
    rows: Halves, *, probes: Embeddings | None = None, allowed: Mask | None = None
) -> ProjectedScan | None:
    """Return a scan of `rows` (N, W) that finds the ten nearest neighbours, or None where comparing all is as quick.

    `probes` (P, W) are queries to measure with; made of the rows themselves by default.  Rows that are not `allowed`
    are covered, but neither sampled nor measured.
    """
    random = np.random.default_rng(len(rows))  # the same rows give the same scan
    living = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    if not len(living):
        return None
    sample = to_float32(rows[np.sort(random.choice(living, min(SAMPLE, len(living)), replace=False))])
    most = min(DIRECTIONS[-1], rows.shape[1], max(DIRECTIONS[0], _BYTES // len(rows)))
    directions, steps = _principal(sample, most)
    codes = np.empty((len(rows), most), np.int8)
    for start, block in zip(range(0, len(rows), BLOCK), _blocks(rows, 0), strict=True):
        codes[start : start + BLOCK] = _coded(block, directions, steps)
    if probes is None:
        probes = _probes(sample, random)
    wanted = nearest_halves(probes, rows, NEAREST, allowed=allowed).row_ids
    sizes = [size for size in DIRECTIONS if size < most] + [most]
    ranks = _ranks((probes @ directions) * steps, codes, wanted, sizes, allowed)
    size, candidates = min(
        ((size, _enough(rank)) for size, rank in zip(sizes, ranks, strict=True)),
        key=lambda chosen: _cost(len(living), *chosen),
    )
    if _cost(len(living), size, candidates) > len(living) * _EXACT / 2:
        return None
    recall = float(np.mean(ranks[sizes.index(size)] < candidates))
    kept = np.ascontiguousarray(directions[:, :size]), steps[:size], np.ascontiguousarray(codes[:, :size])
    return ProjectedScan(*kept, Measured(len(rows), candidates, recall))


def _blocks(rows: Halves, first: int) -> Iterator[Halves]:
    for start in range(first, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _moved(block: slice | RowIds, first: int) -> slice | RowIds:
    """Return the same rows counted from `first` rows before."""
    return slice(block.start + first, block.stop + first) if isinstance(block, slice) else block + first


def _principal(sample: Embeddings, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the directions (W, count) along which the sample differs most, and the steps (count,) of 8-bit codes."""
    # About the mean: what all embeddings share moves all scores of a query alike.
    spread, directions = np.linalg.eigh(np.cov(sample.T, dtype=np.float64))
    deviations = np.sqrt(np.maximum(spread[::-1][:count], 1e-12))
    return np.ascontiguousarray(directions[:, ::-1][:, :count], np.float32), (deviations * SPAN / 127).astype(
        np.float32
    )


def _coded(block: Halves, directions: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return rows (B, W) as codes (B, D)."""
    along = to_float32(block) @ directions
    along /= steps
    codes: NDArray[np.int8] = np.clip(np.rint(along), -127, 127).astype(np.int8)
    return codes


def _probes(sample: Embeddings, random: np.random.Generator) -> Embeddings:
    """Return queries (P, W) as like some of the sample as `LIKENESS`, and otherwise in no direction of theirs."""
    centred = sample[random.choice(len(sample), min(PROBES, len(sample)), replace=False)] - sample.mean(axis=0)
    away = random.standard_normal(centred.shape, dtype=np.float32)
    near, away = (part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-9) for part in (centred, away))
    return np.asarray(LIKENESS * near + (1 - LIKENESS**2) ** 0.5 * away, np.float32)


def _ranks(
    short: NDArray[np.float32], codes: NDArray[np.int8], wanted: RowIds, sizes: Sequence[int], allowed: Mask | None
) -> list[NDArray[np.int64]]:
    """Return for each number of directions how many rows come before each wanted one (P, K) in a scan with these."""

    def scores(block: slice | RowIds) -> Iterator[NDArray[np.float32]]:
        """Yield the scores (P, B) with the first directions only, for each number of them."""
        wide = codes[block].astype(np.float32)
        total = np.zeros((len(short), len(wide)), np.float32)
        for start, size in zip([0, *sizes[:-1]], sizes, strict=True):
            total += short[:, start:size] @ wide[:, start:size].T
            yield total

    of_wanted = [
        np.take_along_axis(one, np.arange(wanted.size).reshape(wanted.shape), 1) for one in scores(wanted.ravel())
    ]
    counts = [np.zeros(wanted.shape, np.int64) for _ in sizes]
    for block in row_blocks(len(codes), allowed, BLOCK):
        for count, one, limits in zip(counts, scores(block), of_wanted, strict=True):
            hide(one, block, allowed)
            for column in range(wanted.shape[1]):
                count[:, column] += np.count_nonzero(one > limits[:, column : column + 1], axis=1)
    return counts


def _enough(ranks: NDArray[np.int64]) -> int:
    """Return how many candidates hold all but few of the wanted rows."""
    ordered = np.sort(ranks, axis=None)
    last = min(int(np.ceil(RECALL * len(ordered))), len(ordered)) - 1
    return max(_LEAST, int(ordered[last]) + 1)


def _cost(rows: int, directions: int, candidates: int) -> float:
    """Return the nanoseconds of a query."""
    return rows * (_EACH + _SCAN * directions) + candidates * _RANK
