"""PyTorch's tensors as it stores them: a row of numbers, and a view of it by offset, shape and strides.

Every number of a view is compared with the storage before an array is made of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from wordsight.weights.archive.lazy import KINDS, StoredTensor
from wordsight.weights.checkpoint import Array

MOST_AXES = 32
KIND_OF_DTYPE = {
    "torch.float64": "F64",
    "torch.double": "F64",
    "torch.float32": "F32",
    "torch.float": "F32",
    "torch.float16": "F16",
    "torch.half": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.long": "I64",
    "torch.int32": "I32",
    "torch.int": "I32",
    "torch.int16": "I16",
    "torch.short": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.uint16": "U16",
    "torch.uint32": "U32",
    "torch.uint64": "U64",
    "torch.bool": "BOOL",
    "torch.complex64": "C64",
    "torch.complex128": "C128",
}
_STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
}
KIND_OF_STORAGE = {
    **{f"torch.{name}": kind for name, kind in _STORAGES.items()},
    **{f"torch.cuda.{name}": kind for name, kind in _STORAGES.items()},
    "torch.storage.UntypedStorage": "U8",
    "torch.UntypedStorage": "U8",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """A row of numbers of one type in a file; `read` gives its bytes, mapped, `order` is "<" or ">"."""

    kind: str
    count: int
    read: Callable[[], Array]
    order: str = "<"
    first: int = 0  # numbers of the row that come before this storage: it may be a part of another

    def part(self, offset: int, count: int) -> "Storage":
        """Return the storage of `count` numbers from `offset` on."""
        _check_whole(offset, count)
        if offset + count > self.count:
            raise ValueError("a part that reaches beyond its storage")
        return replace(self, first=self.first + offset, count=count)


def width(kind: str) -> int:
    """Return the bytes of one number."""
    return np.dtype(KINDS[kind]).itemsize


def retyped(storage: Any, kind: str) -> Storage:
    """Return a storage of bytes as one of another type."""
    if type(storage) is not Storage or storage.kind != "U8" or storage.first:
        raise ValueError("a tensor of no storage")
    return replace(storage, kind=kind, count=storage.count // width(kind))


def rebuild(storage: Any, offset: Any, size: Any, stride: Any) -> StoredTensor:
    """Return the tensor that views a storage; one that reaches beyond it is a `ValueError`."""
    if type(storage) is not Storage:
        raise ValueError("a tensor of no storage")
    if type(size) is not tuple or type(stride) is not tuple or len(size) != len(stride) or len(size) > MOST_AXES:
        raise ValueError("a shape and strides that do not belong together")
    _check_whole(offset, *size, *stride)
    count, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        count *= length
        last += (length - 1) * step
    if count and (last >= storage.count or count > storage.count):
        raise ValueError(f"a tensor of shape {size} that reaches beyond its storage of {storage.count}")
    return StoredTensor(storage.kind, size, partial(_view, storage, offset, size, stride))


def _view(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Array:
    dtype = np.dtype(storage.order + KINDS[storage.kind])
    if 0 in size:
        return np.empty(size, dtype)
    begin = (storage.first + offset) * dtype.itemsize
    steps = tuple(step * dtype.itemsize for step in stride)
    return np.ndarray(size, dtype, buffer=storage.read().data, offset=begin, strides=steps)


def _check_whole(*values: Any) -> None:
    if any(type(value) is not int or value < 0 for value in values):
        raise ValueError("a size, stride or offset that is no whole number of 0 or more")
