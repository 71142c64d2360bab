"""Reading files that somebody else made: regular files only, within a limit.

    data = read_file(path, limit=IMAGE_LIMIT)      # bytes
    text = read_text(path)                         # UTF-8, or UTF-16 with its mark; a byte order mark is left out
    with open_regular(path) as handle: ...         # for what is read in parts

A named pipe without a writer blocks whoever opens it, and a device may never end: neither is opened, whatever its
name.  What cannot be read is an `OSError` as from `open`, whose `strerror` says why in words, so callers that turn
errors of the file system into their own need nothing further.
"""

import codecs
import errno
import hashlib
import io
import os
import re
import stat
from typing import BinaryIO

MEGABYTE = 1_000_000
TEXT_LIMIT = 64 * MEGABYTE  # of one text, caption, template or configuration file in bytes
IMAGE_LIMIT = 512 * MEGABYTE  # of the file of one image; larger ones are videos or archives with another's name
_BLOCK = 1 << 20  # bytes hashed at a time
POINTER = b"version https://git-lfs.github.com/spec/"  # what Git LFS leaves in place of a large file (docs/spec.md)
LONGEST_POINTER = 1024  # bytes, by the same specification
POINTER_WORDS = "it is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository"
_KINDS = (
    (stat.S_ISDIR, errno.EISDIR, "it is a folder"),
    (stat.S_ISFIFO, errno.EINVAL, "it is a named pipe, not a file"),
    (stat.S_ISSOCK, errno.EINVAL, "it is a socket, not a file"),
    (stat.S_ISCHR, errno.EINVAL, "it is a device, not a file"),
    (stat.S_ISBLK, errno.EINVAL, "it is a device, not a file"),
)
_INHERITED = re.compile(r"/dev/stdin|(?:/dev|/proc/self)/fd/\d+")  # what a shell passes on, as with <(command)


def open_regular(path: str | os.PathLike[str], *, limit: int | None = None) -> BinaryIO:
    """Open a regular file for reading bytes, or a link to one; `limit` is the most bytes it may hold.

    Raises `OSError` for whatever else lies there, without opening it.
    """
    try:
        _require_regular(os.stat(path), path, limit)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
        handle = open(path, "rb", opener=lambda name, _: os.open(name, flags))  # noqa: SIM115 - the caller's to close
    except ValueError as error:  # a zero byte in the name, or letters that the file system cannot write
        raise OSError(errno.EINVAL, f"its name cannot be one of a file ({error})", str(path)) from None
    try:
        _require_regular(os.fstat(handle.fileno()), path, limit)  # another thing may lie there by now
    except BaseException:
        handle.close()
        raise
    return handle


def read_file(path: str | os.PathLike[str], *, limit: int = TEXT_LIMIT) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; see `open_regular`."""
    with open_regular(path, limit=limit) as handle:
        return _read(handle, path, limit)


def read_text(path: str | os.PathLike[str], *, encoding: str = "utf-8-sig", limit: int = TEXT_LIMIT) -> str:
    """Return a text file with its lines ending in a newline; what is not in the encoding is a `UnicodeDecodeError`."""
    return _as_text(read_file(path, limit=limit), encoding)


def read_argument(path: str | os.PathLike[str], *, limit: int = TEXT_LIMIT) -> str:
    """Return the text of a file that a command line names: as `read_text`, or what a shell hands over.

    That is `/dev/stdin` and what `<(command)` stands for: the shell has opened them, so reading ends when their
    writer does.  Named pipes are refused here too.
    """
    if not _INHERITED.fullmatch(os.fspath(path)):
        return read_text(path, limit=limit)
    with open(path, "rb") as handle:
        return _as_text(_read(handle, path, limit), "utf-8-sig")


def refuse_pointer(path: str | os.PathLike[str]) -> None:
    """Raise `OSError` for a Git LFS pointer; for files that are not read whole."""
    if os.stat(path).st_size <= LONGEST_POINTER:
        read_file(path, limit=LONGEST_POINTER)


def sha256_file(path: str | os.PathLike[str], *, limit: int | None = None) -> str:
    """Return the hexadecimal SHA-256 of a regular file, read in parts; of what it held when it was opened."""
    digest = hashlib.sha256()
    with open_regular(path, limit=limit) as handle:
        left = os.fstat(handle.fileno()).st_size
        while left and (block := handle.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def in_words(size: int) -> str:
    """Return a number of bytes as people write it: "2.0 GB"."""
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} GB"


def _require_regular(facts: os.stat_result, path: str | os.PathLike[str], limit: int | None) -> None:
    for is_kind, number, words in _KINDS:
        if is_kind(facts.st_mode):
            raise OSError(number, words, os.fspath(path))
    if limit is not None and facts.st_size > limit:
        _refuse_size(facts.st_size, path, limit)


def _refuse_size(size: int, path: str | os.PathLike[str], limit: int) -> None:
    words = f"it holds {in_words(size)}, and {in_words(limit)} is the most that is read"
    raise OSError(errno.EINVAL, words, os.fspath(path))


def _read(handle: BinaryIO, path: str | os.PathLike[str], limit: int) -> bytes:
    data = handle.read(limit + 1)
    if len(data) > limit:  # it has grown since, or has no size of its own
        _refuse_size(len(data), path, limit)
    if data.startswith(POINTER) and len(data) <= LONGEST_POINTER:
        raise OSError(errno.EINVAL, POINTER_WORDS, os.fspath(path))
    return data


def _as_text(data: bytes, encoding: str) -> str:
    if encoding == "utf-8-sig" and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding).read()
