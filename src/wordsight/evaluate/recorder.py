"""The folder of an evaluation: what was measured stays there, and is not measured again.

    recorder = Recorder(Path("results"))
    known = recorder.known(key)                      # what a task gave, or None
    recorder.keep(key, measured)

results.jsonl    one `Result` a line        details.jsonl    one `Detail` a line, for `wordsight report`
tasks/KEY.json   the results and details of one task, written whole: a task that has it is done
pictures/        small JPEGs that details name
clip_benchmark/  each task as CLIP_benchmark writes it, and all of them in clip_benchmark.csv

Nothing that lies there is changed: lines are appended, files are new.  Several processes may write into one folder:
what is added is added under the lock of the file .recording.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wordsight.base.details import DETAILS, Detail
from wordsight.base.errors import FormatError, StorageError
from wordsight.base.files import JSON_ESCAPES, atomic_write, read_json, storage_errors, write_json
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.base.records import append_whole, complete_lines, ends_whole, locked
from wordsight.evaluate.clip_benchmark import csv_text, record_of
from wordsight.evaluate.measured import Measured

RESULTS = "results.jsonl"
TASKS = "tasks"
RECORDING = ".recording"  # who adds to the folder holds its lock
CLIP_BENCHMARK = "clip_benchmark"  # the folder of its records, and the name of its table
KEYS = {"dataset", "model", "pretrained", "task", "metrics", "language"}  # of its records


class Recorder:
    """Writes measurements into a folder, which is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with storage_errors(folder):
            (folder / TASKS).mkdir(parents=True, exist_ok=True)

    def known(self, key: str) -> Measured | None:
        """Return what the task of this key gave, or None where it was not measured, or its record is damaged."""
        measured = self._read(key)
        if measured is not None and not self._complete(key, measured):
            with locked(self._folder / RECORDING):
                self._add(key, measured)  # what a stopped process did not come to
        return measured

    def keep(self, key: str, measured: Measured, *, again: bool = False) -> Measured:
        """Record a task whole: once this returns, it is done; return what stands there now.

        What another process has recorded of it meanwhile stays, but for `again`.
        """
        with locked(self._folder / RECORDING):
            known = None if again else self._read(key)
            if known is None:
                write_images(self._folder, measured.pictures)
                fields = {
                    "results": [asdict(result) for result in measured.results],
                    "details": [asdict(detail) for detail in measured.details],
                }
                write_json(self._folder / TASKS / f"{key}.json", fields)
                if (record := record_of(measured.results)) is not None:
                    write_json(self._folder / CLIP_BENCHMARK / f"{key}.json", record)
            self._add(key, known or measured)
        return known or measured

    def _read(self, key: str) -> Measured | None:
        path = self._folder / TASKS / f"{key}.json"
        if not path.exists():
            return None
        try:
            measured = _from_fields(read_json(path))
        except (FormatError, StorageError, TypeError, KeyError, OSError):
            return None
        return measured if measured.results else None

    def _missing(self, measured: Measured) -> dict[Path, list[str]]:
        """Return the files that do not have a task's lines yet, or whose last line is not whole, with those lines."""
        missing = {}
        for file, lines in (
            (RESULTS, [result.to_json() for result in measured.results]),
            (DETAILS, [detail.to_json() for detail in measured.details]),
        ):
            path = self._folder / file
            known = complete_lines(path)
            written = [line.encode(errors=JSON_ESCAPES).decode() for line in lines]
            new = [line for line in written if line not in known]
            if new or not ends_whole(path):
                missing[path] = new
        return missing

    def _complete(self, key: str, measured: Measured) -> bool:
        """Say whether a task's lines and its record for CLIP_benchmark are there."""
        record = self._folder / CLIP_BENCHMARK / f"{key}.json"
        return not self._missing(measured) and (record.exists() or record_of(measured.results) is None)

    def _add(self, key: str, measured: Measured) -> None:
        """Add to the files of all tasks what they do not have yet of this one; the lock is held."""
        for path, lines in self._missing(measured).items():
            append_whole(path, lines)
        record = record_of(measured.results)
        if record is None:
            return
        folder = self._folder / CLIP_BENCHMARK
        if not (folder / f"{key}.json").exists():
            write_json(folder / f"{key}.json", record)
        records = [own for file in sorted(folder.glob("*.json")) if (own := _record(file)) is not None]
        with atomic_write(self._folder / "clip_benchmark.csv", "w") as handle:
            handle.write(csv_text(records))


def write_images(folder: Path, images: Mapping[str, bytes]) -> None:
    """Write the small JPEGs that details name, each once: its name is made of its content."""
    for name, data in images.items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as handle:
                handle.write(data)


def _record(file: Path) -> dict[str, Any] | None:
    """Return a task's record, or None, with a notice, where a damaged disk or another program left something else."""
    reason = ""
    try:
        record = read_json(file)
        if isinstance(record, dict) and set(record) >= KEYS and isinstance(record["metrics"], dict):
            return record
    except (FormatError, OSError) as error:
        reason = f" ({error})"
    notice(f"{file} is no record of CLIP_benchmark's, and left out of the table{reason}")
    return None


def stated(measured: Measured, **facts: Any) -> Measured:
    """Return what was measured with further facts in every setting, and the environment in every result."""
    environment = facts.pop("environment", {})
    return replace(
        measured,
        results=[
            replace(result, setting={**result.setting, **facts}, environment=environment) for result in measured.results
        ],
        details=[replace(detail, setting={**detail.setting, **facts}) for detail in measured.details],
    )


def _from_fields(fields: Any) -> Measured:
    entries = [*fields["results"], *fields["details"]] if isinstance(fields, dict) else [fields]
    if not all(isinstance(one, dict) for one in entries):
        raise TypeError("no record of a task")
    return Measured(
        [Result.from_fields(one) for one in fields["results"]],
        [Detail.from_fields(one) for one in fields["details"]],
    )
