"""The records of an evaluation with invented figures, every form among them."""

import base64
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.base.details import DETAILS, Detail
from wordsight.base.nouns import Result
from wordsight.base.records import append_line

HOSTILE = ["<script>alert(1)</script>", "x" * 400, "سيارة حمراء", "名前 & \u202egnp.exe", "tab\there\x07", "a\nb"]
SETS = {"flowers5": 5, "pets": 37, "signs": 43}


def write_evaluation(folder: Path, *, model: str, seed: int = 0, names: tuple[str, ...] = tuple(SETS)) -> None:
    rng = np.random.default_rng(seed)
    for name in names:
        add(folder, *results_of(name, SETS.get(name, 10), rng, model))
    add(folder, *retrieval_of("flickr8k", rng, model))
    write_details(folder, rng, model)


def add(folder, *records):
    for record in records:
        path = folder / (DETAILS if isinstance(record, Detail) else "results.jsonl")
        append_line(path, json.loads(record.to_json()))


def result(name, value, model, count=500, **setting):
    half = 1.96 * math.sqrt(max(value * (1 - value), 0.001) / count)
    facts = {"wordsight": "0.1.0", "time": "2026-03-04T05:06:07Z", "processor": "an invented processor"}
    interval = (max(0.0, value - half), min(1.0, value + half))
    return Result(name, value, interval, count, "f00d", {**setting, "model": model}, facts)


def results_of(name, classes, rng, model):
    base, setting = 0.35 + 0.3 * rng.random(), {"chance": 1 / classes, "classes": classes, "split": "test"}
    yield result(f"{name}/zero-shot/top-1", base, model, **setting, templates="photo")
    for rank, method in enumerate(("tip-adapter", "tip-adapter-f", "lp++", "linear")):
        for shots in (1, 2, 4, 8, 16):
            value = base + (0.9 - base) * (1 - 1 / (1 + 0.12 * shots * (1 + 0.2 * rank)))
            yield result(f"{name}/few-shot-{shots}/{method}/top-1", value, model, **setting, shots=shots)
    if name != "pets":
        yield result(f"{name}/supervised/top-1", 0.93, model, **setting)
    yield result(f"{name}/probe/top-1", 0.88, model, **setting)
    yield result(f"{name}/calibration/ece", 0.04 + 0.05 * rng.random(), model)
    yield Result(f"{name}/calibration/nll", 1.2345, None, 500, "f00d", {"unit": "number", "model": model})
    for change in ("gaussian-noise", "blur", "jpeg"):
        for level in range(1, 6):
            yield result(
                f"{name}/robustness/{change}-{level}/top-1",
                base * (1 - (0.08 + 0.03 * len(change) % 0.07) * level),
                model,
                **setting,
            )


def retrieval_of(name, rng, model):
    for direction in ("text_to_image", "image_to_text"):
        for k, value in ((1, 0.35), (5, 0.6), (10, 0.72)):
            value += 0.1 * rng.random()
            yield result(f"{name}/{direction}/R@{k}", value, model, 1000, chance=k / 1000, gallery=1000)


def hits_detail(name, right, *, key_hash="0123456789abcdef", model=""):
    data = {
        "key_hash": key_hash,
        "hits": base64.b64encode(np.packbits(right).tobytes()).decode(),
        "count": len(right),
    }
    return Detail(name, "hits", "hits", data, "f00d", {"model": model})


def write_details(folder: Path, rng: np.random.Generator, model: str) -> None:
    names = ["daisy", "dandelion", "rose", "sunflower", "tulip"]
    rows = [
        {"name": n, "value": v, "interval": [max(0, v - 0.1), min(1, v + 0.1)], "count": 100, "chance": 0.2}
        for n, v in zip(names, rng.random(5).tolist(), strict=True)
    ]
    matrix = (rng.random((5, 5)) * 0.3 + np.eye(5) * 0.6).tolist()
    bins = [
        {
            "low": i / 10,
            "high": (i + 1) / 10,
            "confidence": i / 10 + 0.05,
            "accuracy": max(0, i / 10 - 0.05),
            "count": 9 * i,
        }
        for i in range(10)
    ]
    risk = [[c / 20, 0.5 * c / 20] for c in range(1, 21)]
    lines = [{"name": "by confidence", "points": risk, "band": [[y * 0.8, y * 1.2] for _, y in risk]}]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(folder / "pictures" / f"{i}.jpg")
    shown = [
        {
            "picture": f"pictures/{i}.jpg",
            "title": f"rose, not {names[i]}",
            "lines": ["rose 81 %", "0.02"],
            "right": False,
        }
        for i in range(4)
    ]
    forms = [
        ("Accuracy within each class", "bars", {"rows": rows}),
        (
            "Effect sizes",
            "bars",
            {
                "rows": [
                    {"name": "men, career", "value": -0.4, "interval": [-0.6, -0.1], "count": 8, "chance": None},
                    {"name": "women, family", "value": 1.2, "interval": None, "count": 8, "chance": None},
                ],
                "unit": "number",
            },
        ),
        ("What is taken for what", "matrix", {"rows": names, "columns": names, "values": matrix, "percent": True}),
        ("Worst mistakes", "pictures", {"pictures": shown}),
        ("By group", "table", {"head": ["group", "right", "n"], "rows": [["a", 0.512345, 1200], ["b", None, 3]]}),
        ("Reliability", "reliability", {"bins": bins}),
        ("Risk by coverage", "lines", {"x": "coverage", "y": "risk", "percent": True, "series": lines}),
    ]
    for title, form, data in forms:
        add(folder, Detail("flowers5/zero-shot", title, form, data, "f00d", {"model": model}))
    right = rng.random(500) < (0.7 if model.startswith("A") else 0.62)
    add(folder, hits_detail("flowers5/zero-shot/top-1", right, model=model))


def write_space(folder: Path, *, count: int = 80, width: int = 32) -> None:
    rng = np.random.default_rng(1)
    shared, gaps = rng.normal(size=(count, width)), rng.normal(size=(2, 1, width))
    (folder / "space").mkdir(parents=True)
    pairs = [{"image": f"{i}.jpg", "caption": f"caption {i}"} for i in range(count)]
    (folder / "space" / "pairs.json").write_text(json.dumps(pairs))
    for step, mix in ((0, 0.0), (64, 0.2), (128, 0.4), (256, 0.6), (512, 0.75), (1024, 0.85), (2048, 0.92)):
        parts = mix * shared + (1 - mix) * (1.5 * rng.normal(size=(2, count, width)) + 2 * gaps) + 0.8 * gaps
        parts /= np.linalg.norm(parts, axis=-1, keepdims=True)
        np.save(folder / "space" / f"step-{step:06d}.npy", parts.astype(np.float16))
        append_line(folder / "space" / "steps.jsonl", {"step": step, "embeddings": f"step-{step:06d}.npy"})
