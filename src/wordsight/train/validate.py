"""The trainer measures itself with the same tasks that users call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wordsight.base.arrays import Embeddings
from wordsight.base.nouns import Result, Sample
from wordsight.base.progress import notice
from wordsight.data.source_files import split_named_by
from wordsight.evaluate.building import build_of, build_task
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels
from wordsight.text.open import Tokenizer
from wordsight.towers.two import TwoTowers
from wordsight.train.config import TowerName, TrainConfig
from wordsight.train.locked import Locked
from wordsight.train.log import MetricsLog
from wordsight.train.objective import normalise, statistics
from wordsight.train.pairs import Pairs, SourcePairs
from wordsight.train.precision import autocast


class TowersEncoder:
    """Towers in memory as an `Encoder`: images and texts to unit embeddings, by the weights that they have then."""

    fingerprint = ""  # the weights change with every step

    def __init__(
        self,
        towers: Callable[[], TwoTowers],
        tokenizer: Tokenizer,
        *,
        device: torch.device,
        precision: str,
        locked: Locked | None = None,
    ) -> None:
        self._towers = towers
        self._locked = locked
        self._tokenizer = tokenizer
        self._device = device
        self._precision = precision
        self._preprocess = towers().spec.preprocess
        self._mean, self._std = statistics(self._preprocess, device)

    @torch.inference_mode()
    def embed_images(self, items: Sequence[Any]) -> Embeddings:
        """Return unit embeddings (n, D)."""
        pixels = np.stack([load_pixels(item, self._preprocess) for item in items])
        if self._locked and "image" in self._locked.parts:
            return self._from("image", self._locked.of_images(pixels))
        batch = normalise(torch.from_numpy(pixels).to(self._device), self._mean, self._std)
        with autocast(self._device, self._precision):
            return self._numpy(self._towers().encode_image(batch))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, D)."""
        if self._locked and "text" in self._locked.parts:
            return self._from("text", self._locked.of_texts(texts))
        tokens = torch.from_numpy(self._tokenizer.batch(texts, pad_to="longest")).to(self._device)
        with autocast(self._device, self._precision):
            return self._numpy(self._towers().encode_text(tokens))

    def _from(self, part: TowerName, features: torch.Tensor) -> Embeddings:
        assert self._locked is not None
        with autocast(self._device, self._precision):
            return self._numpy(self._locked.embed(self._towers(), part, features))

    def _numpy(self, embeddings: torch.Tensor) -> Embeddings:
        array: Embeddings = embeddings.float().cpu().numpy()
        return array


class Validation:
    """The tasks of a recipe, or of the images held out where it names none; their images are decoded once."""

    def __init__(self, config: TrainConfig, pairs: Pairs) -> None:
        self._tasks = build_named(config.validation.tasks, config) or [
            task for source in pairs.sources for task in _held_out_task(source, config.model.preprocess)
        ]
        if not self._tasks and config.data.held_out:
            notice("no validation: name a task in validation.tasks (" + _why_none(config) + ")")

    @property
    def tasks(self) -> Sequence[Any]:
        """The built tasks, with pixels in the place of images."""
        return self._tasks

    def run(self, encoder: TowersEncoder) -> list[Result]:
        """Measure the towers as they are now."""
        return [result for task in self._tasks for result in run_task(encoder, task).results]


def beside(before: Sequence[Result], now: Sequence[Result]) -> list[Result]:
    """Return the results of a validation, each with that of before the first step as "start" in its setting."""
    start = {result.name: result.value for result in before}
    return [
        replace(result, setting={**result.setting, "start": start[result.name]}) if result.name in start else result
        for result in now
    ]


def tell_changes(run: Path, step: int, results: Sequence[Result], *, every: int) -> None:
    """Say from which values at the start (`beside`) results came to their own, in percent.

    They are recorded as the end of their curves, unless they were, as those of every so many steps are.
    """
    if not every or step % every:
        record = MetricsLog(run, step=step)
        record.write(step, {result.name: result.value for result in results})
        record.close()
    changes = ", ".join(
        f"{result.name} {100 * float(result.setting['start'] or 0):.1f} -> {100 * result.value:.1f}"
        for result in results
    )
    notice(f"before -> after {step:,} steps: {changes}")
    worse = [
        result.name
        for result in results
        if result.interval is not None and float(result.setting["start"] or 0) > result.interval[1]
    ]
    if worse:
        cure = "a lower lr, fewer steps or average.start keep more"
        notice(f"worse than the model that it began from: {', '.join(worse)}; {cure}")


def build_named(
    tasks: Mapping[str, TaskSpec], config: TrainConfig, *, key: str = "validation.tasks", most: int | None = None
) -> list[Any]:
    """Return the tasks that a recipe names below `key`, images decoded; with `most` of so many images each."""
    built, root = [], Path(config.data.root)
    for name, task in tasks.items():
        with split_named_by(f"{key}.{name}.split="):
            spec = replace(task, name=task.name or name)
            built.append(build_task(spec, root=root, most=most, pixels=config.model.preprocess))
    return built


def _held_out_task(source: SourcePairs, pixels: PreprocessSpec) -> list[Any]:
    """Return the task of a source's held-out images in a list, and notice how many they are."""
    samples = source.validated()
    labels = tuple(sorted({label for label in source.images.labels if label is not None})) if samples else ()
    tasks = task_of(source, samples, labels, pixels)
    if tasks:
        notice(
            f"validation: {len(samples):,} of {len(samples) + source.count():,} images of {source.name} are held out "
            "and never trained on (data.held_out=0 trains on all)"
        )
    return tasks


def task_of(
    source: SourcePairs, samples: Sequence[Sample], classes: Sequence[str], pixels: PreprocessSpec
) -> list[Any]:
    """Return the task of some of a source's images, retrieval by captions or zero-shot by classes, in a list.

    Their images are decoded, as `pixels` says.
    """
    name, where = f"{source.name}-held-out", source.source.name
    if sum(bool(sample.texts) for sample in samples) >= 2:
        spec = TaskSpec("retrieval", where, name=name, options={"protocols": ["clip"]})
        return [build_of(spec, samples, pixels=pixels)]
    if len(classes) >= 2 and any(sample.label for sample in samples):
        templates = source.prompt_list or "none"
        spec = TaskSpec("zero-shot", where, name=name, classes=tuple(classes), templates=templates)
        return [build_of(spec, samples, pixels=pixels)]
    return []


def _why_none(config: TrainConfig) -> str:
    if config.data.pictures != "cached":
        return f'images are held out by themselves only with data.pictures = "cached", not {config.data.pictures!r}'
    return "too few images can be held out: they are few, or share their captions"
