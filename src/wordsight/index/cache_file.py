"""A file of arrays that can be made again, beside what they are made of: one line that says what of, then the arrays.

    write_cache(path, CacheHeader("int8", 1, generation=3, rows=1000, width=512), {"codes": codes})
    header, parts = read_cache(path)      # parts are memory-mapped
    header = read_header(path)            # and the arrays are not looked at

The line is JSON and fills 4096 bytes: format, kind of cache and its version, generation and number of what is covered,
the arrays, the checksum.  A file that was cut or altered, the line or an array, is a `FormatError`, and so is what is
no file: a named pipe is replaced when the cache is written, a folder stays.  The checksum finds damage, not intent:
sums of all 8-byte words in 512 columns, then their CRC-32, several times as quick as a CRC of all.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import atomic_write, make_way
from wordsight.base.reading import open_regular

FORMAT = "wordsight cache 1"
HEADER = 4096  # bytes
_COLUMNS = 512  # of 8 bytes: a page of memory
_SUMMED = 1 << 22  # bytes summed to one line of columns: damage that moves a part of the file is found
STACKED = 3  # dimensions of an array that may have been written block by block
_KINDS: dict[str, np.dtype[Any]] = {
    "f4": np.dtype("<f4"),
    "f8": np.dtype("<f8"),
    "i1": np.dtype("i1"),
    "u1": np.dtype("u1"),
    "i4": np.dtype("<i4"),
    "i8": np.dtype("<i8"),
}


class CacheHeader(NamedTuple):
    """What a cache is of: its kind and version, the generation of what it covers, of how many rows, of what width."""

    kind: str
    version: int
    generation: int
    rows: int
    width: int


class Stacked(NamedTuple):
    """An array (n, …) that is written without being whole in memory: `blocks` gives its n parts one after another."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    blocks: Iterable[NDArray[Any]]


def write_cache(path: Path, header: CacheHeader, parts: Mapping[str, NDArray[Any] | Stacked]) -> None:
    """Write a cache, whole or not at all; arrays are of float32, float64, int8, uint8, int32 or int64."""
    kinds = {name: _KINDS[part.dtype.str[1:]] for name, part in parts.items()}
    described = {name: [part.dtype.str[1:], *part.shape] for name, part in parts.items()}
    facts: dict[str, Any] = {"format": FORMAT, **header._asdict(), "parts": described}
    check = zlib.crc32(json.dumps(facts, sort_keys=True).encode())
    make_way(path)
    with atomic_write(path) as handle:
        handle.write(bytes(HEADER))
        for name, part in parts.items():
            size = 0
            for array in _one_by_one(part):
                data = np.ascontiguousarray(array, kinds[name]).reshape(-1).view(np.uint8)
                check = _checked(data, check)
                handle.write(data.data)
                size += len(data)
            assert size == kinds[name].itemsize * prod(part.shape)
            handle.write(bytes(-size % 8))
        line = json.dumps({**facts, "checksum": check}).encode()
        assert len(line) < HEADER
        handle.seek(0)
        handle.write(line.ljust(HEADER - 1) + b"\n")


def read_cache(path: Path) -> tuple[CacheHeader, dict[str, NDArray[Any]]]:
    """Return what a file says it is of, and its arrays, memory-mapped; a file that is not whole is a `FormatError`."""
    facts, header = _read_line(path)
    try:
        checksum = facts.pop("checksum")
        size = path.stat().st_size
        described = {
            str(name): (_KINDS[kind], tuple(map(int, shape))) for name, (kind, *shape) in facts["parts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None
    arrays = _mapped(path, size, described)
    if checksum != _checksum({"format": FORMAT, **facts}, arrays):
        raise _damaged(path)
    return header, arrays


def read_header(path: Path) -> CacheHeader:
    """Return what a file says it is of, its arrays not looked at; `NotFound` where there is none."""
    return _read_line(path)[1]


def _read_line(path: Path) -> tuple[dict[str, Any], CacheHeader]:
    """Return the first line of a file, all but its format, and the header in it."""
    try:
        with open_regular(path) as handle:
            line = handle.read(HEADER)
    except FileNotFoundError:
        raise NotFound(f"no file {path}", cure="it is made when the library is indexed") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure="check the file") from None
    try:
        facts = json.loads(line)
        if len(line) < HEADER or facts.pop("format") != FORMAT:
            raise _damaged(path)
        return facts, CacheHeader(**{name: facts[name] for name in CacheHeader._fields})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path) from None


def _mapped(
    path: Path, size: int, described: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
) -> dict[str, NDArray[Any]]:
    starts, end = {}, HEADER
    for name, (kind, shape) in described.items():
        if min(shape, default=0) < 0:
            raise _damaged(path)
        starts[name] = end
        length = kind.itemsize * prod(shape)
        end += length + -length % 8
    if size != end:
        raise _damaged(path)
    whole = np.asarray(np.memmap(path, np.uint8, mode="r"))
    return {
        name: whole[starts[name] : starts[name] + kind.itemsize * prod(shape)].view(kind).reshape(shape)
        for name, (kind, shape) in described.items()
    }


def _checksum(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> int:
    check = zlib.crc32(json.dumps(facts, sort_keys=True).encode())
    for array in arrays.values():
        for block in _one_by_one(array):
            check = _checked(block.reshape(-1).view(np.uint8), check)
    return check


def _one_by_one(part: NDArray[Any] | Stacked) -> Iterable[NDArray[Any]]:
    """Return what is checked, and may be written, one after another."""
    return part.blocks if isinstance(part, Stacked) else part if part.ndim == STACKED else [part]


def _checked(data: NDArray[np.uint8], check: int) -> int:
    """Return a checksum with that of more data."""
    for start in range(0, len(data), _SUMMED):
        check = zlib.crc32(_summed(data[start : start + _SUMMED]), check)
    return check


def _summed(data: NDArray[np.uint8]) -> bytes:
    """Return the sums of the 8-byte words in each column, and what does not fill a line as it is."""
    even = len(data) - len(data) % (8 * _COLUMNS)
    sums = np.add.reduce(data[:even].view("<u8").reshape(-1, _COLUMNS), axis=0, dtype=np.uint64)
    return bytes(sums.tobytes() + data[even:].tobytes())


def _damaged(path: Path) -> FormatError:
    return FormatError(f"{path} is no whole cache of this program", cure=f"delete {path}: it is made again")


def cache_files(folder: Path) -> list[Path]:
    """Return all files of arrays in a folder."""
    return list(folder.glob("*.cache"))


def delete_caches(folder: Path) -> None:
    """Delete all files of arrays in a folder."""
    for path in cache_files(folder):
        disk.unlink(path, missing_ok=True)
