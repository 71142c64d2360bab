"""Which templates to average: chosen on validation images, judged on test images.

    classes = np.stack([model.embed_classes(names, [one]) for one in templates("clip")])    # (T, C, E)
    search = search_templates(classes, validation, most=7)          # Labelled(embeddings, class numbers)
    report = judge_templates(classes, search.chosen, validation=validation, test=test)
    report.chosen, report.all, report.singles                       # accuracies on both, and their gaps

The search is greedy forward selection, as CLIP's authors chose 7 of their 80 templates (their notebook
Prompt_Engineering_for_ImageNet).  A class of several templates is the mean of its unit embeddings, made a unit vector
again (Radford et al. 2021, section 3.1.4).  What was chosen on some images is right more often on those than on others:
`search.tried` and the gaps belong to any figure that is stated.  Ties count against the model, as in
`wordsight.evaluate.metrics`.  Does not know templates or models: arrays in, numbers out.
Shapes: T templates, C classes, E width of an embedding, N images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import UsageError
from wordsight.evaluate.linear import Labelled, Scores
from wordsight.evaluate.metrics import bootstrap_interval, share_interval

Bools = NDArray[np.bool_]
ROWS = 64  # images compared at a time: with 1,000 classes their cosines are 256 kB, which stays in a core's cache
KEPT = 2 << 30  # bytes of cosines that are kept between steps; those of further images are computed again in each
SHORTEST = 1e-12  # a sum of embeddings that is shorter has no direction: it stays near nothing


@dataclass(frozen=True, slots=True)
class PromptSearch:
    """`chosen` templates in the order of their choice, the validation accuracy with each, how many sets were tried."""

    chosen: tuple[int, ...]
    accuracies: tuple[float, ...]
    tried: int


@dataclass(frozen=True, slots=True)
class PromptAccuracy:
    """Top-1 accuracy of one set of templates on both parts."""

    validation: float
    test: float

    @property
    def gap(self) -> float:
        """Return how much better it is where it may have been chosen."""
        return self.validation - self.test


@dataclass(frozen=True, slots=True)
class PromptReport:
    """What the chosen templates are worth, beside all of them and each alone, (T,).

    `interval` is the 95 % one of the chosen templates' test accuracy, `gain` that of their test accuracy less that of
    all templates (the same images resampled for both): with 0 inside it nothing was gained.
    """

    chosen: PromptAccuracy
    all: PromptAccuracy
    singles: tuple[PromptAccuracy, ...]
    interval: tuple[float, float]
    gain: tuple[float, float]


def search_templates(per_template: Embeddings, validation: Labelled, *, most: int = 7) -> PromptSearch:
    """Return the templates that greedy forward selection chooses, at most so many.

    `per_template` (T, C, E) are the unit embeddings of every class in every template.  Each step adds the template
    with which most validation images are right, among equals the first; it ends when none makes more of them right.
    Of the 3,160 pairs of 80 templates 79 are tried, so a better set may be left.
    """
    _check(per_template, validation)
    if most < 1:
        raise UsageError(f"most = {most}", cure="allow at least one template")
    cosines = _Cosines(per_template, validation)
    chosen: list[int] = []
    counts: list[int] = []
    tried = 0
    while len(chosen) < min(most, len(per_template)):
        left = [t for t in range(len(per_template)) if t not in chosen]
        right = _right_with_each(cosines, chosen, left)
        tried += len(left)
        best = int(right.argmax())
        if counts and right[best] <= counts[-1]:
            break
        chosen.append(left[best])
        counts.append(int(right[best]))
    return PromptSearch(tuple(chosen), tuple(count / len(validation) for count in counts), tried)


def combine_templates(per_template: Embeddings, chosen: Sequence[int]) -> Embeddings:
    """Return the unit embedding of each class in several templates, (C, E): the mean, normalised again."""
    return unit(per_template[list(chosen)].sum(axis=0))


def judge_templates(
    per_template: Embeddings, chosen: Sequence[int], *, validation: Labelled, test: Labelled
) -> PromptReport:
    """Return the accuracy of chosen templates, of all and of each alone, on the validation and on the test images."""
    _check(per_template, validation)
    _check(per_template, test)
    if not len(chosen):
        raise UsageError("no template is chosen", cure="give at least one number")

    def both(numbers: Sequence[int]) -> tuple[PromptAccuracy, Bools]:
        classes = combine_templates(per_template, numbers)
        hits = _hits(classes, test)
        return PromptAccuracy(float(_hits(classes, validation).mean()), float(hits.mean())), hits

    mine, hits = both(chosen)
    every, hits_of_all = both(range(len(per_template)))
    singles = tuple(both([t])[0] for t in range(len(per_template)))
    gain = bootstrap_interval(hits.astype(np.float64) - hits_of_all)
    return PromptReport(mine, every, singles, share_interval(hits), gain)


def random_words_templates(seed: int, count: int) -> list[str]:
    """Return templates that describe a class by two words of random letters: the control for descriptions of classes.

    "a photo of a {}, which has kozbl, wuaft.", after Roth et al. 2023 (WaffleCLIP), who got much of the gain of written
    descriptions from such noise.  What a description is worth is what it gains over as many of these.
    """
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(generator.choice(letters, size=generator.integers(3, 10))) for _ in range(2 * count)]
    return [f"a photo of a {{}}, which has {a}, {b}." for a, b in zip(words[::2], words[1::2], strict=True)]


class _Cosines:
    """The cosines (T, rows, C) of images and the classes in each template, a block of rows at a time."""

    def __init__(self, per_template: Embeddings, images: Labelled) -> None:
        self.per_template, self.labels = np.ascontiguousarray(per_template, dtype=np.float32), images.labels
        self._rows = np.ascontiguousarray(images.embeddings, dtype=np.float32)
        self._kept: list[Scores] = []

    def blocks(self) -> Iterator[tuple[slice, Scores]]:
        """Yield each block's rows and cosines."""
        templates, classes, width = self.per_template.shape
        flat = self.per_template.reshape(-1, width)
        kept = KEPT // (4 * ROWS * templates * classes)  # blocks
        for number, start in enumerate(range(0, len(self._rows), ROWS)):
            if number < len(self._kept):
                cosines = self._kept[number]
            else:
                product = self._rows[start : start + ROWS] @ flat.T
                cosines = np.ascontiguousarray(product.reshape(-1, templates, classes).transpose(1, 0, 2))
                if number < kept:
                    self._kept.append(cosines)
            yield slice(start, start + ROWS), cosines


