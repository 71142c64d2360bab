"""The members of a tar file with their offsets, so that any sample can be read without reading what lies before it.

Only headers are read to make an index.  A tar that was cut short gives the members that are whole, and says so.
"""

import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.errors import InputError

BLOCK = 512  # bytes; POSIX.1-1988 ustar


@dataclass(frozen=True, slots=True)
class Member:
    """Where the content of one file lies in the tar, in bytes."""

    offset: int
    size: int


@dataclass(slots=True)
class TarIndex:
    """Samples of one tar in order of first appearance: key -> suffix -> member; and what was wrong with the tar."""

    samples: dict[str, dict[str, Member]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_index(path: Path) -> TarIndex:
    """Index a tar.  Raises `InputError` when it cannot be opened or is no tar at all."""
    index = TarIndex()
    try:
        size = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            _read_members(tar, index, size)
            _check_end(tar, index, path, size)
        _drop_half(index)
    except FileNotFoundError:
        raise InputError(f"no shard {path}", cure="check the path") from None
    except tarfile.TarError as error:
        raise InputError(f"{path} is not a tar file: {error}", cure="make the shard again") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", cure="check the disk and the permissions"
        ) from None
    return index


def _read_members(tar: tarfile.TarFile, index: TarIndex, size: int) -> None:
    while True:
        try:
            info = tar.next()
        except tarfile.TarError as error:
            index.problems.append(f"cut short after {tar.offset} bytes: {error}")
            return
        if info is None:
            return
        tar.members.clear()  # type: ignore[attr-defined]  # keeps memory flat over large shards
        if not info.isfile():
            continue
        if info.offset_data + info.size > size:
            index.problems.append(f"cut short inside {info.name}")
            return
        key, suffix = split_name(info.name)
        group = index.samples.setdefault(key, {})
        if suffix in group:
            index.problems.append(f"a second {info.name}: the first is used")
        else:
            group[suffix] = Member(info.offset_data, info.size)


def _check_end(tar: tarfile.TarFile, index: TarIndex, path: Path, size: int) -> None:
    if index.problems and index.problems[-1].startswith("cut short"):
        return
    with open(path, "rb") as handle:
        handle.seek(tar.offset)
        block = handle.read(BLOCK)
    if len(block) < BLOCK:
        index.problems.append(f"cut short after {size} bytes: the end mark is missing")
    elif any(block):
        index.problems.append(f"damaged at byte {tar.offset}: what follows is lost")


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
