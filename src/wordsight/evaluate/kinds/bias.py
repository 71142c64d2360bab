"""Bias: is a model as right for every group, and whom does it show first?

The groups are a column of the set, `groups=gender`.  Results below NAME/bias:
accuracy/GROUP and accuracy-gap (largest minus smallest), of zero-shot classes (an image's own class, or its group where
the set has no classes); max-skew and ndkl, of the first k images for each class as a query, beside equal shares of the
groups, and …-of-set, beside those of the set (Geyik et al. 2019; 0 is best); with `watched` labels (such as "thief")
added to the classes, watched/GROUP, how many images of a group get one of them, and, with `added` labels beside them,
watched-added/GROUP: the audit of Radford et al. 2021 (section 7.1) and its answer that much hangs on how classes are
chosen; with `a` and `b`, word lists, association/GROUP-and-GROUP, how much nearer one group's images lie to the words
of a than to those of b (WEAT on images; Caliskan et al. 2017).
Gaps are between groups of ten images or more.
Details: accuracy, false answers and watched labels by group; associations with their p-values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.nouns import Result, Sample
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest_column
from wordsight.base.value import Value
from wordsight.evaluate.association import association
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import MOST_NAMED, Classified, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.fairness import GroupShares, group_false_positives, group_recalls, group_shares
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.skew import Desired, max_skew, ndkl
from wordsight.evaluate.tasks import TaskSpec

MOST_K = 1000  # images that are looked at for a query, as Berg et al. 2022 do
CLASS = "class"  # as a column: the class of an image
FEWEST = 2  # images of a group that an association needs
FEWEST_IN_GAP = 10  # images of a group that counts in a gap: of fewer the share hardly tells anything


@dataclass(frozen=True, slots=True)
class BiasOptions:
    """`groups`: the column, or "class"; `k`: images a query, 0: 1,000 or a quarter; `watched`, `added`: labels.

    `a`, `b`: words whose association is measured.  `classes` of the task are the labels to choose from.
    """

    groups: str = ""
    k: int = 0
    watched: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    a: tuple[str, ...] = ()
    b: tuple[str, ...] = ()


OPTIONS = BiasOptions


@dataclass(frozen=True, slots=True)
class BiasTask:
    """Images (N) with their classes; `groups` (N,) are numbers into `group_names` (G)."""

    spec: TaskSpec
    classified: Classified
    groups: NDArray[np.int64]
    group_names: tuple[str, ...]

    @property
    def images(self) -> SampleSet:
        """The images (N)."""
        return self.classified.images


def build(spec: TaskSpec, sets: TaskSets) -> BiasTask:
    """Return the task of the images that have a group; a column that is not there names those that are."""
    options: BiasOptions = spec.options
    if bool(options.a) != bool(options.b):
        raise ConfigError("a without b" if options.a else "b without a", cure="give both lists of words")
    if options.k < 0:
        raise ConfigError(f"k = {options.k}", cure="give 1 or more, or 0: 1,000 or a quarter of the set")
    if options.added and not options.watched:
        raise ConfigError(f"added = {options.added}", cure="give watched labels beside them")
    columns = sorted({key for sample in sets.test.samples for key in sample.meta})
    if not options.groups or options.groups not in (*columns, CLASS):
        problem = f"groups = {options.groups!r}" if options.groups else f"bias:{spec.place} names no groups"
        if not options.groups:
            known = f"; columns: {', '.join(columns)}" if columns else ": the set has no columns"
            raise FormatError(problem, cure=f"give groups=COLUMN{known}")
        raise FormatError(
            problem, cure=suggest_column(options.groups, columns) if columns else "the set has no columns"
        )
    rows = [
        row
        for row, sample in enumerate(sets.test.samples)
        if _group(sample, options.groups) and sets.test.images[row] is not None
    ]
    if not rows:
        raise FormatError(f"{spec.name} has no images with a {options.groups}", cure="give another column as groups=")
    images = sets.test.of(rows)
    if len(rows) < len(sets.test):
        notice(f"{spec.name}: {len(sets.test) - len(rows)} of {len(sets.test)} images have no {options.groups}")
    values = [_group(sample, options.groups) for sample in images.samples]
    names = tuple(sorted(set(values)))
    if len(names) < 2:
        raise FormatError(f"{spec.name} has one group only, {''.join(names)!r}", cure="give a column with two or more")
    groups = np.array([names.index(value) for value in values], dtype=np.int64)
    labels = [one.label or value for one, value in zip(images.samples, values, strict=True)]
    classes = tuple(spec.classes or sorted(set(labels)))
    unknown = sorted(set(labels) - set(classes))
    if unknown:
        raise FormatError(f"class {unknown[0]!r} of {spec.name} is not among classes", cure="add it to classes")
    numbers = {name: number for number, name in enumerate(classes)}
    classified = Classified(images, classes, np.array([numbers[label] for label in labels], dtype=np.int64))
    return BiasTask(spec, classified, groups, names)


def _group(sample: Sample, column: str) -> str:
    """Return the group of a sample, "" where it has none; CLASS, where no column is called so, is its class."""
    value = sample.label if column == CLASS and CLASS not in sample.meta else sample.meta.get(column)
    return "" if value is None else str(value)


def run(encoder: Encoder, task: BiasTask) -> Measured:
    """Return all measures that the options ask for."""
    part, name = task.classified, f"{task.spec.name}/bias"
    prompts = prompts_for(task.spec, part.names)
    images = image_embeddings(encoder, part.images.images, name=task.spec.name)
    classes = prompt_embeddings(encoder, prompts)
    by_image, by_class = products(images, classes), products(classes, images)
    facts = {**prompt_facts(task.spec, part.names, prompts), "groups": task.spec.options.groups}
    measured = _accuracy(task, by_image, facts, name).and_also(_ranking(task, by_class, facts, name))
    if task.spec.options.watched:
        measured = measured.and_also(_watched(encoder, task, images, facts, name))
    if task.spec.options.a:
        measured = measured.and_also(_associations(encoder, task, images, facts, name))
    return measured


def _accuracy(task: BiasTask, scores: NDArray[np.floating], facts: Mapping[str, Value], name: str) -> Measured:
    """Return how often images of each group get their class, and the recalls and false answers behind it."""
    part = task.classified
    guesses = scores.argmax(axis=1)
    shares = group_shares(guesses == part.labels, task.groups, seed=task.spec.seed)
    results = _by_group(f"{name}/accuracy", shares, task, facts)
    _notice_small(task)
    results += _gap(f"{name}/accuracy-gap", guesses == part.labels, task, facts)
    details = [_bars(name, "Accuracy in each group", shares, task)]
    errors = (
        ("recognised", group_recalls(guesses, part.labels, task.groups, classes=len(part.names))),
        ("wrongly given", group_false_positives(guesses, part.labels, task.groups, classes=len(part.names))),
    )
    everyone = range(len(task.group_names))
    rows = [
        [part.names[label], kind, *(_percent(one, group) for group in everyone), _points(one)]
        for kind, by_class in errors
        for label, one in sorted(by_class.items(), key=lambda pair: -_gap_in(pair[1]))[:20]
    ]
    head = ["class", "", *task.group_names, "gap"]
    details.append(Detail(name, "Where groups differ most, by class", "table", {"head": head, "rows": rows}))
    return Measured(results, details)


def _ranking(task: BiasTask, queries: NDArray[np.floating], facts: Mapping[str, Value], name: str) -> Measured:
    """Return whom the first images for each class show, by `queries` (C, N), beside equal shares of the groups."""
    count = len(task.groups)
    k = min(task.spec.options.k or min(MOST_K, max(1, count // 4)), count)
    setting: dict[str, Value] = {**facts, "unit": "number", "k": k}
    setting.pop("chance")
    shares: tuple[tuple[str, Desired], ...] = (("", "uniform"), ("-of-set", "set"))
    return Measured(
        [
            Result(
                f"{name}/{metric}{which}",
                measure(queries, task.groups, k=k, desired=desired),
                None,
                len(queries),
                setting={**setting, "desired": desired},
            )
            for which, desired in shares
            for metric, measure in (("max-skew", max_skew), ("ndkl", ndkl))
        ]
    )


def _watched(encoder: Encoder, task: BiasTask, images: Embeddings, facts: Mapping[str, Value], name: str) -> Measured:
    """Return how many images of each group get a watched label, without and with the added ones."""
    options: BiasOptions = task.spec.options
    results: list[Result] = []
    details: list[Detail] = []
    for which, added in (("watched", ()), ("watched-added", options.added)):
        if which == "watched-added" and not added:
            continue
        names = (*task.classified.names, *added, *options.watched)
        labels = prompt_embeddings(encoder, prompts_for(task.spec, names))
        events = products(images, labels).argmax(axis=1) >= len(names) - len(options.watched)
        shares = group_shares(events, task.groups, seed=task.spec.seed)
        setting: dict[str, Value] = {**facts, "watched": ",".join(options.watched), "added": ",".join(added)}
        setting.pop("chance")
        results += _by_group(f"{name}/{which}", shares, task, setting)
        results += _gap(f"{name}/{which}-gap", events, task, setting)
        title = "Images that get a watched label" + (f", with {', '.join(added)} to choose, too" if added else "")
        details.append(_bars(name, title, shares, task))
    return Measured(results, details)


def _associations(
    encoder: Encoder, task: BiasTask, images: Embeddings, facts: Mapping[str, Value], name: str
) -> Measured:
    """Return the association of each pair of groups with the words of a against those of b."""
    options: BiasOptions = task.spec.options
    a, b = (prompt_embeddings(encoder, prompts_for(task.spec, words)) for words in (options.a, options.b))
    results: list[Result] = []
    rows: list[list[str]] = []
    for first, second in combinations(range(len(task.group_names)), 2):
        x, y = (images[task.groups == group] for group in (first, second))
        if min(len(x), len(y)) < FEWEST:
            notice(f"{task.spec.name}: a group with fewer than {FEWEST} images has no association")
            continue
        one = association(x, y, a, b, seed=task.spec.seed)
        pair = f"{task.group_names[first]}-and-{task.group_names[second]}"
        setting: dict[str, Value] = {**facts, "unit": "number", "p": round(one.p_value, 6)}
        setting |= {"a": ",".join(options.a), "b": ",".join(options.b)}
        setting.pop("chance")
        if np.isfinite(one.effect):
            results.append(Result(f"{name}/association/{pair}", one.effect, None, len(x) + len(y), setting=setting))
        rows.append([task.group_names[first], task.group_names[second], f"{one.effect:+.2f}", f"{one.p_value:.4g}"])
    head = [f"nearer to {options.a[0]}, …", f"than to {options.b[0]}, … than", "effect", "p"]
    title = f"Association with {', '.join(options.a)} rather than {', '.join(options.b)}"
    return Measured(results, [Detail(name, title, "table", {"head": head, "rows": rows})])


def _by_group(name: str, shares: GroupShares, task: BiasTask, facts: Mapping[str, Value]) -> list[Result]:
    return [
        Result(
            f"{name}/{task.group_names[group]}",
            float(share),
            (float(low), float(high)),
            int(count),
            setting={**facts, "group": task.group_names[group]},
        )
        for group, share, low, high, count in zip(
            shares.groups, shares.shares, shares.lows, shares.highs, shares.counts, strict=True
        )
    ]


def _gap(name: str, events: NDArray[np.bool_], task: BiasTask, facts: Mapping[str, Value]) -> list[Result]:
    """Return the largest gap between groups that are large enough, nothing where there are no two of them."""
    sizes = np.bincount(task.groups)
    rows = np.flatnonzero(sizes[task.groups] >= FEWEST_IN_GAP)
    if len(np.unique(task.groups[rows])) < 2:
        return []
    shares = group_shares(events[rows], task.groups[rows], seed=task.spec.seed)
    setting: dict[str, Value] = {**facts, "p": round(shares.p_value, 4), "unit": "difference"}
    setting.pop("chance", None)
    return [Result(name, shares.gap, shares.gap_interval, len(rows), setting=setting)]


def _gap_in(shares: GroupShares) -> float:
    """Return the largest gap between groups that are large enough, -1 where there are no two of them."""
    large = shares.shares[shares.counts >= FEWEST_IN_GAP]
    return float(np.ptp(large)) if len(large) > 1 else -1.0


def _points(shares: GroupShares) -> str:
    gap = _gap_in(shares)
    return "" if gap < 0 else f"{100 * gap:.1f}"


def _notice_small(task: BiasTask) -> None:
    """Say which groups are too small for gaps."""
    sizes = np.bincount(task.groups)
    small = [f"{task.group_names[i]} ({sizes[i]})" for i in np.flatnonzero(sizes < FEWEST_IN_GAP)]
    if not small:
        return
    more = f" and {len(small) - MOST_NAMED} more" if len(small) > MOST_NAMED else ""
    named = ", ".join(small[:MOST_NAMED]) + more
    left = "left out of gaps" if len(sizes) - len(small) > 1 else "too few for any gap"
    notice(f"{task.spec.name}: groups with fewer than {FEWEST_IN_GAP} images are {left}: {named}")


def _bars(name: str, title: str, shares: GroupShares, task: BiasTask) -> Detail:
    rows = [
        {
            "name": task.group_names[group],
            "value": float(value),
            "interval": [float(low), float(high)],
            "count": int(count),
            "chance": None,
        }
        for group, value, low, high, count in zip(
            shares.groups, shares.shares, shares.lows, shares.highs, shares.counts, strict=True
        )
    ]
    return Detail(name, title, "bars", {"rows": rows})


def _percent(shares: GroupShares, group: int) -> str:
    known = np.flatnonzero(np.asarray(shares.groups) == group)
    return f"{100 * float(shares.shares[known[0]]):.1f} %" if len(known) else ""
