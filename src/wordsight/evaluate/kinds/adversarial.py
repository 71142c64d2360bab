"""Adversarial images: how far accuracy falls when every number of an image may move by a few of its 255 levels.

Results: NAME/adversarial/epsilon-0/top-1, of the first `images` measured images as they are, and epsilon-E/top-1 of
those attacked within E levels (`wordsight.engines.attack`), both through the engine that is measured.  The attack
climbs the gradients of the model's own weights in PyTorch.  It is an upper bound: a stronger attack leaves less.
Details: accuracy by epsilon, and what would speak for masked gradients, which make an attack look weak.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import bar
from wordsight.base.value import Value
from wordsight.embeddings.kept import KeptModel
from wordsight.engines.attack import Attack, attacked, check_gradients
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prepared, prompt_embeddings
from wordsight.evaluate.measured import Measured, hits, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.sample_set import SampleSet, blocks, spread
from wordsight.evaluate.tasks import TaskSpec

AT_ONCE = 32  # images that are attacked together
CHECKED = 8  # images by which masked gradients are looked for, about 200 gradients of each


@dataclass(frozen=True, slots=True)
class AdversarialOptions:
    """`epsilon`: levels of 255, several are several results; `steps`, `restarts` and `way` of the attack.

    `images`: how many are attacked, evenly spread (20 steps of one take about a second of a core).
    """

    epsilon: tuple[int, ...] = (1, 2, 4)
    steps: int = 20
    restarts: int = 1
    way: Literal["pgd", "apgd"] = "apgd"
    images: int = 100


OPTIONS = AdversarialOptions


@dataclass(frozen=True, slots=True)
class AdversarialTask:
    """The images that are attacked, with the prompts of their classes."""

    spec: TaskSpec
    classified: Classified
    prompts: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images."""
        return self.classified.images


def build(spec: TaskSpec, sets: TaskSets) -> AdversarialTask:
    """Return the task; options that cannot be are errors that name them."""
    options: AdversarialOptions = spec.options
    if not options.epsilon or options.images < 1:
        raise ConfigError(f"epsilon = {options.epsilon}, images = {options.images}", cure="give 1 or more of both")
    for epsilon in options.epsilon:
        _attack(spec, epsilon)
    whole = classes_of(spec, sets.test)
    some = classes_of(spec, spread(whole.images, options.images), names=whole.names)
    return AdversarialTask(spec, some, prompts_for(spec, some.names))


def _attack(spec: TaskSpec, epsilon: int) -> Attack:
    options: AdversarialOptions = spec.options
    return Attack(epsilon, options.steps, options.restarts, options.way, spec.seed)


def run(encoder: Encoder, task: AdversarialTask) -> Measured:
    """Return the accuracy on images as they are and on attacked ones."""
    if not isinstance(encoder, KeptModel) or encoder.model.folder is None:
        raise UsageError("adversarial needs a model whose weights lie in a folder", cure="measure a whole model")
    towers = resolve("wordsight.weights.folder:load_towers")(encoder.model.folder)
    preprocess, part = encoder.model.spec.preprocess, task.classified
    classes = prompt_embeddings(encoder, task.prompts)
    facts = prompt_facts(task.spec, part.names, task.prompts)
    facts |= {"steps": task.spec.options.steps, "restarts": task.spec.options.restarts, "way": task.spec.options.way}
    name = f"{task.spec.name}/adversarial"
    unchanged = image_embeddings(encoder, part.images.images, name=task.spec.name)
    by_epsilon = {0: label_ranks(unchanged @ classes.T, part.labels) < 1}
    signs: list[str] = []
    epsilons = sorted(set(task.spec.options.epsilon))
    with bar(len(part.labels) * len(epsilons), unit="img", desc=f"{task.spec.name} attacked") as progress:
        progress.leave = False
        right: dict[int, list[np.ndarray[tuple[int], np.dtype[np.bool_]]]] = {epsilon: [] for epsilon in epsilons}
        for block in blocks(len(part.labels), AT_ONCE):
            pixels = np.stack(prepared(encoder, part.images.images[block], part.keys[block]))
            labels = part.labels[block]
            if not block.start:
                some = slice(0, CHECKED)
                check = check_gradients(towers, preprocess, pixels[some], classes, labels=labels[some])
                signs = check.signs()
            for epsilon in epsilons:
                worst = attacked(towers, preprocess, pixels, classes, labels=labels, attack=_attack(task.spec, epsilon))
                right[epsilon].append(label_ranks(encoder.embed_images(list(worst)) @ classes.T, labels) < 1)
                progress.update(len(labels))
    by_epsilon |= {epsilon: np.concatenate(parts) for epsilon, parts in right.items()}
    results, details = [], []
    for epsilon, hit in by_epsilon.items():
        setting: dict[str, Value] = {**facts, "epsilon": epsilon}
        results.append(share(f"{name}/epsilon-{epsilon}/top-1", hit, setting=setting))
        details.append(hits(f"{name}/epsilon-{epsilon}/top-1", part.keys, hit))
    points = [[epsilon, result.value] for epsilon, result in zip(by_epsilon, results, strict=True)]
    bands = [list(result.interval or (result.value, result.value)) for result in results]
    series = [{"name": f"{task.spec.options.way}, {task.spec.options.steps} steps", "points": points, "band": bands}]
    data = {"x": "levels of 255", "y": "top-1", "percent": True, "series": series}
    details.append(Detail(name, "Accuracy of attacked images", "lines", data))
    rows = [[sign] for sign in signs] or [["none"]]
    details.append(Detail(name, "Signs of masked gradients", "table", {"head": ["sign"], "rows": rows}))
    return Measured(results, details)
