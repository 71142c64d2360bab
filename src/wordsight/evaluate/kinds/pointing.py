"""Pointing: does the map of a text have its strongest point on the thing, for things that people outlined?

Results: NAME/pointing/hit, the share of pairs of image and class whose strongest point lies on the class or within 15
of 224 pixels of it (the pointing game, Zhang et al. 2018), /energy-inside, the share of the positive relevance that
lies on it, and /iou, of the map above its mean with the mask (Chefer et al. 2021).  Beside them stand
NAME/pointing/centre/hit and …/iou of a map that falls off from the picture's centre, and NAME/pointing/gain, by how
much the method hits more often.  Chance is that of a random map: for hit and energy the mask's share of the picture,
for iou of half of the pixels.  A pair counts where the class covers `smallest` to `largest` of what the model sees.
Intervals draw images with all their pairs.  Detail: the hits by the size of the thing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.progress import bar
from wordsight.base.suggest import suggest
from wordsight.base.value import Value
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, prompt_embeddings
from wordsight.evaluate.masked import NOTHING, MaskedSet, masked_of, read_masked, same_sides, whole_model
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.metrics import Floats, share_interval
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec
from wordsight.explain.locating import TOLERANCE, centre_map, energy_inside, grown, mask_iou, pointing_game
from wordsight.explain.mask_files import as_seen
from wordsight.explain.masks import BoolMask
from wordsight.explain.methods import AUTO, METHODS
from wordsight.explain.perturbed import upsampled
from wordsight.explain.relevance import Ready, ready, relevance_of
from wordsight.images.decode import decode

SIZES = (0.05, 0.1, 0.2, 0.5, 1.0)  # ends of the groups of things by their share of the picture
MEASURES = ("hit", "energy", "iou", "centre hit", "centre iou", "grown", "share", "random iou")


@dataclass(frozen=True, slots=True)
class PointingOptions:
    """`masks`: the ending of label images beside the images, or their folder; `first`: the number of the first class.

    `method`: auto, or one of `wordsight explain --method`.  `smallest` and `largest`: the share of what the model sees
    that a class covers.  `images`: how many, evenly spread.
    """

    masks: str = "seg.png"
    first: int = 1
    method: str = AUTO
    smallest: float = 0.02
    largest: float = 0.5
    images: int = 50


OPTIONS = PointingOptions
read_set = read_masked


@dataclass(frozen=True, slots=True)
class PointingTask:
    """Images (N) with label images, and the prompts of their classes (C)."""

    spec: TaskSpec
    masked: MaskedSet
    prompts: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images (N)."""
        return self.masked.images


def build(spec: TaskSpec, sets: TaskSets) -> PointingTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    options: PointingOptions = spec.options
    if options.method not in (AUTO, *METHODS):
        raise ConfigError(f"method = {options.method!r}", cure=suggest(options.method, (AUTO, *METHODS)))
    if not 0 <= options.smallest < options.largest <= 1:
        problem = f"smallest = {options.smallest}, largest = {options.largest}"
        raise ConfigError(problem, cure="give shares of the picture, from 0 to 1")
    masked = masked_of(spec, sets.test)
    return PointingTask(spec, masked, prompts_for(spec, masked.names))


def run(encoder: Encoder, task: PointingTask) -> Measured:
    """Return how often and how well maps point at things."""
    spec, masked = task.spec, task.masked
    model = whole_model(encoder, "pointing")
    how = ready(spec.options.method, model)
    classes = prompt_embeddings(encoder, task.prompts)
    values, images = [], []
    with bar(len(masked.images), unit="img", desc=f"{spec.name}, {how.name}") as progress:
        progress.leave = False
        for row in range(len(masked.images)):
            masks = _masks(task, model, row)
            if masks:
                numbers = list(masks)
                maps = _maps(model, how, masked, row, texts=classes[numbers])
                values += [_measures(one, masks[number]) for one, number in zip(maps, numbers, strict=True)]
                images += [row] * len(numbers)
            progress.update(1)
    if not values:
        problem = (
            f"{spec.name} has no class that covers {spec.options.smallest:g} to {spec.options.largest:g} of an image"
        )
        raise FormatError(problem, cure="give other limits with smallest= and largest=")
    facts = {**prompt_facts(spec, masked.names, task.prompts), "method": how.name, "images": len(set(images))}
    return _measured(f"{spec.name}/pointing", np.array(values), np.array(images), facts)


