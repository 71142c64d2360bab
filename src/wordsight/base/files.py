"""Files and folders that are either whole or not there, hashes, and JSON.

A draft lies beside what it will be, as `.NAME.SYSTEM-PROCESS-NUMBER.part`, so whoever comes later can tell whether its
process still runs.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound, StorageError, UsageError
from wordsight.base.json_faults import fault_of
from wordsight.base.reading import read_text, refuse_pointer

JSON_ESCAPES = "backslashreplace"  # what UTF-8 cannot hold becomes \udce9, which JSON reads as what it was
_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the largest size of a file is reached",
    errno.EROFS: "the disk is read-only",
    errno.ELOOP: "a link leads to itself",
    errno.ENAMETOOLONG: "a name is too long",
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk met while writing `path` into a `StorageError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _STORAGE:
            raise StorageError(
                f"{_STORAGE[error.errno]} while writing {shortened(path)}",
                cure="free room or choose another folder; what was finished before is kept",
            ) from error
        if isinstance(error, PermissionError):
            raise StorageError(f"no permission to write {path}", cure="choose a folder you may write to") from error
        if isinstance(error, IsADirectoryError):
            target = error.filename2 or error.filename or path
            raise StorageError(f"{target} is a folder, not a file", cure="remove it, or choose another path") from error
        if isinstance(error, NotADirectoryError | FileExistsError):
            target = _no_folder(Path(error.filename or path))
            what = "a link that leads nowhere" if os.path.islink(target) else "a file"
            raise StorageError(f"{target} is {what}, not a folder", cure="choose another path") from error
        raise


def _no_folder(path: Path) -> Path:
    """Return which part of a path is there and is no folder; the whole path where none is."""
    return next((part for part in (*reversed(path.parents), path) if os.path.lexists(part) and not part.is_dir()), path)


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path` and rename it into place when the block ends well.

    Readers see the old file or the whole new one, never a part.  The data is flushed to the disk
    before the rename.  Text is UTF-8; bytes of file names that are not are written as JSON escapes them.
    A link stays, and what it leads to is written.  A FIFO, a character device and what this process has open
    (/dev/stdout) take the data as it comes; what `require_file` refuses is a `StorageError`.
    """
    text: Any = {} if "b" in mode else {"encoding": "utf-8", "errors": JSON_ESCAPES}
    with storage_errors(path):
        require_file(path)
        if (stream := _stream(path)) is not None:
            with open(stream, mode, **text) as handle:
                yield handle
            return
        target = _real(path)
        temporary = beside(target, "part")
        _make(target.parent, path.parent)
        try:
            disk.announce("write", path)
            with open(temporary, mode, **text) as handle:
                yield handle
                handle.flush()
                disk.flush(handle.fileno(), path)
            disk.replace(temporary, target)
        except BaseException:
            disk.unlink(temporary, missing_ok=True)
            raise


