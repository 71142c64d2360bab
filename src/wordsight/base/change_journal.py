"""The journal of changes of files: what was about to be done, as JSON lines, and what became of it.

    with open_journal(folder) as journal:
        journal.note(NotedChange(journal.next_number(), "move", target=..., source=..., sha256=...))   # on the disk now
        journal.mark(change, "done")

`folder/journal.jsonl` has a line for each change before it is made, `{"change": 1, "kind": "move", ...}`, one for each
draft it writes, and one for what became of it, `{"change": 1, "state": "done"}`.  A last line that a killed process cut
short is dropped: what it was to note had not begun.  One process at a time.  Does not know how a change is made.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, Literal, get_args

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import storage_errors
from wordsight.base.records import locked

NAME, LOCK, KEPT = "journal.jsonl", "lock", "kept"
ChangeKind = Literal["move", "copy", "write"]
_NOTED = ("kind", "target", "source", "sha256", "link", "kept", "mode", "mtime_ns", "folders")  # fields of a change
ChangeState = Literal["noted", "done", "dropped", "back"]  # dropped: it was not made; back: it was made and put back


@dataclass(slots=True)
class NotedChange:
    """One change of one file.  Paths are absolute; a file is recognised by its content.

    `sha256` is what lies at `target` after it; `link` what a link says that was moved.  `kept` is the SHA-256 of what a
    write replaced, in the journal's folder ("" where there was nothing), with its mode and time.  `folders` were to be
    made, outermost first.  `drafts` are files that may be left of a process that was killed.
    """

    number: int
    kind: ChangeKind
    target: Path
    source: Path | None = None
    sha256: str = ""
    link: str | None = None
    kept: str = ""
    mode: int = 0
    mtime_ns: int = 0
    folders: list[Path] = field(default_factory=list)
    drafts: list[Path] = field(default_factory=list)
    state: ChangeState = "noted"

    @property
    def path(self) -> Path:
        """Where the file was before the change."""
        return self.source or self.target


class ChangeJournal:
    """The changes of a journal in their order, and the open file; made by `open_journal`."""

    def __init__(self, folder: Path, changes: dict[int, NotedChange], handle: FileIO) -> None:
        self.folder = folder
        self.changes = changes
        self._handle = handle

    def next_number(self) -> int:
        """Return the number of the next change: from 1."""
        return max(self.changes, default=0) + 1

    def note(self, change: NotedChange) -> None:
        """Write down a change that is about to be made; it is on the disk when this returns."""
        fields = {name: _plain(getattr(change, name)) for name in _NOTED}
        self._append({"change": change.number, **fields}, flush=True)
        self.changes[change.number] = change

    def note_draft(self, change: NotedChange, draft: Path) -> None:
        """Write down a file that is about to be written on the way; it is on the disk when this returns."""
        change.drafts.append(draft)
        self._append({"change": change.number, "draft": str(draft)}, flush=True)

    def mark(self, change: NotedChange, state: ChangeState) -> None:
        """Write down what became of a change; it is on the disk with the next note, or when the journal is closed."""
        self._append({"change": change.number, "state": state}, flush=False)
        change.state = state

    def kept(self, sha256: str) -> Path:
        """Return where content is kept that a write replaced."""
        return self.folder / KEPT / sha256

    def flush(self) -> None:
        """Wait until all is on the disk."""
        disk.flush(self._handle.fileno(), self.folder / NAME)

    def _append(self, record: dict[str, Any], *, flush: bool) -> None:
        """Append a line, or nothing of it where the disk has no room."""
        line = f"{json.dumps(record)}\n".encode()  # ASCII: bytes of names that are no UTF-8 are escaped, and read back
        with storage_errors(self.folder / NAME):
            end = os.fstat(self._handle.fileno()).st_size
            try:
                disk.write(self._handle, memoryview(line), self.folder / NAME)
                if flush:
                    self.flush()
            except BaseException:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle.fileno(), end)
                raise


@contextlib.contextmanager
def open_journal(folder: Path, *, must_exist: bool = False) -> Iterator[ChangeJournal]:
    """Open the journal in `folder` for one process; another one gets an `InUse`.

    With `must_exist`, one that is not there is `NotFound`.  A wrong line, other than at the end, is a `FormatError`.
    """
    folder = folder.absolute()
    path = folder / NAME
    if must_exist and not path.is_file():
        raise NotFound(f"no journal of changes in {folder}", cure="check the path")
    with storage_errors(folder):
        disk.make_folder(folder)
    with locked(folder / LOCK, wait=False):
        with storage_errors(path):
            new = not path.exists()
            if new:
                disk.announce("create", path)
            handle = FileIO(path, "ab+")
        with handle:
            changes = _read(handle, path)
            if new:
                with storage_errors(path):
                    disk.flush_folder(folder)
            journal = ChangeJournal(folder, changes, handle)
            try:
                yield journal
            finally:
                with storage_errors(path):
                    journal.flush()


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _read(handle: FileIO, path: Path) -> dict[int, NotedChange]:
    """Return the changes of a journal, and cut off what a kill, or a crash of the machine, left at its end."""
    handle.seek(0)
    lines = handle.readall().split(b"\n")
    records = [_record(line) for line in lines[:-1]]  # behind the last end of a line is nothing, or half a line
    whole = len(records)
    while whole and records[whole - 1] is None:
        whole -= 1
    end = sum(len(line) + 1 for line in lines[:whole])
    if end < sum(len(line) + 1 for line in lines) - 1:
        with storage_errors(path):
            handle.truncate(end)
    changes: dict[int, NotedChange] = {}
    for number, record in enumerate(records[:whole], start=1):
        try:
            _apply(record or {}, changes)
        except (KeyError, TypeError, ValueError):
            raise FormatError(
                f"{path}, line {number}, is not what a journal holds", cure="mend that line; nothing was changed"
            ) from None
    return changes


def _record(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(line)
        if isinstance(record, dict):
            return record
    return None


def _apply(record: dict[str, Any], changes: dict[int, NotedChange]) -> None:
    """Add what one line says to the changes; whatever it lacks is one of the three errors of a wrong line."""
    number = int(record["change"])
    if "draft" in record:
        changes[number].drafts.append(Path(record["draft"]))
    elif "state" in record:
        changes[number].state = _one_of(record["state"], ChangeState)
    else:
        link, source = record["link"], record["source"]
        changes[number] = NotedChange(
            number=number,
            kind=_one_of(record["kind"], ChangeKind),
            target=Path(record["target"]),
            source=None if source is None else Path(source),
            sha256=str(record["sha256"]),
            link=None if link is None else str(link),
            kept=str(record["kept"]),
            mode=int(record["mode"]),
            mtime_ns=int(record["mtime_ns"]),
            folders=[Path(folder) for folder in record["folders"]],
        )


def _one_of(value: Any, names: Any) -> Any:
    if value not in get_args(names):
        raise ValueError(value)
    return value
