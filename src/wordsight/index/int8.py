"""A scan of one byte for each number of an embedding, a `ScanKernel`: ONNX Runtime multiplies the integers.

    kernel = build_int8(rows)
    kernel.at_most(queries)                    # (Q, N): no row scores more

A number is kept as the nearest of 255 steps of its column, and a query's as the nearest of 127, so that no sum of two
products overflows 16 bits.  What both roundings can do to a score is bounded: by the length of what is left of the row,
which is kept for each, and by the length of what is left of the query times that of the row's codes (Cauchy and
Schwarz).  So nothing is missed, whatever the query, and however unlike the others a row is.  A block is laid out as the
product of a row and a matrix reads it, column by column.  Knows only arrays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.index.cache_file import Stacked
from wordsight.index.halves import Halves, Mask, Scores, to_float32
from wordsight.index.index import spread_evenly

BLOCK = 8192  # rows of a block
LEVELS, ZERO = 63, 64  # of a query's numbers, either side of zero, and which of them zero is
LEAST = 128  # rows scored at least
SAMPLE = 65_536  # embeddings whose spread is taken
SPAN = 4.0  # standard deviations that codes reach over: what is beyond is left of the row
_QUERIES = 16  # whose bounds of a block are computed at once
ROUNDING = 1e-5  # what sums of float32 may differ by
_CHECKED = 256  # of the last rows whose codes are made again when a file is read
_FACTS = 3  # of each row, below its codes, four bytes each: their sum, their length, and the length of what is left
CodeBlock = NDArray[np.int8]  # (W + 12, BLOCK): codes of embeddings, one a column, and these facts

# The product of a (q, w) uint8 and b (w, n) int8 as int32: node MatMulInteger of opset 13.
_PRODUCT = (
    b'\x08\x08:b\n\x18\n\x01a\n\x01b\x12\x01y"\rMatMulInteger\x12\x01s'
    b"Z\x15\n\x01a\x12\x10\n\x0e\x08\x02\x12\n\n\x03\x12\x01q\n\x03\x12\x01w"
    b"Z\x15\n\x01b\x12\x10\n\x0e\x08\x03\x12\n\n\x03\x12\x01w\n\x03\x12\x01n"
    b"b\x15\n\x01y\x12\x10\n\x0e\x08\x06\x12\n\n\x03\x12\x01q\n\x03\x12\x01nB\x04\n\x00\x10\r"
)


@dataclass(frozen=True, slots=True)
class CodeSteps:
    """What codes stand for: `centre` (W,) is what zero stands for, `sizes` (W,) what one more does."""

    centre: NDArray[np.float32]
    sizes: NDArray[np.float32]

    @classmethod
    def of(cls, sample: Embeddings) -> "CodeSteps":
        """Return steps that suit a sample (n, W)."""
        return cls(sample.mean(axis=0), np.maximum(sample.std(axis=0) * np.float32(SPAN / 127), np.float32(1e-9)))

    def coded(self, rows: Halves) -> CodeBlock:
        """Return at most `BLOCK` rows (n, W) as a block."""
        left = to_float32(rows)
        left -= self.centre
        numbers = left * (1 / self.sizes)
        np.rint(numbers, out=numbers)
        np.clip(numbers, -127, 127, out=numbers)
        block: CodeBlock = np.zeros((numbers.shape[1] + 4 * _FACTS, BLOCK), np.int8)
        sums, lengths, lefts = _facts(block)[:, : len(numbers)]
        block[: numbers.shape[1], : len(numbers)] = numbers.astype(np.int8).T
        sums.view(np.int32)[:] = numbers.sum(axis=1)
        lengths[:] = np.sqrt(np.einsum("nw,nw->n", numbers, numbers))
        numbers *= self.sizes
        left -= numbers
        lefts[:] = np.sqrt(np.einsum("nw,nw->n", left, left))
        return block


class CodedBlocks(Sequence[CodeBlock]):
    """The blocks of embeddings that are in no file yet, each made when it is asked for: all would fill the memory."""

    def __init__(self, steps: CodeSteps, rows: Halves) -> None:
        self._steps, self._rows = steps, rows

    def __len__(self) -> int:
        """Return how many blocks there are."""
        return _blocks(len(self._rows))

    def __getitem__(self, number: Any) -> Any:
        """Return one block."""
        if number >= len(self):
            raise IndexError(number)
        return self._steps.coded(self._rows[number * BLOCK : (number + 1) * BLOCK])


class Int8Scan:
    """A `ScanKernel`: 8-bit numbers.  One that was built is slow until it is saved and loaded."""

    name: ClassVar[str] = "int8"
    version: ClassVar[int] = 2

    def __init__(self, steps: CodeSteps, blocks: Sequence[CodeBlock], *, count: int) -> None:
        self._steps = steps
        self._blocks = blocks
        self._count = count

    def __len__(self) -> int:
        """Return how many rows are covered."""
        return self._count

    @property
    def width(self) -> int:
        """The numbers in an embedding."""
        return len(self._steps.sizes)

    def shortlist(self, k: int) -> int:
        """See `ScanKernel`."""
        return max(LEAST, 2 * k)

    def extend(self, rows: Halves) -> None:
        """See `ScanKernel`."""
        if len(rows) > len(self):
            full = len(self) // BLOCK
            whole = [self._blocks[number] for number in range(full)]
            self._blocks = [*whole, *CodedBlocks(self._steps, rows[full * BLOCK :])]
            self._count = len(rows)

    def at_most(self, queries: Embeddings, row_ids: slice | RowIds | None = None) -> Scores:
        """See `ScanKernel`."""
        scaled = queries * self._steps.sizes
        worth = np.maximum(np.abs(scaled).max(axis=1, keepdims=True), np.float32(1e-30)) / np.float32(LEVELS)  # a level
        levels = np.rint(scaled / worth)
        ways = [np.linalg.norm(one, axis=1) for one in (scaled - levels * worth, queries)]
        base = queries @ self._steps.centre + np.float32(ROUNDING)
        slack = np.stack([*ways, base], axis=1)  # (Q, 3): what the roundings of the query and of a row can do, and that
        whole = (levels + ZERO).astype(np.uint8)
        row_ids = slice(0, len(self)) if row_ids is None else row_ids
        count = row_ids.stop - row_ids.start if isinstance(row_ids, slice) else len(row_ids)
        at_most = np.empty((len(queries), count), np.float32)
        stop = 0
        for number, inside in self._wanted(row_ids):
            block = self._blocks[number]
            product = _multiplied(whole, block[: self.width])  # (Q, BLOCK)
            sums, lengths, lefts = _facts(block)[:, inside]
            start, stop = stop, stop + len(sums)
            beside = np.stack([lengths, lefts, np.ones_like(lefts)])
            zeros = ZERO * sums.view(np.int32)
            for some in range(0, len(queries), _QUERIES):  # so few that the processor's cache holds what is computed
                part = slice(some, some + _QUERIES)
                bound = at_most[part, start:stop]
                np.copyto(bound, np.subtract(product[part, inside], zeros), casting="unsafe")
                bound *= worth[part]
                bound += slack[part] @ beside
        return at_most

    def _wanted(self, row_ids: slice | RowIds) -> Iterator[tuple[int, slice | RowIds]]:
        """Yield the blocks that hold any of these rows, by number, and which of their rows these are."""
        if isinstance(row_ids, slice):
            for first in range(row_ids.start // BLOCK * BLOCK, row_ids.stop, BLOCK):
                inside = slice(max(row_ids.start - first, 0), min(row_ids.stop - first, BLOCK))
                yield first // BLOCK, inside
            return
        first, last = (int(row_ids[0]), int(row_ids[-1])) if len(row_ids) else (0, -1)
        for number in range(first // BLOCK, last // BLOCK + 1):
            begin = number * BLOCK
            ids = row_ids[slice(*np.searchsorted(row_ids, (begin, begin + BLOCK)))]
            if len(ids):
                yield number, ids - begin

    def parts(self) -> Mapping[str, NDArray[Any] | Stacked]:
        """See `ScanKernel`."""
        shape = (_blocks(len(self)), self.width + 4 * _FACTS, BLOCK)
        blocks = Stacked(shape, np.dtype(np.int8), self._blocks)
        return {"centre": self._steps.centre, "steps": self._steps.sizes, "blocks": blocks}

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """See `ScanKernel`."""
        steps, blocks = CodeSteps(parts["centre"], parts["steps"]), parts["blocks"]
        count = len(rows)
        if not count or blocks.shape != (_blocks(count), len(steps.sizes) + 4 * _FACTS, BLOCK):
            raise ValueError("the blocks")
        # A process that was killed may have left other embeddings behind than those that are there now.
        first = max(count - _CHECKED, (count - 1) // BLOCK * BLOCK)
        last = steps.coded(rows[first:])[: rows.shape[1], : count - first]
        if not np.array_equal(last, blocks[-1][: rows.shape[1], first % BLOCK :][:, : count - first]):
            raise ValueError("the codes of the last rows")
        return cls(steps, list(blocks), count=count)


def build_int8(rows: Halves, *, allowed: Mask | None = None) -> Int8Scan:
    """Return a scan of `rows` (N, W), whose steps reach over those that are `allowed` (N,)."""
    steps = CodeSteps.of(_sampled(rows, allowed, SAMPLE))
    return Int8Scan(steps, CodedBlocks(steps, rows), count=len(rows))


def _blocks(count: int) -> int:
    """Return in how many blocks so many rows lie."""
    return (count + BLOCK - 1) // BLOCK


def _sampled(rows: Halves, allowed: Mask | None, count: int) -> Embeddings:
    """Return so many of the rows that are allowed, or all there are (n, W), spread evenly."""
    living = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    return to_float32(rows[living[spread_evenly(len(living), count)]])


def _facts(block: CodeBlock) -> NDArray[np.float32]:
    """Return what lies below the codes of a block, (3, BLOCK); the sums are int32."""
    return block[-4 * _FACTS :].reshape(-1).view("<f4").reshape(_FACTS, -1)


def _multiplied(levels: NDArray[np.uint8], codes: CodeBlock) -> NDArray[np.int32]:
    """Return the product (Q, n) of levels (Q, W) and codes (W, n)."""
    product: NDArray[np.int32] = _session().run(None, {"a": levels, "b": codes})[0]
    return product


@cache
def _session() -> Any:
    """Return what multiplies: in the calling thread alone, so that a forked child has it too."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(_PRODUCT, options, providers=["CPUExecutionProvider"])
