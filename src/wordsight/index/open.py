"""From a library's folder to its index: one table, each row imported when used.

    backend = backend_of(folder)                 # the kind that is recorded in the folder, "exact" where none is
    index = backend.open(folder, fingerprint=fingerprint, width=512)

A new kind of index is one file and one row of `INDEXES`; the conformance test runs over every row.  `exact` is the
truth that faster ones are measured against, `memory` the small one for tests and throw-away use.  A row is a function,
not the name of one, so that the type checker proves that what it returns is a `Backend`.
"""

from collections.abc import Callable
from pathlib import Path

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.files import read_json, sweep, write_json
from wordsight.index.index import Backend

DEFAULT = "exact"
RECORD = "library.json"  # in the library's folder: {"index": the kind}; libraries of "exact" are without it


def _exact() -> Backend:
    from wordsight.index.exact import ExactIndex

    return ExactIndex


def _memory() -> Backend:
    from wordsight.index.memory import MemoryIndex

    return MemoryIndex


INDEXES: dict[str, Callable[[], Backend]] = {"exact": _exact, "memory": _memory}


def backend_of(folder: Path, wanted: str | None = None) -> Backend:
    """Return the kind of index that the library in `folder` has, or will have: `wanted`, or the default.

    Raises `UsageError` where another kind is recorded than wanted, or none is called so.
    """
    kind = recorded(folder)
    if wanted is not None and wanted not in INDEXES:
        raise UsageError(f"no index {wanted!r}", cure=f"use one of {', '.join(INDEXES)}")
    if None not in (kind, wanted) and kind != wanted:
        raise UsageError(
            f"the library in {folder} has the index {kind!r}, not {wanted!r}",
            cure="leave the index out, or delete the library first",
        )
    return INDEXES[kind or wanted or DEFAULT]()


def record(folder: Path, wanted: str | None) -> None:
    """Write down which kind of index the library in `folder` is about to have, unless that is recorded already."""
    sweep(folder)
    if wanted is not None and wanted != DEFAULT and recorded(folder) is None:
        write_json(folder / RECORD, {"index": wanted})


def record_anew(folder: Path, wanted: str | None) -> None:
    """Do what `record` does for a library that is about to be made again; a damaged record is replaced."""
    try:
        recorded(folder)
    except FormatError:
        (folder / RECORD).unlink()
    record(folder, wanted)


def recorded(folder: Path) -> str | None:
    """Return the kind of index that is recorded in `folder`, or None; a kind not in the table raises `FormatError`."""
    path = folder / RECORD
    if not path.is_file():
        return DEFAULT if (folder / "library.db").is_file() else None
    anew = "build the library again with wordsight index PLACE --rebuild"
    try:
        content = read_json(path)
    except FormatError as error:
        raise FormatError(error.problem, cure=f"restore the file, or {anew}") from None
    kind = content.get("index") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in INDEXES:
        raise FormatError(
            f"{path} names the index {kind!r}, this program has {', '.join(INDEXES)}",
            cure=f"update wordsight, or {anew}",
        )
    return kind


def delete(folder: Path) -> None:
    """Delete the index of the library in `folder`, of whatever kind, and what is recorded of it."""
    for row in INDEXES.values():
        row().delete(folder)
    (folder / RECORD).unlink(missing_ok=True)
    sweep(folder)
