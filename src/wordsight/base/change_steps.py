"""The steps of a noted change, and what a stop between two of them leaves: how a change of a file is made and settled.

    transfer(journal, change, source, target)      # moves or copies
    overwrite(journal, change, data)               # writes
    settle(journal, change)                        # of a change that was stopped: finishes it, or undoes what it began

Whatever can be seen on the disk decides: a file is recognised by its content.  Used by `reversible.py` alone.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path

from wordsight.base import disk, no_replace
from wordsight.base.change_journal import ChangeJournal, NotedChange
from wordsight.base.errors import InputError, StorageError
from wordsight.base.files import beside
from wordsight.base.reading import sha256_file


def transfer(journal: ChangeJournal, change: NotedChange, source: Path, target: Path) -> None:
    """Bring what a change is about from one path to another one, across disks too; `FileExistsError` replaces nothing.

    A draft is noted before it is written.  A copy leaves the source.
    """
    if change.kind == "move":
        try:
            with _source_named(source):
                no_replace.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            return
    draft = beside(target, "part")
    journal.note_draft(change, draft)
    if change.link is not None:
        no_replace.copy_link(source, draft)
    else:
        no_replace.copy(source, draft, change.sha256)
    no_replace.name(draft, target)
    disk.unlink(draft, missing_ok=True)
    if change.kind == "move" and os.path.lexists(source):
        if not lies_at(change, source):
            raise InputError(f"{source} was changed while it was moved", cure=f"the earlier content is in {target}")
        with _source_named(source):
            no_replace.remove_one(source, target)


@contextlib.contextmanager
def _source_named(source: Path) -> Iterator[None]:
    """Raise `StorageError` with the folder that a file may not be taken from, where that and no other one refuses."""
    try:
        yield
    except PermissionError as error:
        removing = error.filename2 is None and error.filename is not None and Path(error.filename) == source
        if not removing and os.access(source.parent, os.W_OK | os.X_OK):
            raise
        raise StorageError(
            f"no permission to write {source.parent}, which {source.name} has to leave",
            cure="allow yourself to write there",
        ) from error


def overwrite(journal: ChangeJournal, change: NotedChange, data: bytes) -> None:
    """Write a file, whole or not at all, with the mode of what it replaces; `InputError` if that was changed since."""
    target = change.target
    draft = beside(target, "part")
    journal.note_draft(change, draft)
    disk.announce("create", draft)
    with FileIO(draft, "xb") as handle:
        disk.write(handle, memoryview(data), draft)
        disk.flush(handle.fileno(), draft)
    if change.kept:
        no_replace.stamp(draft, mode=change.mode, mtime_ns=os.stat(draft).st_mtime_ns)
        if sha256_there(target) != change.kept:
            raise InputError(f"{target} was changed meanwhile", cure="try again")
        disk.replace(draft, target)
        disk.flush_folder(target.parent)
        return
    try:
        no_replace.name(draft, target)
    except FileExistsError:
        raise InputError(f"{target} was written by another process meanwhile", cure="try again") from None
    disk.unlink(draft, missing_ok=True)


def keep(journal: ChangeJournal, path: Path, sha256: str) -> None:
    """Keep the content of a file in the journal's folder; what is kept already stays."""
    kept = journal.kept(sha256)
    if kept.is_file() and sha256_file(kept) == sha256:
        return
    disk.make_folder(kept.parent)
    draft = beside(kept, "part")
    try:
        no_replace.copy(path, draft, sha256)
        disk.replace(draft, kept)
    finally:
        disk.unlink(draft, missing_ok=True)
    disk.flush_folder(kept.parent)


def settle(journal: ChangeJournal, change: NotedChange) -> bool:
    """Bring a change that was stopped to its end, or to where it began; mark it so, and return whether it is made.

    What others did meanwhile stays; `take_back` names it.
    """
    remove_drafts(change)
    made = sha256_there(change.target) != change.kept if change.kind == "write" else _is_moved(change)
    journal.mark(change, "done" if made else "dropped")
    if not made:
        remove_folders(change.folders)
    return made


def _is_moved(change: NotedChange) -> bool:
    """Say whether what a change moves or copies is at its target; removes the source if a move stopped before that."""
    source, target = change.source, change.target
    assert source is not None
    here, there = lies_at(change, source), lies_at(change, target)
    if not there:
        return not here  # it lies at neither: others have it, as `take_back` says
    if here and no_replace.same_name(source, target):
        return False
    if here and change.kind == "move" and (change.drafts or no_replace.second_name(source, target)):
        try:
            no_replace.remove_one(source, target)
        except PermissionError:
            return False
        return True
    return not here or bool(change.drafts)  # the same content at a target that was never written is somebody else's


def lies_at(change: NotedChange, path: Path) -> bool:
    """Say whether what a change moves or copies lies at a path: the same content, or a link that says the same."""
    if not os.path.lexists(path):
        return False
    mode = os.lstat(path).st_mode
    if change.link is not None:
        return stat.S_ISLNK(mode) and os.readlink(path) == change.link
    return stat.S_ISREG(mode) and sha256_file(path) == change.sha256


def sha256_there(path: Path) -> str:
    """Return the SHA-256 of a file; "" where nothing is, and a word that is none where no file is."""
    if not os.path.lexists(path):
        return ""
    return sha256_file(path) if stat.S_ISREG(os.lstat(path).st_mode) else "no file"


def missing_folders(folder: Path) -> list[Path]:
    """Return which of a folder and those above it are not there, outermost first."""
    missing: list[Path] = []
    while not os.path.lexists(folder):
        missing.insert(0, folder)
        folder = folder.parent
    return missing


def remove_drafts(change: NotedChange) -> None:
    """Delete the files that a change wrote on the way and that are still there."""
    for draft in change.drafts:
        if os.path.lexists(draft):
            disk.unlink(draft, missing_ok=True)


def remove_folders(folders: Iterable[Path]) -> None:
    """Delete folders that are empty, the last one first; others stay."""
    for folder in reversed(list(folders)):
        with contextlib.suppress(OSError):  # it is gone, or not empty any more, or not ours to delete
            if not any(folder.iterdir()):
                disk.remove_folder(folder)