def _right_with_each(cosines: _Cosines, chosen: Sequence[int], left: Sequence[int]) -> NDArray[np.int64]:
    """Return how many images are right with the chosen templates and each of those that are left, (len(left),)."""
    total = cosines.per_template[list(chosen)].sum(axis=0)
    shares = np.stack([_inverse_lengths(total + cosines.per_template[t]) for t in left])  # (left, C)
    right = np.zeros(len(left), np.int64)
    for rows, block in cosines.blocks():
        sums = block[list(chosen)].sum(axis=0)
        for number, t in enumerate(left):
            scores = (sums + block[t]) * shares[number]
            right[number] += np.count_nonzero(_first(scores, cosines.labels[rows]))
    return right


def _inverse_lengths(vectors: Embeddings) -> Scores:
    inverse: Scores = 1 / np.maximum(np.linalg.norm(vectors, axis=1), SHORTEST)
    return inverse


def _hits(classes: Embeddings, images: Labelled) -> Bools:
    """Return which images (N,) are right with class embeddings (C, E)."""
    blocks = range(0, len(images), ROWS)
    return np.concatenate(
        [
            _first(images.embeddings[start : start + ROWS] @ classes.T, images.labels[start : start + ROWS])
            for start in blocks
        ]
    )


def _first(scores: Scores, labels: NDArray[np.int64]) -> Bools:
    """Return in which rows of `scores` (R, C) the label's stands before all others, which it overwrites."""
    rows = np.arange(len(labels))
    own = scores[rows, labels]
    scores[rows, labels] = -np.inf
    first: Bools = own > scores.max(axis=1)
    return first


def _check(per_template: Embeddings, images: Labelled) -> None:
    if per_template.ndim != 3 or not len(per_template) or images.embeddings.shape[1:] != per_template.shape[2:]:
        problem = f"embeddings {per_template.shape} of classes and {images.embeddings.shape} of images"
        raise UsageError(problem, cure="give (templates, classes, width) and (images, width)")
    if per_template.shape[1] < 2:
        raise UsageError("a search with one class: every answer is right", cure="give at least two")
    if not len(images):
        raise UsageError("no images to measure templates on", cure="give at least one")
    if images.labels.min() < 0 or images.labels.max() >= per_template.shape[1]:
        problem = f"class numbers {images.labels.min()} to {images.labels.max()} for {per_template.shape[1]} classes"
        raise UsageError(problem, cure="give numbers from 0, one for each class")
