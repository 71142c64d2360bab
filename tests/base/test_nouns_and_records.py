"""Results as lines, records that survive a killed process, the environment of a figure."""

import json
from pathlib import Path

import pytest

from wordsight.base.errors import StorageError
from wordsight.base.nouns import Result
from wordsight.base.records import append_line, environment, read_lines


@pytest.mark.parametrize("interval", [None, (0.4, 0.6)])
def test_result_is_one_line_there_and_back(interval: tuple[float, float] | None) -> None:
    result = Result("photos/R@1", 0.5, interval, 10, "0123456789abcdef", {"gallery": 10, "of": "犬\n"}, {"cores": 2})
    line = result.to_json()
    assert "\n" not in line
    assert Result.from_fields(json.loads(line)) == result


def test_lines_are_appended_and_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    append_line(path, {"step": 1})
    append_line(path, {"step": 2, "text": "é\n"})
    assert list(read_lines(path)) == [{"step": 1}, {"step": 2, "text": "é\n"}]


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    assert list(read_lines(path)) == [{"step": 1}]


def test_full_disk_while_appending() -> None:
    with pytest.raises(StorageError, match="the disk is full while writing /dev/full"):
        append_line(Path("/dev/full"), {"step": 1})


def test_environment_names_machine_and_versions() -> None:
    facts = environment()
    assert {"python", "machine", "system", "cores", "processor", "time", "numpy", "pillow", "onnxruntime"} <= set(facts)
    assert facts["cores"] >= 1
