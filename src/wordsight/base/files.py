"""Files that are either whole or not there, hashes, and JSON."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from wordsight.base.errors import FormatError, NotFound, StorageError

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the largest size of a file is reached",
    errno.EROFS: "the disk is read-only",
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk met while writing `path` into a `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _STORAGE:
            raise StorageError(
                f"{_STORAGE[error.errno]} while writing {path}",
                cure="free room or choose another place; what was finished before is kept",
            ) from error
        if isinstance(error, PermissionError):
            raise StorageError(f"no permission to write {path}", cure="choose a place you may write to") from error
        if isinstance(error, NotADirectoryError | FileExistsError):
            place = error.filename or path
            raise StorageError(f"{place} is a file, not a folder", cure="choose another place") from error
        raise


def runs(number: str) -> bool:
    """Say whether a process of this number runs, which drafts are named for; where nobody can know, that it does."""
    processes = Path("/proc")
    return not (processes / "self").exists() or (processes / number).exists()


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path` and rename it into place when the block ends well.

    Readers see the old file or the whole new one, never a part.  The data is flushed to the disk
    before the rename.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path, "w") as handle:
        json.dump(value, handle, indent=2, ensure_ascii=False)
        handle.write("\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; missing or malformed files raise `NotFound` or `FormatError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"no file {path}", cure="check the path") from None
    except (ValueError, RecursionError) as error:  # also numbers of too many digits, and lists in lists without end
        raise FormatError(f"{path} is not JSON: {error}", cure="restore or make the file again") from None


def sha256_bytes(*parts: bytes) -> str:
    """Return the hexadecimal SHA-256 of the parts, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
