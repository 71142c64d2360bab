"""A model tuned on few photos a class, carefully and carelessly: what it gains there, and what it loses elsewhere.

    python benchmarks/guarded_tuning.py --model bundled --data DATA --work WORK --out records/NAME

Learns from 16 photos a class of DATA/clothing's `test` split (of three classes there are fewer), class names as
prompts. The others of that split are validated with, photos of DATA/flickr8k's `train` split are watched. Measured
are the `val` splits: clothing (10 classes) and flickr8k (R@10 of 1,000). Three runs of the recipe `tune`: with its
careful values, with a careless rate, and the latter unguarded. OUT gets the recipe, the curve, what was watched and
the results of each; a table is printed.
"""

import argparse
import shutil
from collections import Counter
from pathlib import Path

from wordsight.base.nouns import Result
from wordsight.base.records import append_line
from wordsight.data.source import open_source
from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe

SHOTS = 16
LENGTH = ["steps=200", "batch=32", "schedule.warmup=20", "validation.every=0", "log=10", "seed=7"]
CARELESS = ["average.start=0", "train.layer_decay=1", "schedule.warmup=0"]
RUNS = {"careful": [], "careless": CARELESS, "unguarded": [*CARELESS, "guard.action=tell"]}
MEASURED = ("clothing/zero-shot/top-1", "flickr8k/text_to_image/R@10")
RECORDED = ("config.json", "metrics.jsonl", "guard.json")


def write_photos(data: Path, work: Path) -> list[str]:
    """Write the photos of clothing's test split as class folders, `few` and `rest`; return the classes."""
    seen: Counter[str] = Counter()
    for sample in sorted(open_source(data / "clothing", split="test").samples(), key=lambda sample: sample.key):
        assert isinstance(sample.image, bytes)
        assert sample.label is not None
        seen[sample.label] += 1
        folder = work / ("few" if seen[sample.label] <= SHOTS else "rest") / sample.label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{sample.key}.jpg").write_bytes(sample.image)
    return sorted(seen)


def changes_of(data: Path, work: Path, classes: list[str]) -> list[str]:
    """Return what all runs change of the recipe."""
    names = ", ".join(f'"{name}"' for name in classes)
    return [
        *(f"root={work}", "data.sources.pairs.place=few", 'export.precisions=["fp32"]'),
        *("validation.tasks.rest.kind=zero-shot", "validation.tasks.rest.place=rest"),
        f"validation.tasks.rest.classes=[{names}]",
        *("guard.tasks.photos.kind=retrieval", f"guard.tasks.photos.place={data / 'flickr8k'}"),
        "guard.tasks.photos.split=train",
    ]


def measure(model: str, data: Path) -> list[Result]:
    """Return the two figures of a model."""
    tasks = (
        TaskSpec("zero-shot", "clothing", name="clothing", split="val"),
        TaskSpec("retrieval", "flickr8k", name="flickr8k", split="val"),
    )
    encoder = load(model)
    results = [result for task in tasks for result in run_task(encoder, build_task(task, root=data)).results]
    return [result for result in results if result.name in MEASURED]


def row(name: str, steps: int | None, results: list[Result]) -> str:
    """Return a line of the table."""
    values = [
        f"{100 * r.value:.1f} ({100 * r.interval[0]:.1f} to {100 * r.interval[1]:.1f})" for r in results if r.interval
    ]
    return " | ".join(["", name, "" if steps is None else str(steps), *values, ""]).strip()


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="bundled")
    for name in ("data", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--careless", default="1e-3", metavar="RATE", help="the careless learning rate")
    parser.add_argument("--set", action="append", default=[], help="a further change of all runs")
    args = parser.parse_args()
    classes = write_photos(args.data.resolve(), args.work)
    changes = [*changes_of(args.data.resolve(), args.work.resolve(), classes), *LENGTH, *args.set]
    before = measure(args.model, args.data)
    table = [row("start", None, before)]
    args.out.mkdir(parents=True, exist_ok=True)
    for result in before:
        append_line(args.out / "results.jsonl", {"run": "start", "name": result.name, "value": result.value})
    for name, own in RUNS.items():
        rate = [f"lr={args.careless}"] if own else []
        config = read_recipe("tune", [*changes, *own, *rate, f"out={args.work / name}"], model=args.model)
        done = train(config, device="cpu")
        results = measure(str(done.model), args.data)
        table.append(row(name, done.steps, results))
        (args.out / name).mkdir(exist_ok=True)
        for file in RECORDED:
            shutil.copy(done.folder / file, args.out / name / file)
        for result in results:
            append_line(args.out / "results.jsonl", {"run": name, "name": result.name, "value": result.value})
    print("| run | steps | clothing top-1 | Flickr8k R@10 |", "|---|---|---|---|", *table, sep="\n")


if __name__ == "__main__":
    main()
