"""Changes of files that can be taken back: moved, copied and written, each one noted before it is made.

    with Reversible(folder / "changes") as changes:       # journal.jsonl; in kept/, what was replaced
        changes.move(Path("a.jpg"), Path("Sorted/a.jpg"))
        changes.write(Path("a.xmp"), data)
    back = take_back(folder / "changes")                  # newest first: TakenBack(done, failed)

A process may be killed at any moment: `Reversible` and `take_back` on the same journal first settle what was under
way, by what lies on the disk.  No file is replaced but by `write`, which keeps what was there, and no content is ever
only in memory.  A file is recognised by its content; folders that were made go when they are empty.  Links are moved
themselves, and say what they said.  Does not know what is changed, or why.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wordsight.base import disk, no_replace
from wordsight.base.change_journal import KEPT, ChangeJournal, ChangeKind, NotedChange, open_journal
from wordsight.base.change_steps import (
    keep,
    lies_at,
    missing_folders,
    overwrite,
    remove_drafts,
    remove_folders,
    settle,
    sha256_there,
    transfer,
)
from wordsight.base.errors import InputError, StorageError, WordsightError
from wordsight.base.files import beside, require_file, sha256_bytes, storage_errors, sweep
from wordsight.base.reading import sha256_file


@dataclass(slots=True)
class TakenBack:
    """Where files are again as before, newest change first, and what was left alone: the path and the reason.

    What a change made and others deleted since is in neither.
    """

    done: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)


class Reversible:
    """Changes files and notes each change in the journal of a folder first; a context, used by one process at a time.

    A second process gets an `InUse`, a full disk and a missing permission are a `StorageError`; what is wrong with one
    file is an `InputError`, and nothing is changed then.
    """

    def __init__(self, journal: Path) -> None:
        self._folder = journal
        self._stack = contextlib.ExitStack()
        self._opened: ChangeJournal | None = None

    def __enter__(self) -> Self:
        journal = self._opened = self._stack.enter_context(open_journal(self._folder))
        try:
            with storage_errors(journal.folder):
                sweep(journal.folder / KEPT)
            for change in journal.changes.values():
                if change.state == "noted":
                    with storage_errors(change.target):
                        settle(journal, change)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._opened = None
        self._stack.close()

    def move(self, source: Path, target: Path, *, sha256: str = "") -> None:
        """Move a file, or a link itself, to where nothing is, with its mode and time; folders are made as needed.

        With `sha256`, of the content (a link's: of what it leads to), another content is an `InputError`, as are a
        folder, a source that is gone and a target that is there.
        """
        self._transfer("move", source, target, sha256)

    def copy(self, source: Path, target: Path, *, sha256: str = "") -> None:
        """Copy a file, or a link itself, to where nothing is, as `move` does; taken back, the copy is deleted."""
        self._transfer("copy", source, target, sha256)

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, whole or not at all; the content that was there is kept, and its mode stays.

        A link stays, and what it leads to is written.  What has this content already is left alone; what is no regular
        file is an `InputError`.
        """
        require_file(path)
        target = Path(os.path.realpath(path))
        with storage_errors(path):
            before = os.lstat(target) if os.path.lexists(target) else None
            if before is not None and not stat.S_ISREG(before.st_mode):
                raise InputError(f"{path} is no regular file", cure="name a file")
            kept, sha256 = sha256_there(target), sha256_bytes(data)
            if kept == sha256:
                return
            if before is not None:
                keep(self._journal, target, kept)
            change = NotedChange(self._journal.next_number(), "write", target, sha256=sha256, kept=kept)
            if before is not None:
                change.mode, change.mtime_ns = stat.S_IMODE(before.st_mode), before.st_mtime_ns
            with self._making(change):
                overwrite(self._journal, change, data)

    @property
    def _journal(self) -> ChangeJournal:
        assert self._opened is not None, "used outside its `with` block"
        return self._opened

    def _transfer(self, kind: ChangeKind, source: Path, target: Path, sha256: str) -> None:
        source, target = source.absolute(), target.absolute()
        with storage_errors(source):
            content = _content(source, sha256)
            link = os.readlink(source) if source.is_symlink() else None
        with storage_errors(target):
            if os.path.lexists(target):
                raise InputError(f"{target} is already there", cure="choose another name; nothing is replaced")
            require_file(target)
            change = NotedChange(self._journal.next_number(), kind, target, source, sha256=content, link=link)
            with self._making(change):
                try:
                    transfer(self._journal, change, source, target)
                except FileExistsError:
                    raise InputError(f"{target} was written by another process meanwhile", cure="try again") from None
                except FileNotFoundError:
                    if os.path.lexists(source):
                        raise
                    raise _gone(source) from None

    @contextlib.contextmanager
    def _making(self, change: NotedChange) -> Iterator[None]:
        """Note a change, make its folders, and mark what became of it, also where it fails halfway."""
        journal = self._journal
        change.folders = missing_folders(change.target.parent)
        journal.note(change)
        try:
            for folder in change.folders:
                disk.make_folder(folder)
                disk.flush_folder(folder.parent)
            yield
        except BaseException:
            with contextlib.suppress(OSError, WordsightError):  # else whoever opens the journal next settles it
                settle(journal, change)
            raise
        journal.mark(change, "done")


def require_room(error: Exception) -> None:
    """Raise an error again that is no matter of one file: the disk is full, or the quota used up."""
    cause = error.__cause__ if isinstance(error, StorageError) else error
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error


def _gone(source: Path) -> InputError:
    return InputError(f"no file {source}", cure="it was moved or deleted meanwhile")


def _content(source: Path, sha256: str) -> str:
    """Return the SHA-256 of a file that can be moved, "" for a link that leads nowhere; else `InputError`."""
    if not os.path.lexists(source):
        raise _gone(source)
    facts = os.lstat(source)
    if stat.S_ISDIR(facts.st_mode):
        raise InputError(f"{source} is a folder", cure="name the files in it")
    if not stat.S_ISREG(facts.st_mode) and not stat.S_ISLNK(facts.st_mode):
        raise InputError(f"{source} is no regular file", cure="only files and links are moved")
    content = ""
    if stat.S_ISREG(facts.st_mode) or (sha256 and source.is_file()):
        try:
            content = sha256_file(source)
        except OSError as error:
            raise InputError(f"{source} cannot be read: {error.strerror}", cure="check the file") from None
    if sha256 and content != sha256:
        raise InputError(
            f"{source} has another content than expected", cure="it was changed meanwhile; look at it first"
        )
    return content


def take_back(journal: Path) -> TakenBack:
    """Undo the changes of a journal, newest first; what was changed by others since is left alone and named.

    Can be stopped and run again, and does nothing twice: what was left alone is tried again.  Without a journal it
    raises `NotFound`.
    """
    result = TakenBack()
    with open_journal(journal, must_exist=True) as opened:
        changes = list(reversed(opened.changes.values()))
        for change in changes:
            if change.state not in ("noted", "done"):
                continue
            try:
                reason = _take_back(opened, change)
            except (OSError, WordsightError) as error:
                reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            if reason:
                result.failed.append((change.path, reason))
            elif reason is not None:
                result.done.append(change.path)
        for change in changes:
            if change.state == "back":
                remove_folders(change.folders)
    return result


def _take_back(journal: ChangeJournal, change: NotedChange) -> str | None:
    """Undo one change and mark it; returns why it was left alone, "", or None for what was never made, or is gone."""
    if change.state == "noted" and not settle(journal, change):
        return None
    with storage_errors(change.path):
        remove_drafts(change)
        back: dict[ChangeKind, Callable[[ChangeJournal, NotedChange], str | None]] = {
            "move": _move_back, "copy": _delete_copy, "write": _write_back,
        }  # fmt: skip
        reason = back[change.kind](journal, change)
    if not reason:
        journal.mark(change, "back")
    return reason


def _move_back(journal: ChangeJournal, change: NotedChange) -> str:
    source, target = change.source, change.target
    assert source is not None
    here, there = lies_at(change, source), lies_at(change, target)
    if here:
        if there and not no_replace.same_name(source, target):  # a take-back that was stopped, or another's copy of it
            disk.unlink(target)
        return ""
    if not os.path.lexists(target):
        return f"it is no longer at {target}, where it was moved"
    if not there:
        return f"what was moved to {target} was changed since"
    if os.path.lexists(source):
        return f"another file has its name by now; it stays at {target}"
    for folder in missing_folders(source.parent):
        disk.make_folder(folder)
    transfer(journal, change, target, source)
    return ""


def _delete_copy(_: ChangeJournal, change: NotedChange) -> str | None:
    source, target = change.source, change.target
    assert source is not None
    if not os.path.lexists(target):
        return None
    if no_replace.same_name(source, target):
        return ""
    if not lies_at(change, target):
        return f"its copy {target} was changed since"
    if not lies_at(change, source):
        return f"it is gone or was changed since, so its copy {target} is kept"
    disk.unlink(target)
    return ""


def _write_back(journal: ChangeJournal, change: NotedChange) -> str | None:
    target, now = change.target, sha256_there(change.target)
    if now == change.kept:
        return "" if now else None
    kept = journal.kept(change.kept)
    where = f"; what it replaced is in {kept}" if change.kept else ""
    if now != change.sha256:
        return f"it was {'changed' if now else 'deleted'} since{where}"
    if not change.kept:
        disk.unlink(target)
        return ""
    draft = beside(target, "part")
    journal.note_draft(change, draft)
    no_replace.copy(kept, draft, change.kept)
    no_replace.stamp(draft, mode=change.mode, mtime_ns=change.mtime_ns)
    disk.replace(draft, target)
    disk.flush_folder(target.parent)
    return ""
