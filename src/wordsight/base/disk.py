"""Every call that changes what lies on the disk, through one seam.

    disk.write(handle, data, path)
    disk.replace(draft, path)

A test that is told of each call before it happens can stop a process there, or fail it: `watched`.  Knows no format.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

Before = Callable[[str, Path], None]  # is told what is about to be done (write, flush, rename, …) and to which path
_watchers: list[Before] = []
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)  # network disks; a folder that one may not list


@contextlib.contextmanager
def watched(before: Before) -> Iterator[None]:
    """Call `before` ahead of every call of this process for as long as the block runs; what it raises is raised."""
    _watchers.append(before)
    try:
        yield
    finally:
        _watchers.remove(before)


def announce(call: str, path: Path) -> None:
    """Tell who watches of a call that is about to be made elsewhere."""
    for before in _watchers:
        before(call, path)


def write(handle: FileIO, data: memoryview, path: Path) -> None:
    """Write all bytes of `data` where the unbuffered `handle` stands; watched, in two halves."""
    middle = len(data) // 2 if _watchers else 0
    for part in filter(len, (data[:middle], data[middle:])):
        announce("write", path)
        while len(part):
            part = part[handle.write(part) :]


def flush(descriptor: int, path: Path) -> None:
    """Wait until what was written to an open file is on the disk."""
    announce("flush", path)
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
    announce("flush", folder)
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def replace(source: Path, target: Path) -> None:
    """Rename a file over another, or to where there is none."""
    announce("rename", target)
    os.replace(source, target)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder to where there is none, or an empty folder."""
    announce("rename", target)
    source.rename(target)


def link(source: Path, target: Path) -> None:
    """Give a file, or a link itself, a second name where there is none; `FileExistsError` where there is one."""
    announce("link", target)
    os.link(source, target, follow_symlinks=False)


def symlink(text: str, target: Path) -> None:
    """Make a link where there is nothing."""
    announce("symlink", target)
    os.symlink(text, target)


def unlink(path: Path, *, missing_ok: bool = False) -> None:
    """Delete a file."""
    announce("unlink", path)
    path.unlink(missing_ok=missing_ok)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where there is none."""
    if not path.is_dir():
        announce("mkdir", path)
        path.mkdir(parents=True, exist_ok=True)


def remove_folder(folder: Path) -> None:
    """Delete an empty folder."""
    announce("rmdir", folder)
    folder.rmdir()


def execute(connection: "sqlite3.Connection", statement: str, path: Path) -> None:
    """Execute a statement that makes changes of the database at `path` permanent."""
    announce(statement.partition(" ")[0], path)
    connection.execute(statement)
