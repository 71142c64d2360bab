"""Zero-shot classification: each class is an embedding made of its name in many prompts, an image gets the nearest.

Results: NAME/zero-shot/top-1, top-5 (where there are more than five classes) and mean-per-class.  A class's
row is the mean of the unit embeddings of all its prompts (every template with every synonym of its name), made
a unit row again (Radford et al. 2021, section 3.1.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.nouns import Result, Sample
from wordsight.embeddings.classes import class_embeddings
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.metrics import bootstrap_interval, label_ranks, mean_per_class
from wordsight.evaluate.tasks import TaskSpec
from wordsight.text.prompts import class_prompts, templates


@dataclass(frozen=True, slots=True)
class ZeroShotTask:
    """`images` (N), `labels` (N,) numbers into `classes` (C), `prompts` (C) the filled templates of each class."""

    spec: TaskSpec
    images: Sequence[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]


def build(spec: TaskSpec, samples: Sequence[Sample]) -> ZeroShotTask:
    """Return the task of the images that have a class."""
    pairs = [(s.image, _label(s, spec.label)) for s in samples]
    labelled = [(image, label) for image, label in pairs if image is not None and label is not None]
    if not labelled:
        column = f"a column {spec.label!r}" if spec.label else "a class"
        columns = ", ".join(samples[0].meta)
        raise FormatError(f"{spec.name} has no pictures with {column}", cure=f"name a column with label=: {columns}")
    classes = spec.classes or tuple(sorted({label for _, label in labelled}))
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise UsageError(f"classes {', '.join(classes)}", cure="give two different names or more")
    unknown = {label for _, label in labelled} - set(classes)
    if unknown:
        raise UsageError(f"class {min(unknown)!r} of {spec.name} is not among classes", cure="add it to classes")
    numbers = {name: i for i, name in enumerate(classes)}
    patterns = templates(spec.templates)
    prompts = tuple(tuple(class_prompts(name, patterns)) for name in classes)
    labels = np.array([numbers[label] for _, label in labelled], dtype=np.int64)
    return ZeroShotTask(spec, [image for image, _ in labelled], labels, classes, prompts)


def run(encoder: Encoder, task: ZeroShotTask) -> list[Result]:
    """Return top-1, top-5 and mean per class."""
    embeddings = image_embeddings(encoder, task.images, name=task.spec.name)
    ranks = label_ranks(embeddings @ class_embeddings(partial(text_embeddings, encoder), task.prompts).T, task.labels)
    first = ranks < 1
    results = [_result(encoder, task, "top-1", float(first.mean()), bootstrap_interval(first), 1)]
    if len(task.classes) > 5:
        five = ranks < 5
        results.append(_result(encoder, task, "top-5", float(five.mean()), bootstrap_interval(five), 5))
    interval = bootstrap_interval(first, strata=task.labels)
    results.append(_result(encoder, task, "mean-per-class", mean_per_class(first, task.labels), interval, 1))
    return results


def _label(sample: Sample, column: str | None) -> str | None:
    if column is None:
        return sample.label
    value = sample.meta.get(column)
    return None if value is None or value == "" else str(value)


def _result(
    encoder: Encoder, task: ZeroShotTask, metric: str, value: float, interval: tuple[float, float], k: int
) -> Result:
    return Result(
        name=f"{task.spec.name}/zero-shot/{metric}",
        value=value,
        interval=interval,
        count=len(task.labels),
        fingerprint=encoder.fingerprint,
        setting={
            "classes": len(task.classes),
            "chance": k / len(task.classes),
            "templates": task.spec.templates,
        },
    )
