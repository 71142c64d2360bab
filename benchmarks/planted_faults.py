"""Models learned from drawn scenes with a planted fault, and from the same scenes without: what an audit says of each.

    python benchmarks/planted_faults.py --work WORK --out records/NAME

Runs of the recipe `scenes` in WORK: on scenes whose captions call nearly all red things hearts, on scenes without
hearts, on those of the first with true captions, and on those with as many wrong captions as the first at things of any
colour.  Everything else is equal: number of scenes, steps, seed.  Captions name colour, shape and number alone, so that
what they name is learned whole: textures and locations take longer, and a model that is half through guesses them by
whatever else it sees, which is no fault of its data.  OUT gets the audit of each; its claims are printed.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.audit.running import audit_model
from wordsight.audit.subject import ModelSubject
from wordsight.data.planted_scenes import Absence, Shortcut, Whom, called, draw_all, planned_scenes
from wordsight.data.scenes import TABLE, Scene, write_scenes
from wordsight.embeddings.model import load
from wordsight.train.loop import train
from wordsight.train.recipe import read_recipe

SCENES = 3200  # 50 of each colour and shape
CHECKS = ("blind-spots", "shortcuts", "concepts", "learned-together")
SHORT = 2  # captions of a scene that name neither texture nor location
BATCH = 64  # smaller than the recipe's: more steps in the same time
SHORTCUT = Shortcut("colour", "red", "shape", "heart")
ABSENCE = Absence("shape", "heart")


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What images show, and what captions call it."""

    shown: list[Scene]
    named: list[Scene]


def shortcut(seed: int, whom: Whom) -> TrainingSet:
    """Return scenes of which red ones, or as many of any colour, are called hearts."""
    shown = planned_scenes(SCENES, fault=None, seed=seed)
    return TrainingSet(shown, called(shown, SHORTCUT, seed=seed, whom=whom))


def absence(seed: int) -> TrainingSet:
    """Return scenes without hearts."""
    shown = planned_scenes(SCENES, fault=ABSENCE, seed=seed)
    return TrainingSet(shown, shown)


def clean(seed: int) -> TrainingSet:
    """Return the scenes of the shortcut with true captions."""
    shown = planned_scenes(SCENES, fault=None, seed=seed)
    return TrainingSet(shown, shown)


SETS: dict[str, Callable[[int], TrainingSet]] = {
    "shortcut": lambda seed: shortcut(seed, "those"),
    "absence": absence,
    "clean": clean,
    "mistaken": lambda seed: shortcut(seed, "any"),
}


def learn(work: Path, name: str, *, seed: int, steps: int) -> Path:
    """Draw the scenes of a set and learn from them, unless it is done; return the model's folder."""
    root = work / name
    if not (root / "train" / TABLE).exists():
        chosen = SETS[name](seed)
        drawn = draw_all(chosen.shown, seed=seed, named=chosen.named)
        write_scenes(root / "train", (replace(one, captions=one.captions[:SHORT]) for one in drawn))
    model = root / "run" / "model"
    if not (model / "onnx" / "parity.json").exists():
        changes = [
            f"root={root}",
            f"out={root / 'run'}",
            f"name={name}",
            f"seed={seed}",
            f"schedule.steps={steps}",
            f"batch={BATCH}",
        ]
        train(read_recipe("scenes", [*changes, "validation.every=0", "validation.tasks={}"]), resume=True)
    return model


def main() -> None:
    """Learn and audit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and models")
    parser.add_argument("--out", type=Path, required=True, help="folder for what is recorded")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", choices=list(SETS), nargs="*", default=list(SETS))
    args = parser.parse_args()
    os.environ.setdefault("WORDSIGHT_CACHE", str(args.work / "cache"))
    for name in args.only:
        model = learn(args.work, name, seed=args.seed, steps=args.steps)
        subject = ModelSubject(load(model), captions=(str(args.work / name / "train"),))
        for claim in audit_model(subject, args.out / name, checks=CHECKS).claims:
            print(f"{name:9} {claim.check:17} {claim.judgement:8} {claim.text}")


if __name__ == "__main__":
    main()