def _masks(task: PointingTask, model: Model, row: int) -> dict[int, BoolMask]:
    """Return the masks (S, S) of the classes of an image as the model sees it, those of a size that counts."""
    masked, options = task.masked, task.spec.options
    labels = masked.labels(row)
    same_sides(labels, decode(masked.images.images[row]).shape[:2], masked.images.samples[row].key)
    seen = as_seen(labels, model.spec.preprocess, outside=NOTHING)
    masks = {number: seen == number for number in np.unique(seen).tolist() if number != NOTHING}
    return {number: mask for number, mask in masks.items() if options.smallest <= mask.mean() <= options.largest}


def _maps(model: Model, how: Ready, masked: MaskedSet, row: int, *, texts: Embeddings) -> NDArray[np.float32]:
    """Return the maps (C, S, S) of texts over an image as the model sees it."""
    pixels = model.load_pixels(masked.images.images[row], name=masked.images.samples[row].key)
    return upsampled(relevance_of(how.name, model, pixels, texts, towers=how.towers), *pixels.shape[:2])


def _measures(relevance: NDArray[np.float32], mask: BoolMask) -> list[float]:
    """Return the numbers of `MEASURES` of one pair."""
    centre, part = centre_map(mask.shape), float(mask.mean())
    return [
        pointing_game(relevance, mask),
        energy_inside(relevance, mask),
        mask_iou(relevance, mask),
        pointing_game(centre, mask),
        mask_iou(centre, mask),
        float(grown(mask, round(TOLERANCE * min(mask.shape))).mean()),
        part,
        part / (1 + part),  # half of the pixels: a half of the mask over the mask and half of the rest
    ]


def _measured(name: str, values: Floats, images: NDArray[np.int64], facts: dict[str, Value]) -> Measured:
    """Return the results of the pairs' numbers (P, `MEASURES`) and which image each is of, (P,)."""
    of = dict(zip(MEASURES, values.T, strict=True))
    by_random_map = {one: float(of[one].mean()) for one in ("grown", "share", "random iou")}
    rows = (
        ("hit", "hit", "grown"),
        ("energy-inside", "energy", "share"),
        ("iou", "iou", "random iou"),
        ("centre/hit", "centre hit", "grown"),
        ("centre/iou", "centre iou", "random iou"),
    )
    results = [
        share(f"{name}/{metric}", of[key], clusters=images, setting={**facts, "chance": by_random_map[chance]})
        for metric, key, chance in rows
    ]
    difference: dict[str, Value] = {**facts, "unit": "difference"}
    difference.pop("chance")
    results.append(share(f"{name}/gain", of["hit"] - of["centre hit"], clusters=images, setting=difference))
    return Measured(results, [_by_size(name, of, images)])


def _by_size(name: str, of: dict[str, Floats], images: NDArray[np.int64]) -> Detail:
    """Return the hits of things by how much of the picture they cover."""
    rows, low = [], 0.0
    for high in SIZES:
        some = (of["share"] > low) & (of["share"] <= high)
        if some.any():
            rows.append(
                {
                    "name": f"{100 * low:g} to {100 * high:g} % of the picture",
                    "value": float(of["hit"][some].mean()),
                    "interval": list(share_interval(of["hit"][some], clusters=images[some])),
                    "count": int(some.sum()),
                    "chance": float(of["grown"][some].mean()),
                }
            )
        low = high
    return Detail(name, "Strongest point on the thing, by its size", "bars", {"rows": rows})
