"""The members of a tar file with their offsets, so that any sample can be read without reading what lies before it.

Only headers are read to make an index.  A tar that was cut short gives the members that are whole, and says so.
"""

import contextlib
import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from wordsight.base.errors import InputError
from wordsight.base.reading import IMAGE_LIMIT, in_words, open_regular

BLOCK = 512  # bytes; POSIX.1-1988 ustar
LONGEST_END = 2 * BLOCK + 19 * BLOCK  # the two blocks that end a tar, and what fills a record of 20 blocks
_MAGIC, _MAGIC_AT = b"ustar", 257  # in every header of ustar, pax and GNU tar
_COMPRESSED = {  # how files of these programs begin
    b"\x1f\x8b": ("gzip", "gunzip -c"),
    b"\xfd7zXZ\0": ("xz", "xz -dc"),
    b"BZh": ("bzip2", "bunzip2 -c"),
    b"\x28\xb5\x2f\xfd": ("zstandard", "zstd -dc"),
}


@dataclass(frozen=True, slots=True)
class Member:
    """Where the content of one file lies in the tar, in bytes."""

    offset: int
    size: int


@dataclass(slots=True)
class TarIndex:
    """Samples of one tar in order of first appearance: key -> suffix -> member; and what was wrong with the tar.

    `doubt` says why there may have been more members, where nothing is wrong with what was read.
    """

    samples: dict[str, dict[str, Member]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    doubt: str = ""


def read_index(path: Path) -> TarIndex:
    """Index a tar.  Raises `InputError` when it cannot be opened, is compressed or is no tar at all."""
    index = TarIndex()
    try:
        with open_regular(path) as handle:
            _refuse_compressed(path, handle.read(6))
            handle.seek(0)
            size = os.fstat(handle.fileno()).st_size
            with tarfile.open(fileobj=handle, mode="r:") as tar:
                _read_members(tar, handle, index, size)
                _check_end(tar, handle, index, size)
        _drop_half(index)
    except FileNotFoundError:
        raise InputError(f"no shard {path}", cure="check the path") from None
    except tarfile.TarError as error:
        raise InputError(f"{path} is not a tar file: {error}", cure="make the shard again") from None
    except (MemoryError, OverflowError, ValueError):  # what a header says of itself; see _read_members
        raise InputError(f"{path} is not a tar file: its first header lies", cure="make the shard again") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", cure="check the disk and the permissions"
        ) from None
    return index


def _refuse_compressed(path: Path, start: bytes) -> None:
    for mark, (name, command) in _COMPRESSED.items():
        if start.startswith(mark):
            raise InputError(
                f"{path} is compressed with {name}, so no sample can be read alone",
                cure=f"unpack it: {command} {path.name} > unpacked.tar",
            )


def _read_members(tar: tarfile.TarFile, handle: BinaryIO, index: TarIndex, size: int) -> None:
    """Index all members; behind a header that cannot be right the next one that can is looked for."""
    while True:
        start, info, wrong = tar.offset, None, ""
        try:
            info = tar.next()
        except tarfile.TarError as error:
            index.problems.append(f"cut short after {tar.offset} bytes: {error}")
            return
        except (OSError, ValueError, MemoryError, OverflowError):  # a size that no file has
            wrong = "a header with an impossible size"
        tar.members.clear()  # type: ignore[attr-defined]  # keeps memory flat over large shards
        if info is None and not wrong:
            if not _is_data(handle, start):
                return
            wrong = "no header"
        elif info is not None and (info.size < 0 or (info.isfile() and info.offset_data + info.size > size)):
            wrong = f"{info.name} would have {info.size} bytes"
        if not wrong:
            _add(index, info)
            continue
        following = _next_header(handle, start + BLOCK)
        if following is None and info is not None and info.size > 0:
            index.problems.append(f"cut short inside {info.name}")
            return
        index.problems.append(f"damaged at byte {start}: {wrong}; the files up to the next header are lost")
        if following is None:
            return
        tar.offset = following


def _is_data(handle: BinaryIO, offset: int) -> bool:
    handle.seek(offset)
    block = handle.read(BLOCK)
    return len(block) == BLOCK and any(block)


def _next_header(handle: BinaryIO, offset: int) -> int | None:
    handle.seek(offset)
    while len(block := handle.read(BLOCK)) == BLOCK:
        if block[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC:
            with contextlib.suppress(tarfile.TarError, ValueError):  # its sum of bytes is checked too
                tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                return offset
        offset += BLOCK
    return None


def _add(index: TarIndex, info: tarfile.TarInfo | None) -> None:
    if info is None or not info.isfile():
        return
    if info.issparse():
        index.problems.append(f"{info.name} is stored with holes (sparse), which is not read")
    elif info.size > IMAGE_LIMIT:
        most = in_words(IMAGE_LIMIT)
        index.problems.append(f"{info.name} holds {in_words(info.size)}, and {most} is the most that is read")
    else:
        key, suffix = split_name(info.name)
        group = index.samples.setdefault(key, {})
        if suffix in group:
            index.problems.append(f"a second {info.name}: the first is used")
        else:
            group[suffix] = Member(info.offset_data, info.size)


def _check_end(tar: tarfile.TarFile, handle: BinaryIO, index: TarIndex, size: int) -> None:
    """Look at what follows the last member.

    A copy into a file of full length that was stopped ends in zeros, as a tar does, but in more of them.  Records of
    more than 20 blocks (`tar -b`) end so too, hence the doubt; what was put behind a tar is not read.
    """
    if index.problems and index.problems[-1].startswith("cut short"):
        return
    handle.seek(tar.offset)
    end, length = handle.read(LONGEST_END), size - tar.offset
    if length < BLOCK:
        index.problems.append(f"cut short after {size} bytes: the end mark is missing")
    elif length > LONGEST_END or any(end):
        what = "other data" if any(end) else "more zeros than a tar needs"
        index.doubt = f"{what} from byte {tar.offset} on: a copy that was stopped, or several tars in one file"


def _drop_half(index: TarIndex) -> None:
    """Leave out the last sample of a tar that was cut short, unless it has as many files as the one before."""
    if not index.problems or not index.problems[-1].startswith("cut short") or not index.samples:
        return
    *before, last = list(index.samples)[-2:]
    if not before or len(index.samples[last]) < len(index.samples[before[0]]):
        del index.samples[last]


def split_name(name: str) -> tuple[str, str]:
    """Split a member's name at the first dot of its last part: "a/b.seg.png" -> ("a/b", "seg.png")."""
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()