def require_file(path: Path) -> None:
    """Raise `StorageError` for a path at which no file can be written: a folder, a socket, a disk, below a file."""
    target = os.path.realpath(path)
    with storage_errors(path):
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, "", str(path))
        if (part := _no_folder(Path(target))) != Path(target):
            raise NotADirectoryError(errno.ENOTDIR, "", str(part))
        mode = os.stat(path).st_mode if os.path.exists(path) else 0
    for is_kind, name in ((stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a disk")):
        if is_kind(mode):
            raise StorageError(f"{path} is {name}, not a file", cure="choose another path")


def make_way(path: Path) -> None:
    """Delete what lies where a file is about to be written and is none, as a named pipe; a folder stays."""
    with storage_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            disk.unlink(path, missing_ok=True)


def _stream(path: Path) -> Path | int | None:
    """Return what to open where data can only be passed on, not renamed into place; None for files.

    What this process has open is opened once more, at the place where it stands.
    """
    step = os.path.abspath(path)
    for _ in range(_LINKS):
        folder, name = os.path.split(step)
        if name.isdecimal() and os.path.realpath(folder) in (f"/proc/{os.getpid()}/fd", "/dev/fd"):
            for printed in filter(None, (sys.stdout, sys.stderr)):
                printed.flush()
            return os.dup(int(name))
        if not os.path.islink(step):
            break
        step = os.path.join(folder, os.readlink(step))
    with contextlib.suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return path
    return None


@contextlib.contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Make a folder beside `path` for as long as the block runs, and remove what killed processes left there."""
    with storage_errors(path):
        _make(path.parent, path.parent)
        sweep(path.parent)
        draft = beside(path, "part")
        try:
            _make(draft, path)
            yield draft
        finally:
            _remove(draft)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Open a draft of a folder that is not there, or empty, and move it into place when the block ends well.

    What `require_new` refuses, and a folder that another process wrote meanwhile, is a `UsageError`.
    """
    target = _real(path)
    filled = target.is_dir()  # where somebody may stand, or a disk begins: it is filled, not replaced
    with draft_folder(target / target.name if filled else target) as draft:
        require_new(path, draft)
        work = draft / target.name  # what a writer leaves beside it goes with the draft
        disk.make_folder(work)
        yield work
        done = _filled(work, target) if filled else _renamed(work, target)
        if not done:
            raise UsageError(f"another process has written {path} meanwhile", cure="choose a new folder")


def require_new(path: Path, draft: Path | None = None) -> None:
    """Raise `UsageError` for a folder with files, and what `refuse_others` does."""
    target = _real(path)
    drafts = refuse_others(target, draft)
    if target.is_dir() and any(entry not in drafts for entry in target.iterdir()):
        raise UsageError(f"{path} already holds files", cure="choose an empty or a new folder")


def refuse_others(path: Path, draft: Path | None = None) -> list[Path]:
    """Raise `UsageError` while another process that still runs has a draft of `path`, beside it or in it.

    With a `draft` of one's own, one goes on of several that began at once.  Returns all drafts.
    """
    target = _real(path)
    drafts = [other for beside in (target, target / target.name) for other in _drafts(beside)]
    if any(draft is None or other.name < draft.name for other in drafts):
        raise UsageError(f"another process is writing {path}", cure="wait for it, or choose another folder")
    return drafts


def _drafts(path: Path) -> list[Path]:
    """Return what processes that still run write beside a path, or a draft of it, to become what lies there."""
    own = _DRAFT.fullmatch(path.name) or _DRAFT.fullmatch(beside(path, "part").name)
    assert own is not None
    drafts = []
    for other in path.parent.glob(".*"):
        match = _DRAFT.fullmatch(other.name)
        alike = match and (match["name"], match["kind"]) == (own["name"], "part")
        if match and alike and not _abandoned(other, match):
            drafts.append(other)
    return drafts


@contextlib.contextmanager
def atomic_folder(path: Path, *, mark: str = "") -> Iterator[Path]:
    """Open a draft of the folder `path` and rename it into place when the block ends well.

    What lies there is replaced.  With `mark`, a file that finished folders have, a finished one stays and the draft is
    dropped: several processes may make the same folder at once, and the first one wins.
    """
    target = _real(path)
    with storage_errors(target):
        if target.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "", str(target))
    with draft_folder(target) as draft:
        yield draft
        _put(draft, target, mark)


def put_back(path: Path) -> None:
    """Rename a folder back to `path`, where nothing lies, if a process was killed that had moved it aside."""
    if not path.exists() and path.parent.is_dir():
        sweep(path.parent)


def abandoned(folder: Path) -> dict[Path, re.Match[str]]:
    """Return the drafts in `folder` that killed processes left, each with the parts of its name."""
    drafts = ((left, _DRAFT.fullmatch(left.name)) for left in folder.glob(".*"))
    return {left: draft for left, draft in drafts if draft is not None and _abandoned(left, draft)}


def sweep(folder: Path) -> None:
    """Remove the drafts in `folder` that killed processes left; a folder moved aside and never replaced is put back."""
    for left, draft in abandoned(folder).items():
        target = folder / draft["name"]
        with contextlib.suppress(FileNotFoundError, PermissionError):  # another sweeps too, or it is somebody else's
            if draft["kind"] == "old" and not target.exists():
                disk.rename(left, target)
            elif left.is_dir():
                _remove(left)
            else:
                disk.unlink(left)


_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<system>[0-9a-f]{8})-(?P<process>\d{1,9})-\d+\.(?P<kind>part|old)", re.DOTALL)
_LONGEST = 255  # bytes of a file's name
_DAY = 86_400  # seconds
_LINKS = 40  # that lead to a file, at most, as in Linux
_numbers = itertools.count()


