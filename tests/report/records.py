"""A demo's records with invented numbers, as its workers write them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.nouns import Result
from wordsight.base.records import append_line

MAIN = "unseen/zero-shot/top-1"


def write_demo_records(folder: Path) -> None:
    story = {
        "scenes": {"train": 4321, "unseen": 96, "seen": 48},
        "seconds": 187.4,
        "parameters": 1234567,
        "pairs_seen": 65432,
        "colours": ["red", "blue"],
        "shapes": ["circle", "star"],
        "photos": "no photos: no installed package brings any",
        "stages": [{"name": "drawing", "seconds": 7.5}, {"name": "learning", "seconds": 121.0}],
        "settings": {"seed": 0, "batch": 128},
        "environment": {"wordsight": "0.1.0", "cores": 2, "time": "2026-01-02T03:04:05Z"},
    }
    (folder / "demo.json").write_text(json.dumps(story))
    results = [
        Result(MAIN, 0.9375, (0.91, 0.96), 96, "f00d", {"classes": 64, "chance": 1 / 64}),
        Result("unseen/choice/count", 0.875, (0.8, 0.93), 96, "f00d", {"chance": 0.25}),
        Result("unseen/pair/red star", 0.5, None, 6, "f00d"),
    ]
    for result in results:
        append_line(folder / "results.jsonl", json.loads(result.to_json()))
    for step in range(10, 101, 10):
        append_line(
            folder / "run" / "metrics.jsonl", {"step": step, "contrastive": 4.85 * 0.9 ** (step / 10), "words": 0.0}
        )
    for step in (50, 100):
        append_line(folder / "run" / "metrics.jsonl", {"step": step, MAIN: step / 120})
    _write_matrices(folder)
    _write_answers(folder)


def _write_matrices(folder: Path) -> None:
    (folder / "matrices").mkdir()
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(8):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"picture-{i}.png")
        pairs.append({"image": f"picture-{i}.png", "caption": f"a <red> circle & number {i}"})
    (folder / "matrices" / "pairs.json").write_text(json.dumps(pairs))
    for step, sharpness in ((0, 0.0), (40, 0.5), (100, 0.9)):
        matrix = sharpness * np.eye(8) + rng.normal(0, 0.1, (8, 8))
        np.save(folder / "matrices" / f"step-{step}.npy", matrix.astype(np.float32))
        append_line(folder / "matrices" / "steps.jsonl", {"step": step, "scale": 14.3, "matrix": f"step-{step}.npy"})


def _write_answers(folder: Path) -> None:
    names = [{"name": "red star", "share": 0.81}, {"name": "red circle", "share": 0.11}]
    hits = [
        {"image": "picture-1.png", "score": 0.71, "said": "two red stars", "right": True},
        {"image": "picture-2.png", "score": 0.64, "said": "a blue star", "right": False},
    ]
    for i in range(3):
        append_line(
            folder / "answers.jsonl",
            {"kind": "classify", "image": f"picture-{i}.png", "truth": "red star", "guesses": names},
        )
    append_line(folder / "answers.jsonl", {"kind": "scenes", "query": "two red stars", "hits": hits})
