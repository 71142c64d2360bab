"""Does learning from curated pairs beat learning from all of a set in which captions are swapped?

    python benchmarks/curated_training.py --work WORK [--swapped 0.4] [--steps 400]

Drawn scenes, of which a share has the captions of other ones.  The same small towers learn, for the same number of
steps, from all pairs, and from what `wordsight data curate` keeps: scored by a model that learned from other, clean
scenes (as data filtering networks do), and by the one that learned from all pairs of this set.  The bound is what the
sound pairs alone teach.  Measured is the naming of new scenes by 64 names; chance is 1.6 %.
"""

import argparse
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from wordsight.curate.judging import judge
from wordsight.curate.pool import PairPool
from wordsight.curate.rule_text import read_rules
from wordsight.curate.selection import write_pairs
from wordsight.data.planted_scenes import draw_all, planned_scenes
from wordsight.data.scenes import all_pairs, write_scenes
from wordsight.data.source import open_source
from wordsight.embeddings.model import load
from wordsight.evaluate.building import build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe

SCENES = 3200
FILTER_SCENES = 1600  # clean ones, of another seed
TEST_SCENES = 960
SHORT = 2  # captions of a scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--swapped", type=float, default=0.4)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    os.environ.setdefault("WORDSIGHT_CACHE", str(args.work / "cache"))
    work: Path = args.work
    sound = draw(work / "all", count=SCENES, seed=0, swapped=args.swapped)
    draw(work / "clean", count=FILTER_SCENES, seed=7, swapped=0.0)
    draw(work / "test", count=TEST_SCENES, seed=8, swapped=0.0)
    models = {name: learn(work, name, work / name, args.steps) for name in ("all", "clean")}
    pool = PairPool(open_source(work / "all"), lambda: load(models["clean"]))
    of_pair = sound[[int(record.key.split("/")[-1].split(".")[0]) for record in pool.records.rows()]]
    of_pair = of_pair[pool.records.owners]
    rule = f"clip-score:top={1 - args.swapped:.2f}"
    print_model("all", work, models["all"], "")
    for name, scorer in (("by the clean model", "clean"), ("by the model of all", "all"), ("bundled", None)):
        scored = PairPool(open_source(work / "all"), lambda scorer=scorer: load(models.get(scorer) if scorer else None))
        verdicts = judge(scored, read_rules([rule]))
        short = name.replace(" ", "-")
        table = work / f"{short}.csv"
        write_pairs(scored, verdicts, table)
        swapped, good = ((~verdicts.kept[which]).mean() for which in (~of_pair, of_pair))
        drops = f"drops {swapped:.1%} of swapped and {good:.1%} of sound pairs"
        print_model(f"curated {name}", work, learn(work, short, table, args.steps), drops)
    verdicts.kept[:] = of_pair
    write_pairs(scored, verdicts, work / "sound.csv")
    print_model("sound pairs alone", work, learn(work, "sound", work / "sound.csv", args.steps), "")


def draw(folder: Path, *, count: int, seed: int, swapped: float) -> np.ndarray:
    """Write scenes; return which have their own captions, bool (count,)."""
    shown = planned_scenes(count, fault=None, seed=seed)
    generator = np.random.default_rng(seed)
    wrong = generator.permutation(count)[: round(swapped * count)]
    named = list(shown)
    for row, other in zip(wrong.tolist(), np.roll(wrong, 1).tolist(), strict=True):
        named[row] = shown[other]
    if folder.exists():
        shutil.rmtree(folder)
    drawn = draw_all(shown, seed=seed, named=named)
    write_scenes(folder, (replace(one, captions=one.captions[:SHORT]) for one in drawn))
    sound = np.ones(count, bool)
    sound[wrong] = False
    return sound


def learn(work: Path, name: str, location: Path, steps: int) -> Path:
    """Learn from a set and return the model's folder."""
    run = work / "runs" / name
    changes = [
        f"root={work}",
        f"data.sources.scenes.place={location.name}",
        f"out={run}",
        f"name={name}",
        f"schedule.steps={steps}",
        "batch=64",
        "validation.every=0",
        "validation.tasks={}",
    ]
    train(read_recipe("scenes", changes), resume=False)
    return run / "model"


def print_model(name: str, work: Path, model: Path, drops: str) -> None:
    """Measure a model and print it."""
    names = tuple(f"{colour} {shape}" for colour, shape in all_pairs())
    spec = TaskSpec("zero-shot", str(work / "test"), name="test", classes=names, templates="none")
    for result in run_task(load(model), build_task(spec)).results:
        if result.name.endswith("top-1"):
            low, high = result.interval or (0.0, 0.0)
            print(f"| {name} | {result.value:.1%} ({low:.1%} to {high:.1%}) | {drops} |", flush=True)


if __name__ == "__main__":
    main()