def beside(path: Path, kind: str) -> Path:
    """Return a name beside `path` that nobody else uses; a name too long for an ending is replaced by its hash."""
    end = f".{_system()}-{os.getpid()}-{next(_numbers)}.{kind}"
    name = path.name
    if len(os.fsencode(f".{name}{end}")) > _LONGEST:
        name = sha256_bytes(os.fsencode(name))[:16]
    return path.with_name(f".{name}{end}")


@cache
def _system() -> str:
    """Return eight digits for where this process's number means something: the machine, or the container on it."""
    machine = os.uname().nodename if hasattr(os, "uname") else ""
    numbers = Path("/proc/self/ns/pid")
    container = os.readlink(numbers) if numbers.is_symlink() else ""
    return sha256_bytes(machine.encode(), container.encode())[:8]


def _abandoned(left: Path, draft: re.Match[str]) -> bool:
    """Say whether nobody will finish a draft: its process ended; of another system, nothing was written for a day."""
    if os.name == "posix" and draft["system"] == _system():
        return not _runs(int(draft["process"]))
    within = (Path(folder, name) for folder, _, names in os.walk(left) for name in names)
    written = []
    for path in (left, *within):
        with contextlib.suppress(FileNotFoundError):
            written.append(path.lstat().st_mtime)
    return time.time() - max(written, default=time.time()) > _DAY


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _put(draft: Path, target: Path, mark: str) -> None:
    """Rename a draft into place, what lies there moved aside first: it is back if that fails."""
    aside: list[Path] = []
    try:
        while not _renamed(draft, target) and not (mark and (target / mark).is_file()):
            old = beside(target, "old")
            with contextlib.suppress(FileNotFoundError):  # another process did the same
                disk.rename(target, old)
                aside.append(old)
    except BaseException:
        if aside and not target.exists():
            disk.rename(aside.pop(), target)
        raise
    finally:
        for old in aside:
            rest = old.with_suffix(".part")  # so that half of it never comes back
            with contextlib.suppress(FileNotFoundError):
                disk.rename(old, rest)
                _remove(rest)


def _remove(folder: Path) -> None:
    """Remove a folder and what it holds, as far as that can be done."""
    import shutil  # here, for a search writes no folders

    shutil.rmtree(folder, ignore_errors=True)


def _real(path: Path) -> Path:
    """Return where a path leads: a link stays, and what it leads to is written.  One to itself leads nowhere."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise StorageError(f"{path} is a link that leads to itself", cure="remove it, or choose another path")
    return target


def _make(folder: Path, named: Path) -> None:
    try:
        disk.make_folder(folder)
    except FileNotFoundError:  # in /proc nothing can be made
        raise StorageError(f"no folder {shortened(named)} can be made", cure="choose another path") from None


def _renamed(draft: Path, target: Path) -> bool:
    try:
        disk.rename(draft, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _filled(work: Path, target: Path) -> bool:
    """Move what a folder in a draft holds into a folder in which nothing lies but drafts; say whether that is so."""
    if any(entry not in _drafts(work.parent) for entry in target.iterdir()):
        return False
    for entry in sorted(work.iterdir()):
        disk.rename(entry, target / entry.name)
    return True


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; names that are not UTF-8 are escaped, and read back the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    with atomic_write(path) as handle:
        handle.write(f"{text}\n".encode(errors=JSON_ESCAPES))


def read_json(path: Path) -> Any:
    """Read a JSON file; missing or malformed files raise `NotFound` or `FormatError`."""
    try:
        return json.loads(read_text(path))
    except FileNotFoundError:
        raise NotFound(f"no file {path}", cure="check the path") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure="check the file") from None
    except (ValueError, RecursionError) as error:  # also numbers of too many digits, and lists in lists without end
        raise FormatError(f"{path} is not JSON: {fault_of(error)}", cure="restore or make the file again") from None


def require_content(path: Path) -> None:
    """Raise `FormatError` for what is no regular file, and for a Git LFS pointer in place of one."""
    try:
        refuse_pointer(path)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None


def shortened(path: Path) -> str:
    """Return a path for a message, the end of its names left out where it is longer than any is."""
    text = str(path)
    return text if len(text) <= _LONGEST else f"{text[:80]}…"


def plain_name(name: str, *, otherwise: str) -> str:
    """Return a name as part of a file name: letters, digits, dots, dashes and underscores, 80 at most."""
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
    return kept[:80].strip(".-") or otherwise


def sha256_bytes(*parts: bytes) -> str:
    """Return the hexadecimal SHA-256 of the parts, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
