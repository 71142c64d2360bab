"""Robustness: how much zero-shot accuracy is left on corrupted images, and on other sets of the same classes.

Results: NAME/robustness/clean/top-1, NAME/robustness/CORRUPTION-STRENGTH/top-1 (`wordsight.images.corruptions`: 15
corruptions at 5 strengths, Hendrycks and Dietterich 2019), NAME/robustness/mean/top-1 over all of them and
NAME/robustness/shifted/SET/top-1 for each set of `shifts`, of the same classes.  Corruptions are applied to what the
tower sees.  `images` takes so many images, evenly spread: each is embedded once for every corruption and strength.
Details: accuracy by strength, and the kept share of the clean accuracy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.base.suggest import suggest
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, changed_embeddings, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, hits, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import PLACE, TaskSpec
from wordsight.images.corruptions import CORRUPTIONS, GROUPS, STRENGTHS, corrupt

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RobustnessOptions:
    """`corruptions`: their names, "all" or "none"; `strengths` of them; `images`: how many; `shifts`: other sets."""

    corruptions: tuple[str, ...] = ("all",)
    strengths: tuple[int, ...] = STRENGTHS
    images: int = 100
    shifts: tuple[str, ...] = field(default=(), metadata=PLACE)


OPTIONS = RobustnessOptions


@dataclass(frozen=True, slots=True)
class RobustnessTask:
    """The images, the corruptions by name, and the further sets of the same classes."""

    spec: TaskSpec
    classified: Classified
    prompts: tuple[tuple[str, ...], ...]
    corruptions: tuple[str, ...]
    shifted: tuple[Classified, ...]

    @property
    def images(self) -> SampleSet:
        """The images that are corrupted."""
        return self.classified.images


def build(spec: TaskSpec, sets: TaskSets) -> RobustnessTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    options: RobustnessOptions = spec.options
    if options.images < 1:
        raise ConfigError(f"images = {options.images}", cure="give 1 or more")
    corruptions = _names(options.corruptions)
    for strength in options.strengths:
        if strength not in STRENGTHS:
            raise ConfigError(f"strengths = {strength}", cure="give some of 1, 2, 3, 4, 5")
    if corruptions and not options.strengths:
        raise ConfigError("corruptions without strengths", cure="give some of 1, 2, 3, 4, 5")
    whole = classes_of(spec, sets.test)
    some = whole.spread(options.images)
    return RobustnessTask(spec, some, prompts_for(spec, some.names), corruptions, _shifted(spec, sets, whole.names))


def _shifted(spec: TaskSpec, sets: TaskSets, classes: Sequence[str]) -> tuple[Classified, ...]:
    """Return the sets of `shifts`; errors and notices name the set that they are about."""
    shifted: dict[str, Classified] = {}
    for location, images in zip(spec.options.shifts, sets.shifted, strict=True):
        if images.name in shifted:
            problem = f"shifts = {location!r}: two sets have the name {images.name!r}, under which results stand"
            raise ConfigError(problem, cure="give each once, or rename a folder")
        shifted[images.name] = classes_of(replace(spec, name=images.name), images, names=classes)
    return tuple(shifted.values())


def _names(asked: Sequence[str]) -> tuple[str, ...]:
    """Return the corruptions that are meant, in the order of their table; words may be joined by "-"."""
    plain = [name.replace("-", " ").replace("_", " ") for name in asked]
    if plain == ["none"]:
        return ()
    if "none" in plain:
        raise ConfigError("corruptions = 'none' beside others", cure="give it alone, or leave it out")
    for name in plain:
        if name not in ("all", *CORRUPTIONS, *GROUPS):
            raise ConfigError(f"corruptions = {name!r}", cure=suggest(name, ["all", "none", *GROUPS, *CORRUPTIONS]))
    wanted = {one for name in plain for one in GROUPS.get(name, (name,))}
    return tuple(name for name in CORRUPTIONS if "all" in plain or name in wanted)


def run(encoder: Encoder, task: RobustnessTask) -> Measured:
    """Return the accuracy on clean, corrupted and shifted images."""
    classes, part = prompt_embeddings(encoder, task.prompts), task.classified
    facts: dict[str, Value] = prompt_facts(task.spec, part.names, task.prompts)
    name = f"{task.spec.name}/robustness"
    clean = _right(image_embeddings(encoder, part.images.images, name=task.spec.name), classes, part)
    results = [share(f"{name}/clean/top-1", clean, setting=facts)]
    details = [hits(f"{name}/clean/top-1", part.keys, clean)]
    by_corruption: dict[str, list[Result]] = {}
    everything: list[Bools] = []
    for corruption in task.corruptions:
        for strength in sorted(set(task.spec.options.strengths)):
            change = partial(_corrupted, task.spec.seed, corruption, strength, part.keys)
            shown = f"{task.spec.name}, {corruption} {strength}"
            right = _right(changed_embeddings(encoder, part.images, change, name=shown), classes, part)
            setting: dict[str, Value] = {**facts, "corruption": corruption, "strength": strength}
            one = share(f"{name}/{corruption.replace(' ', '-')}-{strength}/top-1", right, setting=setting)
            by_corruption.setdefault(corruption, []).append(one)
            everything.append(right)
    results += [one for ones in by_corruption.values() for one in ones]
    if everything:
        results.append(share(f"{name}/mean/top-1", np.mean(everything, axis=0), setting=facts))
        details += _lines(name, results[0], by_corruption)
    for location, other in zip(task.spec.options.shifts, task.shifted, strict=True):
        right = _right(image_embeddings(encoder, other.images.images, name=other.images.name), classes, other)
        results.append(share(f"{name}/shifted/{other.images.name}/top-1", right, setting={**facts, "set": location}))
    return Measured(results, details)


def _corrupted(seed: int, corruption: str, strength: int, keys: Sequence[str], row: int, pixels: Pixels) -> Pixels:
    """Return the image of a row, corrupted by random numbers of its own."""
    own = crc32(f"{seed} {keys[row]} {corruption} {strength}".encode(errors="replace"))
    return corrupt(pixels, corruption, strength, seed=own)


def _right(embeddings: Embeddings, classes: Embeddings, part: Classified) -> Bools:
    right: Bools = label_ranks(products(embeddings, classes), part.labels) < 1
    return right


def _lines(name: str, clean: Result, by_corruption: Mapping[str, Sequence[Result]]) -> list[Detail]:
    """Return a chart for each group of corruptions, and a table of what is kept."""
    details = []
    for group, names in GROUPS.items():
        series = [
            {
                "name": corruption,
                "points": [[0, clean.value], *([int(one.setting["strength"] or 0), one.value] for one in ones)],
                "band": [list(one.interval or (one.value, one.value)) for one in (clean, *ones)],
            }
            for corruption, ones in by_corruption.items()
            if corruption in names
        ]
        if series:
            data = {"x": "strength", "y": "top-1", "percent": True, "series": series}
            details.append(Detail(name, f"Accuracy of corrupted images: {group}", "lines", data))
    rows = [
        [corruption, *(f"{100 * one.value:.1f} %" for one in ones), _kept(ones, clean)]
        for corruption, ones in by_corruption.items()
    ]
    strengths = [str(one.setting["strength"]) for one in next(iter(by_corruption.values()))]
    head = ["corruption", *strengths, "mean, of clean"]
    title = f"Accuracy by strength (clean: {100 * clean.value:.1f} %)"
    return [*details, Detail(name, title, "table", {"head": head, "rows": rows})]


def _kept(ones: Sequence[Result], clean: Result) -> str:
    return f"{100 * np.mean([one.value for one in ones]) / clean.value:.0f} %" if clean.value else ""
