"""Linear probe: what a linear classifier reads from the embeddings.

Results: NAME/probe/top-1, top-5 and mean-per-class with the protocol "lbfgs" (Radford et al. 2021, appendix A.3:
logistic regression, its strength swept on the val images, fitted to train and val); NAME/adamw-probe/… and
NAME/adamw-probe/weight-decay with the protocol "adamw", which is CLIP_benchmark's.  `shots` takes so many images of
each class alone.
Details: accuracy within each class, confusions, the worst mistakes.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.adamw_probe import AdamwProtocol, fit_adamw
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import accuracies, classes_of
from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.kinds import supervised
from wordsight.evaluate.kinds.supervised import LearnedTask
from wordsight.evaluate.linear import fit_all, fit_few
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.splits import EmbeddedSplits, drawn, embedded, notice_fewer
from wordsight.evaluate.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """`protocol` as above; `shots`: images a class, all where it is 0; `held_out`: as elsewhere.

    With `sweep` false the protocol "adamw" has no weight decay, as CLIP_benchmark without a val split.
    """

    protocol: Literal["lbfgs", "adamw"] = "lbfgs"
    shots: int = 0
    sweep: bool = True
    held_out: float = 0.2


OPTIONS = ProbeOptions
SETS = ("train", "val")


def build(spec: TaskSpec, sets: TaskSets) -> LearnedTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    if spec.options.shots < 0:
        raise ConfigError(f"shots = {spec.options.shots}", cure="give 1 or more, or 0 for all images")
    splits = supervised.build(spec, sets).splits
    if spec.options.protocol == "adamw" and not spec.options.sweep:  # all are learned from, in the order of their set
        left = splits.train.also(splits.val) if sets.train is None else classes_of(spec, sets.train)
        splits = replace(splits, train=left)
    return LearnedTask(spec, splits)


def run(encoder: Encoder, task: LearnedTask) -> Measured:
    """Return the accuracy of the probe."""
    parts = embedded(encoder, task.splits, name=task.spec.name)
    if shots := task.spec.options.shots:
        notice_fewer(parts.train.labels, parts.names, shots, name=f"{task.spec.name}: probe with {shots} a class")
    return _adamw(task, parts) if task.spec.options.protocol == "adamw" else _lbfgs(task, parts)


def _lbfgs(task: LearnedTask, parts: EmbeddedSplits) -> Measured:
    classes, shots = len(parts.names), task.spec.options.shots
    if shots:
        generator = np.random.default_rng([task.spec.seed, shots])
        learned = parts.train.of(drawn(parts.train.labels, shots, generator))
        linear, strength = fit_few(learned, parts.val, classes=classes)
    else:
        linear, strength = fit_all(parts.train, parts.val, classes=classes)
        learned = parts.train.also(parts.val)
    facts: dict[str, Value] = {"images": len(learned), "strength": f"{strength:.3g}"}
    scores = linear.scores(parts.test.embeddings)
    return accuracies(f"{task.spec.name}/probe", task.splits.test, scores, facts, top_5=True)


def _adamw(task: LearnedTask, parts: EmbeddedSplits) -> Measured:
    options: ProbeOptions = task.spec.options
    held_out = parts.val if options.sweep else None
    protocol = AdamwProtocol(seed=task.spec.seed)
    fit = fit_adamw(parts.train, held_out=held_out, shots=options.shots or None, protocol=protocol)
    name = f"{task.spec.name}/adamw-probe"
    facts: dict[str, Value] = {
        "images": len(parts.train) + (len(parts.val) if options.sweep else 0),
        "decay": f"{fit.weight_decay:.3g}",
    }
    measured = accuracies(name, task.splits.test, fit.linear.scores(parts.test.embeddings), facts, top_5=True)
    decay = Result(f"{name}/weight-decay", fit.weight_decay, None, len(parts.val), setting={**facts, "unit": "number"})
    return Measured([*measured.results, decay], measured.details, measured.pictures)
