"""PyTorch's own file, written without PyTorch: a zip of raw numbers and one small pickle that names them.

    write_torch(Path("out.pt"), {"visual.proj": array})     # torch.load(..., weights_only=True) reads it

Layout: torch/serialization.py (`_save`), caffe2/serialize/inline_container.h.  The pickle holds nothing but a
dict of names and tensors.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.base.files import atomic_write
from wordsight.weights.checkpoint import Array

STORAGES = {
    "f8": "DoubleStorage",
    "f4": "FloatStorage",
    "f2": "HalfStorage",
    "i8": "LongStorage",
    "i4": "IntStorage",
    "i2": "ShortStorage",
    "i1": "CharStorage",
    "u1": "ByteStorage",
    "b1": "BoolStorage",
}
ALIGNED = 64  # caffe2/serialize: numbers begin at multiples of this, so that files can be mapped
LOCAL_HEADER = 30  # bytes of a zip entry's head before its name
FIELD = b"FB"  # the extra field that caffe2 fills up with
BIG = 2**31  # from here on zipfile's own extra field is needed


def write_torch(path: Path, tensors: Mapping[str, Array]) -> None:
    """Write names and arrays as a file that `torch.load` reads into a dict of tensors."""
    for name, array in tensors.items():
        if array.dtype.str[1:] not in STORAGES:
            raise FormatError(f"{name} is of type {array.dtype}", cure=f"known: {', '.join(STORAGES)}")
    top = path.stem or "archive"
    with atomic_write(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, f"{top}/data.pkl", pickled(tensors))
        _add(archive, f"{top}/byteorder", b"little")
        for number, array in enumerate(tensors.values()):
            _add(archive, f"{top}/data/{number}", np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
        _add(archive, f"{top}/version", b"3\n")


def pickled(tensors: Mapping[str, Array]) -> bytes:
    """Return the pickle (protocol 2) of a dict whose values are the storages 0, 1, ... as whole tensors."""
    parts = [b"\x80\x02}("]
    for number, (name, array) in enumerate(tensors.items()):
        parts += [_text(name), _tensor(number, array)]
    return b"".join([*parts, b"u."])


def _tensor(number: int, array: Array) -> bytes:
    strides, step = [], 1
    for size in reversed(array.shape):
        strides.append(step)
        step *= size
    storage = b"ctorch\n" + STORAGES[array.dtype.str[1:]].encode() + b"\n"
    storage_id = b"(" + _text("storage") + storage + _text(str(number)) + _text("cpu") + _whole(array.size) + b"tQ"
    shape = _tuple(array.shape) + _tuple(strides[::-1])
    no_hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage_id + _whole(0) + shape + b"\x89" + no_hooks + b"tR"


def _tuple(values: tuple[int, ...] | list[int]) -> bytes:
    return b"(" + b"".join(_whole(value) for value in values) + b"t"


def _whole(value: int) -> bytes:
    if value < BIG:
        return b"J" + value.to_bytes(4, "little")
    return b"\x8a\x08" + value.to_bytes(8, "little")


def _text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + len(encoded).to_bytes(4, "little") + encoded


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)
    if len(content) < BIG:
        assert archive.fp is not None
        begin = archive.fp.tell() + LOCAL_HEADER + len(name.encode()) + 4
        fill = -begin % ALIGNED
        entry.extra = FIELD + fill.to_bytes(2, "little") + b"Z" * fill
    with archive.open(entry, "w", force_zip64=len(content) >= BIG) as target:
        target.write(content)
