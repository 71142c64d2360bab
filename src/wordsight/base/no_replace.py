"""A file gets another name, on its disk or another one, and never the name of a file that is there.

    rename(source, target)                      # FileExistsError; OSError with errno.EXDEV on another disk
    copy(source, draft, sha256)                 # whole, flushed, checked, with its mode and time
    name(draft, target)                         # FileExistsError

On one disk a second name is made and the first one removed: unlike a rename, that replaces nothing.  On disks without
second names (FAT, some network disks) the target is looked at and the file is renamed: what another process puts there
between the two is replaced where the system's rename replaces.  Does not know journals.
"""

import contextlib
import errno
import hashlib
import os
import stat
from io import FileIO
from pathlib import Path

from wordsight.base import disk
from wordsight.base.errors import InputError
from wordsight.base.reading import open_regular, sha256_file

_NO_SECOND_NAMES = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_BLOCK = 1 << 20  # bytes copied at a time


def rename(source: Path, target: Path) -> None:
    """Rename a file, or a link itself, on its disk; `FileExistsError` where something lies at `target`."""
    name(source, target)
    if os.path.lexists(source) and second_name(source, target):
        remove_one(source, target)


def remove_one(source: Path, target: Path) -> None:
    """Delete the first of two that hold the same; where that is not allowed the second, and the error is raised."""
    try:
        disk.unlink(source, missing_ok=True)
    except OSError:
        disk.unlink(target)
        raise


def name(source: Path, target: Path) -> None:
    """Give a file a second name, or the name instead of its own where the disk has no second ones."""
    try:
        disk.link(source, target)
    except NotImplementedError:  # links to links, on some systems
        _rename(source, target)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        _rename(source, target)
    disk.flush_folder(target.parent)


def _rename(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    disk.rename(source, target)


def second_name(source: Path, target: Path) -> bool:
    """Say whether two paths are two names of one file: removing one leaves the other.

    Two ways to one name, through a link to a folder or in letters of another case, are not.
    """
    one, other = os.lstat(source), os.lstat(target)
    return os.path.samestat(one, other) and one.st_nlink > 1 and not same_name(source, target)


def same_name(source: Path, target: Path) -> bool:
    """Say whether two paths lead to one name in one folder."""
    if not os.path.lexists(source) or not os.path.lexists(target):
        return False
    one, other = os.lstat(source), os.lstat(target)
    if not os.path.samestat(one, other):
        return False
    in_one_folder = os.path.realpath(source.parent) == os.path.realpath(target.parent)
    return (in_one_folder and source.name == target.name) or (one.st_nlink == 1 and one.st_ino != 0)


def copy(source: Path, draft: Path, sha256: str) -> None:
    """Write the content of a file to a new one, with its mode and time, flushed and read again.

    `InputError` where it is not the expected content, or the disk does not give back what was written.
    """
    digest = hashlib.sha256()
    disk.announce("create", draft)
    with open_regular(source) as reading, FileIO(draft, "xb", opener=_private) as handle:
        facts = os.fstat(reading.fileno())
        while block := reading.read(_BLOCK):
            digest.update(block)
            disk.write(handle, memoryview(block), draft)
        disk.flush(handle.fileno(), draft)
    if digest.hexdigest() != sha256:
        raise InputError(f"{source} has another content than expected", cure="it was changed meanwhile; try again")
    if sha256_file(draft) != sha256:
        raise InputError(f"{draft.parent} does not give back what was written to it", cure="check the disk")
    stamp(draft, mode=stat.S_IMODE(facts.st_mode), mtime_ns=facts.st_mtime_ns)


def copy_link(source: Path, draft: Path) -> None:
    """Make a link that says what another one says, with its time."""
    mtime_ns = os.lstat(source).st_mtime_ns
    disk.symlink(os.readlink(source), draft)
    with contextlib.suppress(PermissionError, NotImplementedError):
        os.utime(draft, ns=(mtime_ns, mtime_ns), follow_symlinks=False)


def _private(path: str, flags: int) -> int:
    """Open a file that is nobody else's to read before it has its mode."""
    return os.open(path, flags, 0o600)


def stamp(path: Path, *, mode: int, mtime_ns: int) -> None:
    """Set the mode of a file and when it was last written to, where the disk can (FAT has no modes)."""
    with contextlib.suppress(PermissionError):
        os.chmod(path, mode)
    with contextlib.suppress(PermissionError):
        os.utime(path, ns=(mtime_ns, mtime_ns))
