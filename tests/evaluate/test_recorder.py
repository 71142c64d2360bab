"""The folder of an evaluation: whole lines, whoever writes there at once and whatever stops them."""

import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wordsight.base.nouns import Result
from wordsight.base.records import locked, read_lines
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import Recorder


def lines(folder: Path, name="results.jsonl"):
    return list(read_lines(folder / name))


WRITER = """
import sys
from pathlib import Path
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import Recorder
recorder = Recorder(Path(sys.argv[1]))
print(flush=True)
input()
for number in range(8):
    name = f"{sys.argv[2]}-{number}"
    results = [Result(f"{name}/zero-shot/top-{k}", 0.5, setting={"task": name, "long": "x" * 200_000}) for k in (1, 5)]
    recorder.keep(name, Measured(results, [Detail(name, "", "bars", {"long": "y" * 200_000})]))
"""


def test_processes_that_record_at_once_lose_nothing(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "out"), f"writer{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for writer in writers:
        writer.stdout.readline()  # it is ready
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [(writer.communicate(), writer.returncode)[1] for writer in writers] == [0] * 4
    names = {f"writer{writer}-{number}" for writer in range(4) for number in range(8)}
    for file, each in (("results.jsonl", 2), ("details.jsonl", 1)):
        written = (tmp_path / "out" / file).read_text().splitlines()
        assert len(written) == each * len(names)
        assert {json.loads(line)["name"].partition("/")[0] for line in written} == names
    with open(tmp_path / "out" / "clip_benchmark.csv") as handle:
        assert {row["dataset"] for row in csv.DictReader(handle)} == names


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_who_records_waits_for_the_lock(tmp_path):
    recorder, one = Recorder(tmp_path), Measured([Result("x/knn/top-1", 0.5)])
    other = threading.Thread(target=recorder.keep, args=("a" * 16, one))
    with locked(tmp_path / ".recording"):
        other.start()
        other.join(1)
        assert other.is_alive()
        assert not (tmp_path / "results.jsonl").exists()
    other.join()
    assert [line["name"] for line in lines(tmp_path)] == ["x/knn/top-1"]


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path)
    recorder.keep("a" * 16, Measured([Result("x/knn/top-1", 0.5, setting={"task": "a" * 16})]))
    real = os.write

    def cut(descriptor, data):
        if len(data) > 20:
            return real(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", cut)
    with pytest.raises(Exception, match="disk is full|No space|full"):
        recorder.keep("b" * 16, Measured([Result("y/knn/top-1", 0.5, setting={"task": "b" * 16})]))
    monkeypatch.setattr(os, "write", real)
    assert [line["name"] for line in lines(tmp_path)] == ["x/knn/top-1"]
    assert recorder.known("b" * 16).results[0].name == "y/knn/top-1"
    assert [line["name"] for line in lines(tmp_path)] == ["x/knn/top-1", "y/knn/top-1"]
