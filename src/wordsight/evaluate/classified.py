"""Images with classes: which ones, their prompts, and what is recorded of answers beside the accuracy.

    labelled = classes_of(spec, images)              # images with a class, the class names, numbers into them
    prompts = prompts_for(spec, labelled.names)
    details = answers(name, labelled, scores)        # accuracy within classes, confusions, the worst mistakes

Shapes: N images, C classes.  Knows no models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.data.labels import notice_numbers
from wordsight.evaluate.fairness import wilson_interval
from wordsight.evaluate.measured import Measured, hash_of, hits, share, small_image
from wordsight.evaluate.metrics import label_ranks, mean_per_class, per_class_interval
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec
from wordsight.index.index import spread_evenly
from wordsight.text.prompts import fill, prompts_of, templates

MOST_NAMED = 5  # classes in a notice
MOST_IN_MATRIX = 30  # classes of a whole matrix of confusions
MOST_PAIRS = 20  # confusions that are recorded
MOST_MISTAKES = 20  # pictures that are recorded


@dataclass(frozen=True, slots=True)
class Classified:
    """Images (N) with a class: `labels` (N,) are numbers into `names` (C)."""

    images: SampleSet
    names: tuple[str, ...]
    labels: NDArray[np.int64]

    @property
    def keys(self) -> list[str]:
        """The keys of the images."""
        return [sample.key for sample in self.images.samples]

    def of(self, rows: NDArray[np.integer]) -> "Classified":
        """Return some of the images, of the same classes."""
        return Classified(self.images.of(rows), self.names, self.labels[rows])

    def spread(self, most: int) -> "Classified":
        """Return at most so many of the images, evenly spread, of the same classes."""
        return self.of(spread_evenly(len(self.labels), most))

    def also(self, other: "Classified") -> "Classified":
        """Return these images, and behind them the other's of the same classes."""
        return Classified(self.images.also(other.images), self.names, np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True, slots=True)
class PromptedTask:
    """Images (N) with their classes (C); `prompts` (C) are the filled templates of each class."""

    spec: TaskSpec
    classified: Classified
    prompts: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images (N)."""
        return self.classified.images


def classes_of(spec: TaskSpec, images: SampleSet, *, names: Sequence[str] | None = None) -> Classified:
    """Return the images of a set that have a class, and the classes to choose from.

    Those are `names`, else `spec.classes`, else the ones that occur, sorted.  No image with a class, one class alone
    and an image of a class that is not among them are errors; classes without images are noticed.
    """
    labelled = images.labelled()
    if not len(labelled):
        raise _no_class(spec, images)
    if len(labelled) < len(images):
        notice(f"{spec.name}: {len(images) - len(labelled)} of {len(images)} images have no class and are left out")
    given = [str(sample.label) for sample in labelled.samples]
    occurring = set(given)
    classes = tuple(names or spec.classes or sorted(occurring))
    _check_classes(spec, classes, occurring)
    notice_numbers(classes, spec.name)
    numbers = {name: i for i, name in enumerate(classes)}
    return Classified(labelled, classes, np.array([numbers[label] for label in given], dtype=np.int64))


def _no_class(spec: TaskSpec, images: SampleSet) -> FormatError:
    """Return the error of a source in which no image has a class, with what may be meant instead."""
    columns = list(images.samples[0].meta)
    folders = {sample.key.rpartition("/")[0] for sample in images.samples}
    if folders != {""} and len(folders) == 1 and not columns and spec.label is None:
        return FormatError(
            f"{spec.name} has one class only: all images lie in the folder {min(folders)}",
            cure="give images of a second class in a folder beside it",
        )
    problem = f"{spec.name} has no images with a class" + (f": column {spec.label} is empty" if spec.label else "")
    if columns:
        return FormatError(problem, cure=f"name its column with label=, one of: {', '.join(columns)}")
    return FormatError(problem, cure="put the images into a folder for each class, or give a table with a class column")


def _check_classes(spec: TaskSpec, classes: Sequence[str], occurring: set[str]) -> None:
    again = sorted({name for name in classes if classes.count(name) > 1})
    if again or "" in classes:
        cure = "leave out a comma" if "" in classes else f"give {again[0]!r} once"
        raise UsageError(f"classes={','.join(classes)}", cure=cure)
    if len(classes) < 2:
        cure = "give images of a second class, or the others that it could be: classes=A,B"
        raise UsageError(f"{spec.name} has one class only, {classes[0]!r}: every answer is right", cure=cure)
    unknown = occurring - set(classes)
    if unknown:
        raise UsageError(f"class {min(unknown)!r} of {spec.name} is not among classes", cure="add it to classes")
    absent = [name for name in classes if name not in occurring]
    if absent:
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        named = ", ".join(absent[:MOST_NAMED]) + more
        notice(f"{spec.name}: no image is of the class{'' if len(absent) == 1 else 'es'} {named}")


def check_share(held_out: float) -> None:
    """Raise `ConfigError` for a share of images to hold out that leaves too few on either side."""
    if not 0.05 <= held_out <= 0.8:
        raise ConfigError(f"held_out = {held_out}", cure="give 0.05 to 0.8")


def prompts_for(spec: TaskSpec, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the filled templates of each class, (C)."""
    assert spec.templates is not None  # what the set states, or the default
    if spec.naming == "exact":
        patterns = templates(spec.templates) if isinstance(spec.templates, str) else list(spec.templates)
        return tuple(tuple(fill(patterns, name)) for name in names)
    return tuple(map(tuple, prompts_of(names, spec.templates)))


