"""Zero-shot classification: each class is an embedding made of its name in many prompts, an image gets the nearest.

Results: NAME/zero-shot/top-1, top-5 (where there are more than five classes) and mean-per-class; where asked for, also
top-1/CLASS within each class that has images.  The embedding of a class is the mean of those of all its prompts
(every template with every synonym of its name), made a unit vector again (Radford et al. 2021, section 3.1.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.nouns import Result, Sample
from wordsight.base.progress import notice
from wordsight.data.labels import notice_numbers
from wordsight.embeddings.classes import class_embeddings
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.metrics import bootstrap_interval, label_ranks, mean_per_class
from wordsight.evaluate.tasks import TaskSpec
from wordsight.text.prompts import class_prompts, templates

MOST_NAMED = 5  # classes in a notice


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
    labelled = [(s.image, s.label) for s in samples if s.image is not None and s.label is not None]
    if not labelled:
        raise _no_class(spec, samples)
    if len(labelled) < len(samples):
        notice(f"{spec.name}: {len(samples) - len(labelled)} of {len(samples)} images have no class and are left out")
    occurring = {label for _, label in labelled}
    classes = spec.classes or tuple(sorted(occurring))
    _check_classes(spec, classes, occurring)
    notice_numbers(classes, spec.name)
    numbers = {name: i for i, name in enumerate(classes)}
    patterns = templates(spec.templates)
    prompts = tuple(tuple(class_prompts(name, patterns)) for name in classes)
    labels = np.array([numbers[label] for _, label in labelled], dtype=np.int64)
    return ZeroShotTask(spec, [image for image, _ in labelled], labels, classes, prompts)


def _no_class(spec: TaskSpec, samples: Sequence[Sample]) -> FormatError:
    """Return the error of a source in which no image has a class, with what may be meant instead."""
    columns = list(samples[0].meta)
    problem = f"{spec.name} has no images with a class" + (f": column {spec.label} is empty" if spec.label else "")
    if columns:
        return FormatError(problem, cure=f"name its column with label=, one of: {', '.join(columns)}")
    return FormatError(problem, cure="put the images into a folder for each class, or give a table with a class column")


def _check_classes(spec: TaskSpec, classes: Sequence[str], occurring: set[str]) -> None:
    again = sorted({name for name in classes if classes.count(name) > 1})
    if again or "" in classes:
        raise UsageError(
            f"classes={','.join(classes)}", cure=f"give {again[0]!r} once" if again[0:] else "leave out a comma"
        )
    if len(classes) < 2:
        cure = "add others that it could be, for example classes=A,B"
        raise UsageError(f"{spec.name} has one class only, {classes[0]!r}: every answer is right", cure=cure)
    unknown = occurring - set(classes)
    if unknown:
        raise UsageError(f"class {min(unknown)!r} of {spec.name} is not among classes", cure="add it to classes")
    absent = [name for name in classes if name not in occurring]
    if absent:
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        named = ", ".join(absent[:MOST_NAMED]) + more
        notice(f"{spec.name}: no image is of the class{'' if len(absent) == 1 else 'es'} {named}")


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
    return results + (_within_classes(results[0], first, task) if task.spec.per_class else [])


def _within_classes(whole: Result, hits: NDArray[np.bool_], task: ZeroShotTask) -> list[Result]:
    """Return top-1 within each class that has images, `whole` being that of all images."""
    results = []
    for number, name in enumerate(task.classes):
        mine = hits[task.labels == number]
        if len(mine):
            results.append(
                replace(
                    whole,
                    name=f"{whole.name}/{name}",
                    value=float(mine.mean()),
                    interval=bootstrap_interval(mine),
                    count=len(mine),
                    setting={**whole.setting, "class": name},
                )
            )
    return results


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
