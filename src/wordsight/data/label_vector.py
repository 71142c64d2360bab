"""Vectors with a flag for each class, as NumPy stores them (`.npy`; numpy.lib.format, versions 1 to 3).

    flagged(data, "test/0.tar: s0000007.npy")       # Flags((3, 17), 20): classes 3 and 17 of 20

The header is judged before anything is made of it, so that no object is unpickled and no memory is taken for a shape
that the data does not have.
"""

import io
import math
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from wordsight.base.errors import InputError

LARGEST = 8_000_000  # bytes: a million classes as float64
_KINDS = "biuf"  # booleans, integers, floats
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_NO_HEADER = (ValueError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError)  # NumPy parses Python's text
_CURE = "save it with numpy.save as an array of 0 and 1, one for each class"


class Flags(NamedTuple):
    """The numbers of the classes whose flag is set, ascending, and how many classes there are."""

    numbers: tuple[int, ...]
    length: int


def flagged(data: bytes, where: str) -> Flags:
    """Return the flags of a stored array (C,) or (1, C) of 0 and 1; anything else raises `InputError`."""
    if len(data) > LARGEST:
        raise InputError(f"{where} has {len(data)} bytes", cure=f"{LARGEST} is the most that is read")
    handle = io.BytesIO(data)
    shape, kind = _header(handle, where)
    if kind.hasobject:
        raise InputError(f"{where} holds pickled objects, which are not read", cure=_CURE)
    if kind.kind not in _KINDS:
        raise InputError(f"{where} holds values of type {kind}", cure=_CURE)
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] != 1):
        raise InputError(f"{where} has the shape {shape}", cure=_CURE)
    content = data[handle.tell() :]
    if len(content) != math.prod(shape) * kind.itemsize:
        raise InputError(f"{where} has {len(content)} bytes for the shape {shape} of {kind}", cure=_CURE)
    values = np.frombuffer(content, kind)
    strange = values[(values != 0) & (values != 1)]  # NaN is one of them
    if len(strange):
        raise InputError(f"{where} holds the value {strange[0]}", cure=_CURE)
    return Flags(tuple(np.flatnonzero(values).tolist()), len(values))


def _header(handle: io.BytesIO, where: str) -> tuple[tuple[int, ...], "np.dtype[Any]"]:
    try:
        version = npy.read_magic(handle)
        read = _HEADERS.get(version, npy.read_array_header_2_0)  # 3.0 differs in the encoding of field names alone
        shape, _, kind = read(handle)
    except _NO_HEADER as error:
        first = str(error).partition("\n")[0]
        raise InputError(f"{where} is no array of NumPy: {first}", cure=_CURE) from None
    if any(length < 0 for length in shape):
        raise InputError(f"{where} has the shape {shape}", cure=_CURE)
    return shape, kind
