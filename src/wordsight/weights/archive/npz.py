"""numpy's `.npz`: arrays of numbers only, read without numpy's loader, which would unpickle objects.

An array's head is compared with the one form in which numpy writes it, never evaluated.  bfloat16, which
numpy's files cannot name, lies there as two-byte voids ("|V2").  The format: numpy/lib/format.py.
"""

import re
from functools import partial

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.weights.archive.lazy import KINDS, StoredTensor
from wordsight.weights.archive.zips import Zip
from wordsight.weights.checkpoint import Array

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"
LONGEST_HEAD = 4096  # bytes; that of an array of numbers has about a hundred
SHAPE = rb"\((|\d+,|\d+(?:, ?\d+)+,?)\)"
HEAD = re.compile(
    rb"\{'descr': '([<>|=])([a-zA-Z]\d{1,2})', 'fortran_order': (True|False), 'shape': " + SHAPE + rb",? *\}\s*"
)
CODES = {code: kind for kind, code in KINDS.items() if kind not in ("BF16", "BOOL")}
MOST_AXES = 32


def npz_tree(archive: Zip) -> dict[str, StoredTensor]:
    """Return the arrays of a `.npz` by name; one that holds more than numbers is a `FormatError`."""
    return {name.removesuffix(SUFFIX): _array(archive, name) for name in archive.names}


def _array(archive: Zip, name: str) -> StoredTensor:
    if not name.endswith(SUFFIX):
        raise FormatError(f"{archive.path} holds {name}, which is no array", cure="fetch the file again")
    start = archive.start(name, LONGEST_HEAD)
    version = start[6:7]
    width = 2 if version == b"\x01" else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    begin = 8 + width + length
    header = HEAD.fullmatch(start[8 + width : begin])
    if start[:6] != MAGIC or begin > len(start) or header is None:
        raise FormatError(
            f"{name} in {archive.path} is no array of numbers; arrays of objects are refused",
            cure="use weights from a source you trust",
        )
    order, code, columns, axes = (part.decode() for part in header.groups())
    kind = "BF16" if code == "V2" else "BOOL" if code == "b1" else CODES.get(code)
    shape = tuple(int(axis) for axis in axes.split(",") if axis.strip())
    if kind is None or len(shape) > MOST_AXES:
        raise FormatError(f"{name} in {archive.path} is of type {order}{code}", cure=f"known: {', '.join(CODES)}, V2")
    dtype = np.dtype((order if order in "<>" else "=") + KINDS[kind])
    if _bytes(shape, dtype.itemsize) != archive.entries[name].size - begin:
        raise FormatError(
            f"{name} in {archive.path} has {archive.entries[name].size - begin} bytes, not those of shape {shape}",
            cure="fetch the file again",
        )
    return StoredTensor(
        kind, shape, partial(_numbers, archive, name, begin, (dtype, shape, "F" if columns == "True" else "C"))
    )


def _bytes(shape: tuple[int, ...], itemsize: int) -> int:
    for length in shape:
        itemsize *= length
    return itemsize


def _numbers(archive: Zip, name: str, begin: int, how: tuple[np.dtype[np.generic], tuple[int, ...], str]) -> Array:
    dtype, shape, order = how
    flat: Array = np.ndarray((int(np.prod(shape, dtype=np.int64)),), dtype, buffer=archive.raw(name).data, offset=begin)
    return flat.reshape(shape, order="F" if order == "F" else "C")
