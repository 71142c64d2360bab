"""Tensors of a file that are read when they are asked for.

tensor = Stored("F16", (512, 768), lambda: ...)     # what it is, without its numbers
Tensors({"visual.proj": tensor})["visual.proj"]     # the numbers
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from wordsight.weights.checkpoint import Array

# names as in safetensors; bfloat16, which numpy lacks, is stored as the upper halves of float32
KINDS = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": "u2",
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U64": "u8",
    "U32": "u4",
    "U16": "u2",
    "U8": "u1",
    "BOOL": "?",
    "C64": "c8",
    "C128": "c16",
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file: type (as safetensors names it), shape, and how to get its numbers as they lie there."""

    kind: str
    shape: tuple[int, ...]
    read: Callable[[], Array]

    def array(self) -> Array:
        """Return the numbers, bfloat16 widened to float32; mapped from the file where nothing has to be changed."""
        raw = self.read()
        return widen(raw) if self.kind == "BF16" else raw


class Tensors(Mapping[str, Array]):
    """Names to arrays, each read from its file when it is asked for."""

    def __init__(self, stored: Mapping[str, StoredTensor]) -> None:
        self.stored = dict(stored)

    def __getitem__(self, name: str) -> Array:
        return self.stored[name].array()

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def __contains__(self, name: object) -> bool:
        return name in self.stored


def widen(halves: Array) -> Array:
    """Return bfloat16 numbers, given as unsigned 16-bit ones, as float32."""
    wide: Array = (halves.astype(np.uint32) << 16).view(np.float32)
    return wide
