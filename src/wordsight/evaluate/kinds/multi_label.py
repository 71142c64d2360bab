"""Several classes in one image: how well each class ranks the images that have it.

Results: NAME/multi-label/mean-average-precision, the mean over all classes with 0 for one without images
(CLIP_benchmark's), and …/mean-average-precision-present, over the classes that have images.  The score of an image for
a class is the cosine with the class's prompts, as in zero-shot.  Chance is the mean share of images that have a class.
Detail: the average precision of each class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.details import Detail
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.nouns import Result, Sample
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.precision import Absent, average_precisions, mean_average_precision, mean_precision_of
from wordsight.evaluate.resampling import statistic_interval
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import NoOptions, TaskSpec

OPTIONS = NoOptions


@dataclass(frozen=True, slots=True)
class MultiLabelTask:
    """Images (N) with `targets` (N, C), True where an image has a class of `names` (C)."""

    spec: TaskSpec
    images: SampleSet
    names: tuple[str, ...]
    targets: NDArray[np.bool_]
    prompts: tuple[tuple[str, ...], ...]


def labels_of(sample: Sample) -> tuple[str, ...]:
    """Return all classes of a sample, none where it has none."""
    return sample.labels or ((sample.label,) if sample.label is not None else ())


def build(spec: TaskSpec, sets: TaskSets) -> MultiLabelTask:
    """Return the task of all images, those without any class too: they are wrong for every class."""
    images = sets.test.of(row for row in range(len(sets.test)) if sets.test.images[row] is not None)
    labels = [set(labels_of(sample)) for sample in images.samples]
    occurring = set().union(*labels)
    if not occurring:
        raise FormatError(f"{spec.name} has no images with classes", cure="name the column that lists them with label=")
    names = tuple(spec.classes or sorted(occurring))
    if len(names) < 2:
        raise UsageError(f"{spec.name} has one class only, {names[0]!r}", cure="give classes=A,B")
    unknown = occurring - set(names)
    if unknown:
        raise UsageError(f"class {min(unknown)!r} of {spec.name} is not among classes", cure="add it to classes")
    if empty := sum(not own for own in labels):
        notice(f"{spec.name}: {empty} of {len(labels)} images have no class, and count as having none")
    targets = np.array([[name in own for name in names] for own in labels])
    return MultiLabelTask(spec, images, names, targets, prompts_for(spec, names))


def run(encoder: Encoder, task: MultiLabelTask) -> Measured:
    """Return the mean average precision both ways."""
    embeddings = image_embeddings(encoder, task.images.images, name=task.spec.name)
    scores = products(prompt_embeddings(encoder, task.prompts), embeddings).T  # (N, C): images are ranked
    present: NDArray[np.bool_] = np.asarray(task.targets.any(axis=0))
    facts: dict[str, Value] = prompt_facts(task.spec, task.names, task.prompts)
    shares, name = task.targets.mean(axis=0), f"{task.spec.name}/multi-label"
    results = []
    ways: tuple[tuple[str, Absent, float], ...] = (
        ("mean-average-precision", "zero", float(shares.mean())),
        ("mean-average-precision-present", "skip", float(shares[present].mean())),
    )
    for metric, absent, chance in ways:
        statistic = mean_precision_of(scores, task.targets, absent=absent)
        results.append(
            Result(
                f"{name}/{metric}",
                mean_average_precision(scores, task.targets, absent=absent),
                statistic_interval(statistic, len(scores)),
                len(scores),
                setting={**facts, "chance": chance},
            )
        )
    rows = [
        {
            "name": task.names[i],
            "value": float(precision),
            "interval": None,
            "count": int(task.targets[:, i].sum()),
            "chance": float(shares[i]),
        }
        for i, precision in enumerate(average_precisions(scores, task.targets))
        if present[i]
    ]
    return Measured(results, [Detail(name, "Average precision of each class", "bars", {"rows": rows})])
