"""Adversarial images: how far accuracy falls when every number of an image may move by a few of its 255 levels.

Results: NAME/adversarial/epsilon-0/top-1, of `images` measured images, evenly spread, as they are, and epsilon-E/top-1
of those attacked within E levels (`wordsight.engines.attack`), both through the engine that is measured.  An attacker
may leave an image as it is, so one that is wrong as it is counts as wrong at every epsilon.  The attack climbs the
gradients of the model's own weights in PyTorch.  It is an upper bound: a stronger attack leaves less.
Details: accuracy by epsilon, and what would speak for masked gradients, which make an attack look weak; they are looked
for on some of the images that are right as they are, since the others say nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import bar
from wordsight.base.value import Value
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.engines.attack import Attack, attacked, check_gradients
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import PromptedTask, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prepared, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, hits, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.sample_set import blocks
from wordsight.evaluate.tasks import TaskSpec

if TYPE_CHECKING:
    from wordsight.towers.two import TwoTowers

AT_ONCE = 32  # images that are attacked together
CHECKED = 8  # images, at most, by which masked gradients are looked for
GRADIENTS = 200  # about so many are taken of each of them: they should take half the time of the attacks at most


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


def build(spec: TaskSpec, sets: TaskSets) -> PromptedTask:
    """Return the task; options that cannot be are errors that name them."""
    options: AdversarialOptions = spec.options
    if not options.epsilon or options.images < 1:
        raise ConfigError(f"epsilon = {options.epsilon}, images = {options.images}", cure="give 1 or more of both")
    for epsilon in options.epsilon:
        _attack(spec, epsilon)
    whole = classes_of(spec, sets.test)
    some = whole.spread(options.images)
    return PromptedTask(spec, some, prompts_for(spec, some.names))


def _attack(spec: TaskSpec, epsilon: int) -> Attack:
    options: AdversarialOptions = spec.options
    return Attack(epsilon, options.steps, options.restarts, options.way, spec.seed)


def run(encoder: Encoder, task: PromptedTask) -> Measured:
    """Return the accuracy on images as they are and on attacked ones."""
    model = encoder.model if isinstance(encoder, KeptModel) else encoder
    if not isinstance(model, Model) or model.folder is None:
        raise UsageError("adversarial needs a model whose weights lie in a folder", cure="measure a whole model")
    preprocess, part = model.spec.preprocess, task.classified
    if preprocess.resize == "patches":
        problem = f"adversarial needs images of one size, and {model.name} keeps the shape of each"
        raise UsageError(problem, cure="measure a model with images of one size")
    towers = resolve("wordsight.weights.folder:load_towers", extra="train")(model.folder)
    classes = prompt_embeddings(encoder, task.prompts)
    facts = prompt_facts(task.spec, part.names, task.prompts)
    facts |= {"steps": task.spec.options.steps, "restarts": task.spec.options.restarts, "way": task.spec.options.way}
    name = f"{task.spec.name}/adversarial"
    unchanged = image_embeddings(encoder, part.images.images, name=task.spec.name)
    by_epsilon = {0: label_ranks(products(unchanged, classes), part.labels) < 1}
    rows = _signs(encoder, task, towers, classes, by_epsilon[0])
    epsilons = sorted(set(task.spec.options.epsilon) - {0})
    with bar(len(part.labels) * len(epsilons), unit="img", desc=f"{task.spec.name} attacked") as progress:
        progress.leave = False
        right: dict[int, list[NDArray[np.bool_]]] = {epsilon: [] for epsilon in epsilons}
        for block in blocks(len(part.labels), AT_ONCE):
            pixels = np.stack(prepared(encoder, part.images.images[block], part.keys[block]))
            labels = part.labels[block]
            for epsilon in epsilons:
                worst = attacked(towers, preprocess, pixels, classes, labels=labels, attack=_attack(task.spec, epsilon))
                right[epsilon].append(label_ranks(products(encoder.embed_images(list(worst)), classes), labels) < 1)
                progress.update(len(labels))
    by_epsilon |= {epsilon: by_epsilon[0] & np.concatenate(parts) for epsilon, parts in right.items()}
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
    details.append(Detail(name, "Signs of masked gradients", "table", {"head": ["sign"], "rows": rows}))
    return Measured(results, details)


def _signs(
    encoder: Encoder, task: PromptedTask, towers: "TwoTowers", classes: Embeddings, right: NDArray[np.bool_]
) -> list[list[str]]:
    """Return what speaks for masked gradients, a line each, by images that are `right` (N,) as they are."""
    part, options = task.classified, task.spec.options
    able = np.flatnonzero(right)
    if not len(able):
        return [["not looked for: no image is right as it is"]]
    attacks = len(right) * len(set(options.epsilon)) * options.steps  # gradients
    most = min(len(able), CHECKED, max(1, attacks // (2 * GRADIENTS)))
    rows = [int(able[i * len(able) // most]) for i in range(most)]
    pixels = np.stack(prepared(encoder, [part.images.images[row] for row in rows], [part.keys[row] for row in rows]))
    check = check_gradients(towers, towers.spec.preprocess, pixels, classes, labels=part.labels[rows])
    return [[sign] for sign in check.signs()] or [[f"none, by {most} image{'' if most == 1 else 's'}"]]
