"""Run records: JSON lines that are appended as things happen, and the environment they happened in."""

import contextlib
import errno
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from wordsight.base.errors import InUse
from wordsight.base.files import JSON_ESCAPES, atomic_write, storage_errors
from wordsight.base.nouns import Result
from wordsight.base.processor import processor_name
from wordsight.base.reading import open_regular

WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)  # some network disks
_PACKAGES = ("wordsight", "numpy", "pillow", "onnxruntime", "torch")


def environment() -> dict[str, str | int]:
    """Return the machine and the versions a figure was measured with."""
    facts: dict[str, str | int] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count() or 0,
        "processor": processor_name(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    for name in _PACKAGES:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return facts


def write_results(path: Path, results: Sequence[Result], *, fingerprint: str) -> list[Result]:
    """Write results.jsonl, whole or not at all; return the results with the model's fingerprint and the environment."""
    facts = environment()
    stated = [replace(result, fingerprint=fingerprint, environment=facts) for result in results]
    with atomic_write(path, "w") as handle:
        handle.writelines(f"{result.to_json()}\n" for result in stated)
    return stated


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line to `path`, made with its folders if absent."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", errors=JSON_ESCAPES) as handle:
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the file `path`, made if absent, while the block runs; another process that wants it waits.

    Without `wait` it gets an `InUse`.  The system gives up the lock when the process ends, however it ends.
    Nothing is locked on Windows and on disks without locks.  Within one thread it cannot be taken twice.
    """
    with storage_errors(path):
        handle = open(path, "ab")  # noqa: SIM115 - closing it gives up the lock
    with handle:
        with contextlib.suppress(ImportError):  # Windows
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(
                    f"another process uses {path.parent}", cure="wait until it is done, then try again"
                ) from None
            except OSError as error:
                if error.errno not in WITHOUT_LOCKS:
                    raise
        yield


def append_whole(path: Path, lines: Iterable[str]) -> None:
    """Append lines behind whole ones; a line that a full disk or a kill cut short is removed before and after.

    A last line that lacks nothing but its end gets it.  The caller holds the lock (`locked`) where others append too.
    """
    data = "".join(f"{line}\n" for line in lines).encode(errors=JSON_ESCAPES)
    with storage_errors(path), open(path, "ab+") as handle:
        end = handle.seek(0, os.SEEK_END)
        if not ends_whole(path):
            handle.seek(0)
            whole = handle.read()
            cut = whole.rfind(b"\n") + 1
            if _is_record(whole[cut:]):
                data = b"\n" + data
            else:
                end = handle.truncate(cut)
        try:
            written = 0
            while written < len(data):
                written += os.write(handle.fileno(), data[written:])
        except OSError:
            os.ftruncate(handle.fileno(), end)
            raise


def ends_whole(path: Path) -> bool:
    """Return whether the last line of a file has its end; a file that is not there, or empty, has no other."""
    if not path.exists():
        return True
    with open(path, "rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        handle.seek(max(end - 1, 0))
        return handle.read(1) in (b"", b"\n")


def complete_lines(path: Path) -> set[str]:
    """Return the lines of a file that `append_whole` leaves, without their ends; none where there is no file."""
    if not path.exists():
        return set()
    with open(path, encoding="utf-8", errors="replace", newline="\n") as handle:
        return {line.removesuffix("\n") for line in handle if line.endswith("\n") or _is_record(line)}


def _is_record(line: str | bytes) -> bool:
    """Say whether a line is a whole JSON object: the beginning of one is none."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON-lines file; a last line cut short by a killed process is passed over."""
    with TextIOWrapper(open_regular(path), encoding="utf-8") as handle:
        for line in handle:
            if line.endswith("\n"):
                yield json.loads(line)


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a JSON-lines file that a crash of the machine may have damaged; other lines are left out."""
    with TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace") as handle:
        for line in handle:
            with contextlib.suppress(ValueError):
                record = json.loads(line) if line.endswith("\n") else None
                if isinstance(record, dict):
                    yield record
