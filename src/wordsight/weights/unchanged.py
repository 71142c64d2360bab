"""Are the files of a model those it was made with?  What was looked at is remembered, so that each is read once.

    check_recorded(folder, files, "onnx/text.int8.onnx")     # `FormatError` where the file is another
    digest_of(path)                                          # SHA-256, remembered by inode, size and times of change

The notes lie in the cache; where it cannot be written, files are read again each time.  Knows no model.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from wordsight.base.cache import cache_folder
from wordsight.base.errors import FormatError, StorageError, UsageError
from wordsight.base.files import sha256_bytes
from wordsight.base.reading import sha256_file

NOTES = "seen"  # the folder in the cache
RESTORE = "restore it, or fetch, convert or export the model again"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return remembered(path, "sha256", lambda: sha256_file(path))


def check_recorded(folder: Path, files: Mapping[str, str], name: str) -> None:
    """Raise `FormatError` where a file of a model is another than its model.json records, if it is recorded."""
    if name in files and (folder / name).is_file() and digest_of(folder / name) != files[name]:
        raise FormatError(f"{folder / name} is not the file that the model was made with", cure=RESTORE)


def remembered(path: Path, what: str, compute: Callable[[], str]) -> str:
    """Return what `compute` says of a file, from the notes as long as the file stays the same."""
    return _kept(_note(path, what), compute)


def remembered_of(digest: str, what: str, compute: Callable[[], str]) -> str:
    """Do as `remembered` for every file with this content."""
    return _kept(_named(f"{digest} {what}"), compute)


def _kept(note: Path | None, compute: Callable[[], str]) -> str:
    with contextlib.suppress(OSError):
        return note.read_text(encoding="utf-8") if note is not None else compute()
    result = compute()
    if note is not None:
        with contextlib.suppress(OSError, StorageError):
            note.parent.mkdir(parents=True, exist_ok=True)
            draft = note.with_name(f"{note.name}.{hashlib.sha256(result.encode()).hexdigest()[:8]}")
            draft.write_text(result, encoding="utf-8")
            draft.replace(note)
    return result


def _note(path: Path, what: str) -> Path | None:
    facts = path.stat()
    stamp = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, what)
    return _named(repr(stamp))


def _named(facts: str) -> Path | None:
    with contextlib.suppress(UsageError):  # no home folder
        return cache_folder() / NOTES / sha256_bytes(facts.encode())[:24]
    return None
