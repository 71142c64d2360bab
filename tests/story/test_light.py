"""The light install: search, index, classify, embed and evaluate run where none of the extras can be imported."""

import os
import subprocess
import sys
from pathlib import Path

import wordsight
from wordsight.data.scenes import scenes, seen_pairs, write_scenes

SOURCE = Path(wordsight.__file__).parents[1]
CODE = """
import sys

class Absent:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "pyarrow", "tensorboard"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from wordsight.cli.main import main

for line in sys.stdin:
    print(main(["--engine", "fake", "--quiet", *line.split()]), line.strip(), flush=True)
"""
CALLS = """index scenes
search red circle --in scenes
classify scenes --classes red,blue
embed scenes --out rows
data check scenes
evaluate --tasks retrieval:scenes
embed scenes --out table --format parquet
train pairs
"""


def test_without_the_extras(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", scenes(8, pairs=seen_pairs(), seed=0))
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=CALLS,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    calls = CALLS.splitlines()
    ended = [line for line in done.stdout.splitlines() if line[2:] in calls]
    assert ended == [f"{0 if number < 6 else 2} {call}" for number, call in enumerate(calls)], done.stderr
    assert done.stderr.splitlines() == [
        "wordsight: this needs the package pyarrow; pip install 'wordsight[data]'",
        "wordsight: this needs the package torch; pip install 'wordsight[train]'",
    ]
