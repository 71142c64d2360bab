"""For whom it gets things wrong: groups of images that people have labelled, never groups that a model guesses.

The measures of `wordsight.evaluate.kinds.bias` on each labelled set with `groups=COLUMN`, and for each group beside all
others: the difference in accuracy, the same among images of the same classes (groups hold different classes, and some
are harder), watched labels where given, and classes that are wrongly given to one group more often than to the others.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import POINTS, Limit, claim, directed
from wordsight.audit.differences import ShareDifference, difference, same_strata
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.subject import LabelledSet, ModelSubject
from wordsight.base.nouns import Result
from wordsight.evaluate.building import build_from
from wordsight.evaluate.classified import prompts_for
from wordsight.evaluate.encode import image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.kinds.bias import FEWEST_IN_GAP, BiasTask
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.running import run_task

CHECK, TITLE = "groups", "For whom"
LEAD = (
    "Each group of a column that people filled in is compared with all other images: accuracy, labels that are "
    "watched, and classes that are wrongly given."
)
LIMITS = (
    "A column says what somebody wrote of an image, not what is true of a person. Groups hold different images: the "
    "figure among the same classes takes out what classes explain, nothing else. Groups of fewer than 10 images are "
    "left out."
)
TOLERATED = 0.05  # a difference of shares that is let pass: five points, a convention
MOST_CLASSES = 3  # wrongly given classes that are named


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return the differences between groups of every set that has a column of them."""
    sets = [one for one in subject.data if one.groups]
    if not sets:
        cure = "give --data PLACE?groups=COLUMN, a column that says which group an image belongs to"
        return Skipped(CHECK, TITLE, "no labelled set names a column of groups", cure)
    claims: list[Claim] = []
    measured = Measured([])
    for one in sets:
        part = _of_set(subject, one)
        claims += part.claims
        measured = measured.and_also(part.measured)
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _of_set(subject: ModelSubject, one: LabelledSet) -> Finding:
    options = {key: getattr(one.spec.options, key) for key in ("groups", "k", "watched", "added", "a", "b")}
    spec = one.task("bias", **options)
    task: BiasTask = build_from(spec, subject.reader.sets(spec))
    measured = run_task(subject.model, task)
    part = task.classified
    images = image_embeddings(subject.model, part.images.images, name=one.name)
    classes = prompt_embeddings(subject.model, prompts_for(task.spec, part.names))
    scores = products(images, classes)
    right, guesses = label_ranks(scores, part.labels) < 1, scores.argmax(axis=1)
    sizes = np.bincount(task.groups)
    groups = [group for group in range(len(task.group_names)) if sizes[group] >= FEWEST_IN_GAP]
    claims = [
        *_accuracies(task, right, groups),
        *_watched(task, measured, groups),
        *_wrongly_given(task, guesses, groups),
    ]
    return Finding(
        CHECK,
        TITLE,
        "",
        claims,
        Measured([*measured.results, *(c.result for c in claims)]).and_also(
            Measured([], measured.details, measured.pictures)
        ),
    )


def _accuracies(task: BiasTask, right: NDArray[np.bool_], groups: list[int]) -> Iterator[Claim]:
    """Yield how much less often images of each group get their class than the others', plain and within classes."""
    name, column = task.spec.name, task.spec.options.groups
    limit = Limit(-TOLERATED, "below", among=2 * len(groups))
    for group in groups:
        named = task.group_names[group]
        members, about = task.groups == group, f"{column} = {named}"
        gap = difference(*_counts(right, members), *_counts(right, ~members))
        own, other = _share(right, members), _share(right, ~members)
        result = _result(f"{name}/groups/accuracy/{named}", gap)
        text = f"{name}: accuracy of {about} ({own}) is {_beside(result)} than that of all others ({other})."
        yield claim(CHECK, result, text, limit, about=about)
        alike = same_strata(right, members, task.classified.labels)
        if alike is not None:
            result = _result(f"{name}/groups/accuracy-within-classes/{named}", alike)
            text = f"{name}: accuracy of {about} is {_beside(result)} than that of others of the same classes."
            yield claim(CHECK, result, text, limit, about=about)


def _watched(task: BiasTask, measured: Measured, groups: list[int]) -> Iterator[Claim]:
    """Yield for each group how much more often it gets a watched label, from the shares of `bias`."""
    name, column = task.spec.name, task.spec.options.groups
    shares = {
        str(one.setting["group"]): (round(one.value * one.count), one.count)
        for one in measured.results
        if "/bias/watched/" in one.name
    }
    for group in groups if shares else []:
        named = task.group_names[group]
        hits, count = shares[named]
        others = [shares[other] for other in shares if other != named]
        gap = difference(hits, count, sum(h for h, _ in others), sum(n for _, n in others))
        labels = ", ".join(task.spec.options.watched)
        about = f"{column} = {named}"
        result = _result(f"{name}/groups/watched/{named}", gap)
        often = directed(result, "more often by", "less often by")
        text = f"{name}: {hits} of {count} images of {about} get a watched label ({labels}), {often} than all others."
        limit = Limit(TOLERATED, "above", among=len(groups))
        yield claim(CHECK, result, text, limit, about=about)


def _wrongly_given(task: BiasTask, guesses: NDArray[np.integer], groups: list[int]) -> list[Claim]:
    """Return the classes that one group gets wrongly more often: those that are a problem, or the first."""
    name, column, part = task.spec.name, task.spec.options.groups, task.classified
    claims = []
    pairs = list(itertools.product(groups, np.unique(guesses).tolist()))
    for group, label in pairs:
        others, members = part.labels != label, task.groups == group
        if not (others & members).any() or not (others & ~members).any():
            continue
        wrong = guesses == label
        gap = difference(*_counts(wrong, members & others), *_counts(wrong, ~members & others))
        named, about = part.names[label], f"{column} = {task.group_names[group]}"
        result = _result(f"{name}/groups/wrongly-given/{task.group_names[group]}/{named}", gap)
        often = directed(result, "more often by", "less often by")
        text = f"{name}: images of {about} that show something else get {named!r} {often} than others do."
        claims.append(claim(CHECK, result, text, Limit(TOLERATED, "above", among=len(pairs)), about=about))
    claims.sort(key=lambda one: -one.result.value)
    problems = [one for one in claims if one.judgement == "problem"]
    return problems[:MOST_CLASSES] or claims[:1]


def _beside(result: Result) -> str:
    return directed(result, "higher by", "lower by")


def _counts(events: NDArray[np.bool_], members: NDArray[np.bool_]) -> tuple[int, int]:
    return int(events[members].sum()), int(members.sum())


def _share(events: NDArray[np.bool_], members: NDArray[np.bool_]) -> str:
    hits, count = _counts(events, members)
    return f"{hits} of {count}"


def _result(name: str, gap: ShareDifference) -> Result:
    return Result(name, gap.value, gap.interval, gap.count, setting={"unit": POINTS})
