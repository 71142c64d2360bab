"""The folder of an evaluation: what was measured stays there, and is not measured again.

    recorder = Recorder(Path("results"))
    known = recorder.known(key)                      # what a task gave, or None
    recorder.keep(key, measured)

results.jsonl    one `Result` a line        details.jsonl    one `Detail` a line, for `wordsight report`
tasks/KEY.json   the results and details of one task, its key and a checksum, written whole: a task that has it is done
pictures/        small JPEGs that details name
clip_benchmark/  each task as CLIP_benchmark writes it, and all of them in clip_benchmark.csv

Nothing that lies there is changed: lines are appended, files are new.  Several processes may write into one folder:
what is added is added under the lock of the file .recording.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from wordsight.base.details import DETAILS, Detail
from wordsight.base.errors import FormatError, WordsightError
from wordsight.base.files import JSON_ESCAPES, atomic_write, read_json, sha256_bytes, storage_errors, write_json
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
        """Return what the task of this key gave, or None where it was not measured, or its record is damaged.

        A record that is damaged, of another task or without a checksum is told in one line.
        """
        try:
            measured = self._read(key)
        except (WordsightError, TypeError, ValueError, KeyError, OSError) as error:
            path = self._folder / TASKS / f"{key}.json"
            notice(f"{path} is damaged, or of an earlier version ({error}): the task is measured again", once=True)
            return None
        if measured is not None and not self._complete(key, measured):
            with locked(self._folder / RECORDING):
                self._add(key, measured)  # what a stopped process did not come to
        return measured

    def keep(self, key: str, measured: Measured, *, again: bool = False) -> Measured:
        """Record a task whole: once this returns, it is done; return what stands there now.

        What another process has recorded of it meanwhile stays, but for `again`.
        """
        with locked(self._folder / RECORDING):
            known = None if again else self._sound(key)
            if known is None:
                write_images(self._folder, measured.pictures)
                fields: dict[str, Any] = {
                    "task": key,
                    "results": [asdict(result) for result in measured.results],
                    "details": [asdict(detail) for detail in measured.details],
                }
                write_json(self._folder / TASKS / f"{key}.json", {"sha256": _checksum(fields), **fields})
                if (record := record_of(measured.results)) is not None:
                    write_json(self._folder / CLIP_BENCHMARK / f"{key}.json", record)
            self._add(key, known or measured)
        return known or measured

    def _read(self, key: str) -> Measured | None:
        """Return what a task gave, None where it was not measured; errors say why a record cannot be used."""
        path = self._folder / TASKS / f"{key}.json"
        return _from_fields(read_json(path), key) if path.exists() else None

    def _sound(self, key: str) -> Measured | None:
        """Return what a task gave, None where there is no sound record of it."""
        with contextlib.suppress(WordsightError, TypeError, ValueError, KeyError, OSError):
            return self._read(key)
        return None

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


def _from_fields(fields: Any, key: str) -> Measured:
    """Return what the record of a task holds; `TypeError` says what is wrong with it."""
    if not isinstance(fields, dict) or fields.keys() != {"sha256", "task", "results", "details"}:
        raise TypeError("not the fields of a task")
    checksum = fields.pop("sha256")
    if checksum != _checksum(fields):
        raise TypeError("its checksum is another")
    if fields["task"] != key:
        raise TypeError(f"it is that of task {fields['task']}")
    if not fields["results"] or not all(isinstance(one, dict) for one in [*fields["results"], *fields["details"]]):
        raise TypeError("no results")
    results = [Result.from_fields(one) for one in fields["results"]]
    for result in results:
        _check(result)
    return Measured(results, [Detail.from_fields(one) for one in fields["details"]])


def _checksum(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the fields of a record, in whatever order and layout they are written."""
    return sha256_bytes(json.dumps(fields, sort_keys=True).encode())


def _check(result: Result) -> None:
    """Raise `TypeError` for a result with a field of another type than it says."""
    numbers = (result.value, *(result.interval or ()))
    good = {
        "name": isinstance(result.name, str) and bool(result.name),
        "value": all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers),
        "interval": result.interval is None or len(result.interval) == 2,
        "count": type(result.count) is int and result.count >= 0,
        "fingerprint": isinstance(result.fingerprint, str),
        "setting": isinstance(result.setting, dict),
        "environment": isinstance(result.environment, dict),
    }
    if wrong := [name for name, is_good in good.items() if not is_good]:
        raise TypeError(f"{wrong[0]} is {getattr(result, wrong[0])!r}")
