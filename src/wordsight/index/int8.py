"""A scan of one byte for each number of an embedding, a `ScanKernel`: ONNX Runtime multiplies the integers.

    kernel = build_int8(rows)
    guesses = kernel.guesses(queries)          # (Q, N)

A number is kept as the nearest of 255 steps of its column, and a query's as the nearest of 127, so that no sum of two
products overflows 16 bits.  Every number counts, so a guess is off by about a thousandth whatever the query: its error
is a sum of many small ones.  (A few strong directions are fewer bytes, and miss what is rare: docs/index.md.)  A block
is laid out as the product of a row and a matrix reads it, column by column.  Knows only arrays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.index.cache_file import Stacked
from wordsight.index.halves import Halves, Mask, to_float32
from wordsight.index.sieve import Scores

BLOCK = 8192  # rows of a block
LEVELS, ZERO = 63, 64  # of a query's numbers, either side of zero, and which of them zero is
LEAST = 128  # rows scored at least: enough to see how far guesses are off
SAMPLE = 65_536  # embeddings whose range is taken
ROOM = 1.2  # times the range of the sample, for what comes later
_CHECKED = 64  # of the last rows whose codes are made again when a file is read
_SUM_BYTES = 4  # rows of a block that hold the sums of its columns, as int32
CodeBlock = NDArray[np.int8]  # (W + 4, BLOCK): codes of embeddings, one a column, and below each their sum

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
        """Return steps that reach over a sample (n, W), with some room."""
        centre = sample.mean(axis=0)
        return cls(centre, np.maximum(np.abs(sample - centre).max(axis=0) * (ROOM / 127), 1e-9))

    def coded(self, rows: Halves) -> CodeBlock:
        """Return at most `BLOCK` rows (n, W) as a block."""
        numbers = to_float32(rows)
        numbers -= self.centre
        numbers /= self.sizes
        np.rint(numbers, out=numbers)
        codes = np.clip(numbers, -127, 127, out=numbers).astype(np.int8)
        block: CodeBlock = np.zeros((codes.shape[1] + _SUM_BYTES, BLOCK), np.int8)
        block[: codes.shape[1], : len(codes)] = codes.T
        _sums(block)[: len(codes)] = codes.sum(axis=1, dtype=np.int32)
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
    version: ClassVar[int] = 1

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

    def guesses(self, queries: Embeddings, row_ids: RowIds | None = None) -> Scores:
        """See `ScanKernel`."""
        scaled = queries * self._steps.sizes
        worth = np.maximum(np.abs(scaled).max(axis=1, keepdims=True), np.float32(1e-30)) / np.float32(LEVELS)  # a level
        levels = (np.rint(scaled / worth) + ZERO).astype(np.uint8)
        guesses = np.empty((len(queries), len(self) if row_ids is None else len(row_ids)), np.float32)
        stop = 0
        for number, inside in self._wanted(row_ids):
            block = self._blocks[number]
            product = _multiplied(levels, block[: self.width])  # (Q, BLOCK)
            product -= ZERO * _sums(block)
            part = product[:, inside]
            start, stop = stop, stop + part.shape[1]
            np.multiply(part, worth, out=guesses[:, start:stop], casting="unsafe")
        return guesses

    def _wanted(self, row_ids: RowIds | None) -> Iterator[tuple[int, slice | RowIds]]:
        """Yield the blocks that hold any of these rows, or of all, by number, and which of their rows these are."""
        for first in range(0, len(self), BLOCK):
            if row_ids is None:
                yield first // BLOCK, slice(min(BLOCK, len(self) - first))
                continue
            inside = row_ids[slice(*np.searchsorted(row_ids, (first, first + BLOCK)))]
            if len(inside):
                yield first // BLOCK, inside - first

    def parts(self) -> Mapping[str, NDArray[Any] | Stacked]:
        """See `ScanKernel`."""
        shape = (_blocks(len(self)), self.width + _SUM_BYTES, BLOCK)
        blocks = Stacked(shape, np.dtype(np.int8), self._blocks)
        return {"centre": self._steps.centre, "steps": self._steps.sizes, "blocks": blocks}

    @classmethod
    def from_parts(cls, parts: Mapping[str, NDArray[Any]], rows: Halves) -> Self:
        """See `ScanKernel`."""
        steps, blocks = CodeSteps(parts["centre"], parts["steps"]), parts["blocks"]
        count = len(rows)
        if not count or blocks.shape != (_blocks(count), len(steps.sizes) + _SUM_BYTES, BLOCK):
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
    """Return about so many of the rows that are allowed, or all there are (n, W), spread evenly."""
    living = np.arange(len(rows)) if allowed is None else np.flatnonzero(allowed)
    return to_float32(rows[living[:: max(1, len(living) // count)]])


def _sums(block: CodeBlock) -> NDArray[np.int32]:
    """Return the sums (BLOCK,) of the codes of a block's columns, which lie below them."""
    return block[-_SUM_BYTES:].reshape(-1).view("<i4")


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
