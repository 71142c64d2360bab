"""What the last tagging of a column was: of which labels, by which model, and which contents it has seen.

    store = TagStore(library.folder)
    store.last("tags")                       # LastRun, or None
    store.keep(LastRun(...), seen)           # seen: uint64, the first bytes of each content's SHA-256

Lies in the library's folder as `tagging/`.  Knows no index.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, StorageError
from wordsight.base.files import atomic_write, read_json, sha256_bytes, storage_errors, write_json

FOLDER = "tagging"
DECIDED, RUN = "decided.jsonl", "run.json"  # in a journal: what was decided; the run, which has noted something
KEPT = 5  # runs that can be taken back, the oldest goes first
ContentHashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class LastRun:
    """`how` is a hash of labels and options, `made_by` the fingerprint of the model.

    `written`: its tags are beside the files, too.
    """

    column: str
    scores: tuple[str, ...]
    labels: tuple[str, ...]
    how: str
    made_by: str
    written: bool = False


class TagStore:
    """The folder of records and journals beside an index; `kind`: "run" of a model, "hand" of people."""

    def __init__(self, folder: Path, kind: str = "run") -> None:
        self.folder = folder / FOLDER
        self._kind = kind

    def last(self, column: str) -> LastRun | None:
        """Return the last run of a column; None where there was none."""
        path = self._record(column)
        return run_of(read_json(path), path) if path.exists() else None

    def beside(self, column: str) -> tuple[str, ...]:
        """Return the other columns whose tags are beside the files, too."""
        runs = [run_of(read_json(path), path) for path in sorted(self.folder.glob("*.json"))]
        return tuple(run.column for run in runs if run.written and run.column != column)

    def seen(self, column: str) -> ContentHashes:
        """Return the contents that have been tagged, sorted; none where that is not known."""
        path = self._record(column).with_suffix(".seen.npy")
        try:
            return np.asarray(np.load(io.BytesIO(path.read_bytes())), np.uint64)
        except (OSError, ValueError):  # all are then tagged again
            return np.zeros(0, np.uint64)

    def keep(self, run: LastRun | None, column: str, seen: ContentHashes | None = None) -> None:
        """Keep what a run was, instead of the one before; None forgets it.  Without `seen` contents are not known."""
        path = self._record(column)
        contents = path.with_suffix(".seen.npy")
        with storage_errors(path):
            for one in (contents, *(() if run else (path,))):
                one.unlink(missing_ok=True)
        if run is not None:
            write_json(path, asdict(run))
            if seen is not None:
                with atomic_write(contents) as handle:
                    np.save(handle, np.unique(seen))

    def journals(self) -> list[Path]:
        """Return the folders of the runs that can be taken back, the newest first."""
        if not self.folder.is_dir():
            return []
        return sorted((one for one in self.folder.glob(f"{self._kind}-*") if one.is_dir()), reverse=True)

    def new_journal(self) -> Path:
        """Return the folder of a new run, which is made; the oldest go, and dry ones and those that were killed."""
        before = self.journals()
        noted = [one for one in before if (one / RUN).exists()]
        for old in (*noted[KEPT - 1 :], *(one for one in before[1:] if one not in noted)):
            shutil.rmtree(old, ignore_errors=True)
        others = [int(one.name[5:]) for one in self.folder.glob("left-*")]
        number = 1 + max([0, *others, *(int(one.name.rpartition("-")[2]) for one in before[:1])])
        folder = self.folder / f"{self._kind}-{number:06}"
        with storage_errors(folder):
            folder.mkdir(parents=True)
        return folder

    def drop(self, journal: Path) -> None:
        """Forget a run that has been taken back."""
        try:
            shutil.rmtree(journal)
        except OSError as error:
            raise StorageError(f"{journal} cannot be removed: {error.strerror}", cure="remove it") from error

    def set_aside(self, journal: Path) -> None:
        """Keep the journal of a run whose sidecars cannot be taken back, with their former contents."""
        with storage_errors(journal):
            journal.rename(journal.with_name(f"left-{journal.name[4:]}"))

    def _record(self, column: str) -> Path:
        return self.folder / f"{sha256_bytes(os.fsencode(column))[:16]}.json"


def run_of(stored: Any, path: Path) -> LastRun:
    """Return a run as JSON has it; `FormatError` where it is none."""
    if not isinstance(stored, dict) or set(stored) != {field.name for field in fields(LastRun)}:
        raise FormatError(f"{path} is no record of tagging", cure="delete it, and tag again")
    return LastRun(**{**stored, "scores": tuple(stored["scores"]), "labels": tuple(stored["labels"])})


def write_lines(path: Path, lines: Iterator[Any]) -> None:
    """Write one JSON value a line, whole or not at all."""
    with atomic_write(path, "w") as handle:
        for line in lines:
            handle.write(f"{json.dumps(line)}\n")


def read_lines(path: Path) -> Iterator[Any]:
    """Yield the JSON values of a file that `write_lines` wrote."""
    with open(path, encoding="utf-8") as handle:
        for line in handle:
            yield json.loads(line)
