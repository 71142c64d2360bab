"""Reading what runs recorded: metrics, results, details, configuration.  Missing files are empty: a run may be young.

Whatever a record should not hold is a `FormatError` that names the file and the line: fields of another type, numbers
that are infinite or too large to draw.  So whatever draws records need not look again.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.base.details import DETAILS, Detail
from wordsight.base.errors import FormatError, NotFound
from wordsight.base.json_faults import fault_of
from wordsight.base.nouns import Result
from wordsight.base.reading import open_regular

METRICS, RESULTS, CONFIG, SPACE = "metrics.jsonl", "results.jsonl", "config.json", "space/steps.jsonl"
CURE = "restore the file, or record the run again"
LONGEST = 60  # letters of a wrong value that a message repeats
LARGEST = 1e15  # number that is drawn
NUMBERS = ("chance", "gallery", "by_chance_up_to")  # settings that are drawn
Checked = TypeVar("Checked")


def numbered_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, record) of a JSON-lines file, nothing when it is not there.

    A last line cut short by a killed process is passed over; another malformed line raises `FormatError`.
    """
    if not path.exists():
        return
    try:
        handle = open_regular(path)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure=CURE) from None
    with handle:
        for number, line in enumerate(handle, 1):
            if line.endswith(b"\n"):
                yield number, _record(line, f"{path} line {number}")


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON: {fault_of(error)}", cure=CURE) from None
    if not isinstance(record, dict):
        raise FormatError(f"{where} is no record but a {type(record).__name__}", cure=CURE)
    return record


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSON-lines file, none when it is not there."""
    return [record for _, record in numbered_lines(path)]


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics in order of their step; all but `step` are numbers or None.

    What is no number that can be drawn, as the loss of a run that diverged, is left out.
    """
    path = run / METRICS
    lines = [_checked(_metrics, line, f"{path} line {number}") for number, line in numbered_lines(path)]
    return sorted(lines, key=lambda line: float(line["step"]))


def _metrics(line: dict[str, Any]) -> dict[str, Any]:
    if not is_number(line.get("step")):
        raise ValueError(f"its step is {_brief(line.get('step'))}")
    return {name: value for name, value in line.items() if value is None or is_number(value)}


def read_results(path: Path) -> list[Result]:
    """Return the results of a JSON-lines file, none when it is not there."""
    return [_checked(_result, line, f"{path} line {number}") for number, line in numbered_lines(path)]


def _result(line: dict[str, Any]) -> Result:
    result = Result.from_fields(line)
    if not isinstance(result.name, str) or not result.name:
        raise ValueError(f"its name is {result.name!r}")
    if not is_number(result.value) and not _is_nan(result.value):  # what cannot be said is NaN, and a dash
        raise ValueError(f"its value is {_brief(result.value)}")
    edges = result.interval or (0.0, 0.0)
    if len(edges) != 2 or not all(is_number(edge) or _is_nan(edge) for edge in edges):
        raise ValueError(f"its interval is {_brief(result.interval)}")
    if not isinstance(result.count, int) or not is_number(result.count):
        raise ValueError(f"its count is {_brief(result.count)}")
    if not isinstance(result.fingerprint, str):
        raise ValueError(f"its fingerprint is {_brief(result.fingerprint)}")
    _check_values(result.setting, "setting")
    _check_values(result.environment, "environment")
    return replace(result, interval=None) if any(map(_is_nan, edges)) else result


def _check_values(values: object, what: str) -> None:
    """Raise `ValueError` for what is no object of texts and numbers, and for settings that are drawn and no numbers."""
    if not isinstance(values, Mapping):
        raise ValueError(f"its {what} is {_brief(values)}")
    for key, value in values.items():
        drawn = key in NUMBERS and what == "setting" and value is not None
        if not (is_number(value) if drawn else value is None or isinstance(value, str | int | float)):
            raise ValueError(f"its {key if drawn else f'{what} {key}'} is {_brief(value)}")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def read_details(run: Path, check: Callable[[Detail], Checked]) -> list[tuple[Detail, Checked]]:
    """Return the details of a run, each with what `check` makes of it; what it refuses names file and line."""
    path = run / DETAILS

    def both(line: dict[str, Any]) -> tuple[Detail, Checked]:
        detail = Detail.from_fields(line)
        _check_values(detail.setting, "setting")
        return detail, check(detail)

    return [_checked(both, line, f"{path} line {number}") for number, line in numbered_lines(path)]


def _checked(read: Callable[[dict[str, Any]], Checked], line: dict[str, Any], where: str) -> Checked:
    try:
        return read(line)
    except FormatError as error:
        raise FormatError(f"{where}: {error.problem}", cure=error.cure or CURE) from None
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{where} cannot be read: {what}", cure="give a file that wordsight wrote") from None


def is_number(value: object) -> bool:
    """Say whether a value of JSON is a number that can be drawn: no NaN, and `LARGEST` at most; true is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def read_array(path: Path) -> NDArray[np.floating]:
    """Return a recorded array of numbers as float32; another file, or none, raises."""
    try:
        with open_regular(path) as handle:
            array = np.load(handle, allow_pickle=False)
    except FileNotFoundError:
        raise NotFound(f"the record names {path}, which is not there", cure="record the run again") from None
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is no array: {error}", cure=CURE) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise FormatError(f"{path} holds something else than finite numbers", cure=CURE)
    if array.size and float(np.abs(array).max()) > LARGEST:
        raise FormatError(f"{path} holds numbers that are too large to draw", cure=CURE)
    return array.astype(np.float32)


def check_runs(folders: Sequence[Path]) -> None:
    """Raise `NotFound` for a folder that is not there or holds no record."""
    for folder in folders:
        if not folder.is_dir():
            raise NotFound(f"no folder {folder}", cure="give the folder of a training run or of an evaluation")
        if not any((folder / name).exists() for name in (METRICS, RESULTS, DETAILS, SPACE)):
            raise NotFound(f"{folder} holds neither {METRICS} nor {RESULTS}", cure="give the folder of a run")
