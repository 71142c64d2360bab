"""Reading what runs recorded: metrics, results, configuration.  Missing files are empty records: a run may be young."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.nouns import Result
from wordsight.base.records import read_lines

METRICS, RESULTS, CONFIG = "metrics.jsonl", "results.jsonl", "config.json"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the records of a JSON-lines file, none when it is not there; a malformed line raises `FormatError`."""
    if not path.exists():
        return []
    try:
        return list(read_lines(path))
    except ValueError as error:
        raise FormatError(
            f"{path} is not JSON lines: {error}", cure="restore the file, or record the run again"
        ) from None


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics in order of their step."""
    return sorted(lines_of(run / METRICS), key=lambda line: int(line["step"]))


def read_results(path: Path) -> list[Result]:
    """Return the results of a JSON-lines file, none when it is not there."""
    return [_result(line, path) for line in lines_of(path)]


def _result(line: dict[str, Any], path: Path) -> Result:
    try:
        return Result.from_fields(line)
    except TypeError as error:
        raise FormatError(f"a line of {path} is no result: {error}", cure="give a file that wordsight wrote") from None


def check_runs(folders: Sequence[Path]) -> None:
    """Raise `NotFound` for a folder that is not there or holds no record."""
    for folder in folders:
        if not folder.is_dir():
            raise NotFound(f"no folder {folder}", cure="give the folder of a training run or of an evaluation")
        if not any((folder / name).exists() for name in (METRICS, RESULTS)):
            raise NotFound(f"{folder} holds neither {METRICS} nor {RESULTS}", cure="give the folder of a run")
