"""safetensors files as numpy arrays, both ways.  The format: huggingface/safetensors, README."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import atomic_write, require_content
from wordsight.base.reading import open_regular
from wordsight.weights.archive.lazy import KINDS, StoredTensor, Tensors
from wordsight.weights.checkpoint import Array

ALIGNED = 8  # the header ends at a multiple of this, so that mapped numbers lie at their place
NAMES = {np.dtype(code): name for name, code in KINDS.items() if name != "BF16"}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a header: type, shape, and where its bytes begin and end after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says before its numbers, which begin at byte `start`."""

    start: int
    tensors: dict[str, TensorEntry]


def check_safetensors(path: Path) -> None:
    """Raise `NotFound` or `FormatError` unless `path` is a whole safetensors file (header, sizes, no gaps)."""
    if not path.is_file():
        raise NotFound(f"no weights {path}", cure="restore the file, or use the folder with an ONNX engine")
    require_content(path)
    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise FormatError(
            f"{path} is not a whole safetensors file: {error}", cure="fetch or save the model again"
        ) from None


def read_header(path: Path) -> Header:
    """Return the header of a safetensors file, which is checked first."""
    check_safetensors(path)
    with open_regular(path) as handle:
        length = int.from_bytes(handle.read(8), "little")
        values = json.loads(handle.read(length))
    values.pop("__metadata__", None)
    tensors = {
        name: TensorEntry(entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        for name, entry in values.items()
    }
    return Header(8 + length, tensors)


def read_safetensors(path: Path) -> Tensors:
    """Return the tensors of a safetensors file, mapped; a damaged one is a `FormatError`."""
    header = read_header(path)
    whole = np.memmap(path, np.uint8, mode="r") if header.tensors else np.empty(0, np.uint8)
    stored = {}
    for name, entry in header.tensors.items():
        if entry.dtype not in KINDS:
            raise FormatError(f"{name} in {path} is of type {entry.dtype}", cure=f"known: {', '.join(KINDS)}")
        lying = whole[header.start + entry.begin : header.start + entry.end]
        stored[name] = StoredTensor(entry.dtype, entry.shape, partial(_numbers, lying, entry.dtype, entry.shape))
    return Tensors(stored)


def write_safetensors(
    path: Path, tensors: Mapping[str, Array], *, kind: Callable[[Array], np.dtype[np.generic]] | None = None
) -> None:
    """Write arrays, one at a time in memory; `kind` says in which type each is stored (without it: its own)."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    kinds = {name: (kind(array) if kind else array.dtype).newbyteorder("=") for name, array in tensors.items()}
    order = sorted(kinds, key=lambda name: (-kinds[name].itemsize, name))  # wide types first: all lie aligned
    for name in order:
        if kinds[name] not in NAMES:
            raise FormatError(f"{name} is of type {kinds[name]}", cure=f"safetensors holds {', '.join(NAMES.values())}")
        begin, end = end, end + tensors[name].size * kinds[name].itemsize
        shape = list(tensors[name].shape)
        entries[name] = {"dtype": NAMES[kinds[name]], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with atomic_write(path) as handle:
        handle.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            little = kinds[name].newbyteorder("<")
            handle.write(np.ascontiguousarray(tensors[name], little).tobytes())


def _numbers(lying: Array, kind: str, shape: tuple[int, ...]) -> Array:
    return lying.view(np.dtype(KINDS[kind]).newbyteorder("<")).reshape(shape)