def prompt_facts(spec: TaskSpec, names: Sequence[str], prompts: Sequence[Sequence[str]]) -> dict[str, Value]:
    """Return what a result states of its classes and prompts: number, chance, names of lists, hashes."""
    return {
        "classes": len(names),
        "chance": 1 / len(names),
        "templates": spec.templates if isinstance(spec.templates, str) else "own",
        "templates_hash": hash_of([text for texts in prompts for text in texts]),
        "classes_hash": hash_of(names),
    }


def accuracies(
    name: str, measured: Classified, scores: NDArray[np.floating], facts: dict[str, Value], *, top_5: bool = False
) -> Measured:
    """Return the results of scores (N, C), top-1, mean-per-class and, with `top_5`, top-5, and what there is to draw.

    Top-5 is left out where there are five classes or fewer.
    """
    ranks = label_ranks(scores, measured.labels)
    first, classes = ranks < 1, len(measured.names)
    setting = {"classes": classes, "chance": 1 / classes, **facts}
    results = [share(f"{name}/top-1", first, setting=setting)]
    if top_5 and classes > 5:
        results.append(share(f"{name}/top-5", ranks < 5, setting={**setting, "chance": 5 / classes}))
    interval = per_class_interval(first, measured.labels)
    per_class = mean_per_class(first, measured.labels)
    results.append(Result(f"{name}/mean-per-class", per_class, interval, len(first), setting=setting))
    return Measured(results).and_also(answers(name, measured, scores))


def answers(name: str, measured: Classified, scores: NDArray[np.floating]) -> Measured:
    """Return what is worth drawing of the scores (N, C) of classes for images, without results.

    The accuracy within each class, the most frequent confusions, the worst mistakes (those whose wrong class is
    furthest before the right one) with their pictures, and which images were right.  `name` is that of the task.
    """
    right = label_ranks(scores, measured.labels) < 1
    guesses = scores.argmax(axis=1)
    mistakes, thumbnails = _mistakes(measured, scores, np.flatnonzero(~right))
    details = [
        hits(f"{name}/top-1", measured.keys, right),
        Detail(name, "Accuracy within each class", "bars", {"rows": _within(measured, right)}),
    ]
    if len(measured.names) <= MOST_IN_MATRIX:
        details.append(_matrix(name, measured, guesses))
    if len(pairs := _confusions(measured, guesses, right)):
        head = ["of the class", "taken for", "images", "of"]
        details.append(Detail(name, "What is confused most often", "table", {"head": head, "rows": pairs}))
    if mistakes:
        details.append(Detail(name, "The worst mistakes", "pictures", {"pictures": mistakes}))
    return Measured([], details, thumbnails)


def _matrix(name: str, measured: Classified, guesses: NDArray[np.integer]) -> Detail:
    """Return the share of each class's images that was taken for each class, for the classes that have images."""
    classes = len(measured.names)
    counts = np.bincount(measured.labels * classes + guesses, minlength=classes * classes).reshape(classes, classes)
    present = np.flatnonzero(counts.sum(axis=1))
    shares = counts[present] / counts[present].sum(axis=1, keepdims=True)
    rows, values = [measured.names[i] for i in present], np.round(shares, 4).tolist()
    data = {"rows": rows, "columns": list(measured.names), "values": values, "percent": True}
    return Detail(name, "What the images of each class are taken for", "matrix", data)


def _within(measured: Classified, right: NDArray[np.bool_]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, name in enumerate(measured.names):
        mine = right[measured.labels == number]
        if len(mine):
            low, high = wilson_interval(np.array([mine.sum()]), np.array([len(mine)]))
            rows.append(
                {
                    "name": name,
                    "value": float(mine.mean()),
                    "interval": [float(low[0]), float(high[0])],  # of few images, all right, a bootstrap has no width
                    "count": len(mine),
                    "chance": 1 / len(measured.names),
                }
            )
    return rows


def _confusions(measured: Classified, guesses: NDArray[np.integer], right: NDArray[np.bool_]) -> list[list[str | int]]:
    """Return (class, class it was taken for, how often, of how many), most frequent first."""
    pairs = np.stack([measured.labels, guesses], axis=1)[~right]
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]  # a tie is no confusion
    if not len(pairs):
        return []
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    totals = np.bincount(measured.labels, minlength=len(measured.names))
    return [
        [measured.names[kinds[i, 0]], measured.names[kinds[i, 1]], int(counts[i]), int(totals[kinds[i, 0]])]
        for i in order
    ]


def _mistakes(
    measured: Classified, scores: NDArray[np.floating], wrong: NDArray[np.integer]
) -> tuple[list[dict[str, object]], dict[str, bytes]]:
    """Return the worst mistakes as entries of a detail, and their small pictures; one that is broken has none."""
    own = scores[wrong, measured.labels[wrong]]
    order = wrong[np.argsort(own - scores[wrong].max(axis=1), kind="stable")][:MOST_MISTAKES]
    entries: list[dict[str, object]] = []
    thumbnails: dict[str, bytes] = {}
    for row in order:
        best = int(scores[row].argmax())
        entry: dict[str, object] = {
            "picture": "",
            "title": f"{measured.names[best]}, not {measured.names[measured.labels[row]]}",
            "lines": [
                measured.keys[row],
                f"{scores[row, best]:.3f} for {measured.names[best]}, "
                f"{scores[row, measured.labels[row]]:.3f} for {measured.names[measured.labels[row]]}",
            ],
            "right": False,
        }
        try:
            file, data = small_image(measured.images.images[int(row)], name=measured.keys[row])
            entry["picture"] = file
            thumbnails[file] = data
        except InputError as error:
            entry["lines"] = [measured.keys[row], str(error)]
        entries.append(entry)
    return entries, thumbnails
