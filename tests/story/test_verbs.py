"""The whole way with the real program: draw, check, learn, measure, embed, index, search, classify."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import wordsight
from wordsight.data.scenes import scenes, seen_pairs, write_scenes

RECIPE = """
name = "story"
out = "run"
batch = 24
log = 5

[model]
architecture = "nano-64"

[data]
side = 64
[data.sources.scenes]
place = "scenes"

[schedule]
steps = 30
warmup = 4

[validation]
every = 0

[export]
precisions = ["int8"]
"""
SOURCE = Path(wordsight.__file__).parents[1]
PICTURES = 48


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn scenes and a recipe."""
    folder = tmp_path_factory.mktemp("story")
    write_scenes(folder / "scenes", scenes(PICTURES, pairs=seen_pairs(), seed=0))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def program(home: Path) -> Callable[..., list[str]]:
    """Return a function that runs the program in the folder and returns the lines it printed."""

    def run(*arguments: str, status: int = 0) -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "WORDSIGHT_CACHE": str(home / "cache")}
        command = [sys.executable, "-m", "wordsight", *arguments]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def model(program: Callable[..., list[str]], home: Path) -> str:
    """Learn for thirty steps; return the model's folder."""
    folder = program("train", "recipe.toml")[0]
    assert (home / folder / "model.json").is_file()
    return folder


def test_the_data_is_sound(program: Callable[..., list[str]]) -> None:
    program("data", "check", "scenes", "--json")
    assert json.loads("\n".join(program("data", "stats", "scenes", "--json")))["pictures"] == PICTURES


def test_it_has_learned(program: Callable[..., list[str]], model: str, home: Path) -> None:
    lines = program("evaluate", model, "--tasks", "retrieval:scenes", "--out", "results")
    results = {result["name"].partition("/")[2]: result for result in map(json.loads, lines)}
    found = results["text_to_image/R@10"]
    assert found["setting"]["gallery"] == PICTURES
    assert found["value"] > 2 * found["setting"]["chance"]
    assert (home / "results" / "results.jsonl").read_text().splitlines() == lines


def test_embeddings_in_bulk(program: Callable[..., list[str]], model: str, home: Path) -> None:
    program("embed", "scenes", "--out", "embeddings", "--model", model)
    rows = np.concatenate([np.load(path) for path in sorted((home / "embeddings").rglob("*.npy"))])
    assert rows.shape == (PICTURES, 128)
    assert np.allclose(np.linalg.norm(rows.astype(np.float32), axis=1), 1, atol=1e-3)


def test_search_finds_what_was_learned(program: Callable[..., list[str]], model: str, home: Path) -> None:
    with open(home / "scenes" / "metadata.csv", newline="") as handle:
        colours = {row["file"]: row["colour"] for row in csv.DictReader(handle)}
    program("index", "scenes", "--model", model)
    found = program("search", "red circle", "--in", "scenes", "-k", "5", "--paths-only", "--model", model)
    assert len(found) == 5
    assert [colours[Path(path).name] for path in found].count("red") >= 2  # of 48 pictures 6 are red
    program("search", "circle", "--in", "scenes", "--where", "colour = 'mauve'", "--model", model, status=1)
    lines = program("search", "circle", "--in", "scenes", "--where", "colour = 'blue'", "--json", "--model", model)
    assert {json.loads(line)["meta"]["colour"] for line in lines} == {"blue"}


def test_another_model_is_refused_with_the_cure(program: Callable[..., list[str]], model: str, home: Path) -> None:
    program("index", "scenes", "--model", model)
    program("search", "red", "--in", "scenes", "--engine", "fake", status=2)


def test_classes_are_told_apart(program: Callable[..., list[str]], model: str, home: Path) -> None:
    lines = program("classify", "scenes", "--classes", "red,green,blue", "--json", "--model", model)
    assert len(lines) == PICTURES
    assert "00000.png" in lines[0]
