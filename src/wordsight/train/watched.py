"""What is watched of a run that begins from a model: figures that show whether it still can what the model could.

    watched = Watched(own, named)                    # tasks of held-out images, and those that a recipe names
    start = watched.measure(encoder)                 # before the first step
    now = watched.measure(encoder, start)

Figures: for each task recall or accuracy, and of all held-out images the agreement: how alike the answers over the
1,000 names of ImageNet are to the start's.
Shapes: N images, C names, E width of an embedding.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.running import run_task
from wordsight.evaluate.sample_set import in_memory, spread
from wordsight.text.class_names import class_names
from wordsight.text.prompts import fill, templates
from wordsight.train.config import TrainConfig
from wordsight.train.pairs import Pairs
from wordsight.train.validate import build_named, task_of

AGREEMENT = "agreement"
METRICS = ("text_to_image/R@10", "text_to_image/R@5", "text_to_image/R@1", "zero-shot/top-1")
SATURATED = 0.95  # a recall above this may fall far in truth before it does
GUESSED = 0.1  # chance of a recall that says something: R@10 among 100 images or more


@dataclass(frozen=True, slots=True)
class Look:
    """The figures at one step, and `answers` (N, C): what each image has with each name beyond the others."""

    figures: dict[str, Result]
    answers: NDArray[np.float32] | None

    def values(self) -> dict[str, float]:
        """Return the figures as numbers."""
        return {name: result.value for name, result in self.figures.items()}


class Watched:
    """`own` are tasks of held-out images, `named` the further ones of a recipe."""

    def __init__(self, own: Sequence[Any], named: Sequence[Any]) -> None:
        self._own, self._tasks = own, [*own, *named]

    def __bool__(self) -> bool:
        return bool(self._tasks)

    @property
    def own(self) -> list[str]:
        """The names that figures of held-out images begin with."""
        return [task.spec.name for task in self._own]

    def measure(self, encoder: Encoder, start: Look | None = None) -> Look:
        """Return the figures of the towers as they are now; without a `start` this is the start."""
        once, names = Once(encoder), _imagenet_names()
        results = (_chosen(run_task(once, task).results, start) for task in self._tasks)
        figures = {result.name: result for result in results}
        images = [image for task in self._own or self._tasks for image in task.images.images]
        answers = centred(image_embeddings(once, images, name="guard") @ text_embeddings(once, names).T)
        agreement = 1.0 if start is None or start.answers is None else alike(start.answers, answers)
        setting = {"names": len(names)}
        figures[AGREEMENT] = Result(AGREEMENT, agreement, None, len(images), encoder.fingerprint, setting=setting)
        return Look(figures, answers)


@functools.cache
def _imagenet_names() -> tuple[str, ...]:
    prompts = templates("photo")
    return tuple(text for name in class_names("imagenet") for text in fill(prompts, name))


class Once:
    """An encoder that embeds each image once: the tasks of a look share images."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[int, NDArray[np.float32]] = {}
        self.fingerprint = encoder.fingerprint

    def embed_images(self, items: Sequence[Any]) -> Embeddings:
        """Return unit embeddings (n, E)."""
        new = [item for item in items if id(item) not in self._known]
        if new:
            self._known |= zip(map(id, new), self._encoder.embed_images(new), strict=True)
        return np.stack([self._known[id(item)] for item in items])

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, E)."""
        return self._encoder.embed_texts(texts)


def centred(similarities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return similarities (N, C) without what an image has with all names, and what a name has with all images.

    The latter is much of every similarity, and would agree for towers that give all images one embedding.
    """
    result: NDArray[np.float32] = similarities - similarities.mean(axis=1, keepdims=True)
    result -= result.mean(axis=0, keepdims=True)
    return result


def alike(start: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Return the correlation of answers (N, C) with the start's: 1 the same, 0 nothing in common.

    A figure of all the answers: the first name alone often changes between two that fit equally well.
    """
    both = float(np.linalg.norm(start)) * float(np.linalg.norm(now))
    return float(np.vdot(start, now)) / both if both else 0.0


def open_watched(config: TrainConfig, pairs: Pairs) -> Watched:
    """Build what a recipe watches: up to `guard.images` of the images that are validated with, and `guard.tasks`."""
    guard = config.guard
    if guard.action == "off" or not config.init.one_model:
        return Watched([], [])
    own = build_named(config.validation.tasks, config, most=guard.images) or _held_out(config, pairs)
    watched = Watched(own, build_named(guard.tasks, config, key="guard.tasks", most=guard.images))
    if not watched:
        notice(
            "nothing is watched for what the model may lose, since no images are held out: name a task in guard.tasks"
        )
    return watched


def _held_out(config: TrainConfig, pairs: Pairs) -> list[Any]:
    tasks = []
    for source in pairs.sources:
        most = max(2, config.guard.images // len(pairs.sources))
        samples = spread(in_memory(source.name, source.validated()), most).samples
        classes = sorted({sample.label for sample in samples if sample.label is not None})
        tasks += task_of(source, samples, classes, config.model.preprocess)
    return tasks


def _chosen(results: Sequence[Result], start: Look | None) -> Result:
    """Return the one figure that is watched of a task, the start's.

    That is the deepest recall that is not mostly chance and has room to be told apart in, or accuracy.
    """
    for result in results:
        if start is not None and result.name in start.figures:
            return result
    known = [result for metric in METRICS for result in results if result.name.endswith(metric)]
    telling = [result for result in known if float(result.setting.get("chance") or 0.0) <= GUESSED]
    free = [result for result in telling if result.value <= SATURATED]
    return [*free, *reversed(telling), *reversed(known), *results][0]
