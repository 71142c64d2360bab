"""Classes from a few images each: accuracy by the number of images, for four ways of learning from them.

Results: NAME/few-shot-0/names/top-1, the class names alone on the same measured images, and
NAME/few-shot-K/WAY/top-1 for each K of `shots` and each way, the mean over `draws` draws of the images.  What a way has
to choose (a blend, a strength) it chooses by at most K val images of each class, drawn with them.
Details: the accuracy by the number of images; which images the names have right, and in how many draws each way has
them right with the largest number of images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.base.suggest import suggest
from wordsight.base.value import Value
from wordsight.evaluate.adapters import TipAdapter, choose_blend, learn_keys
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import check_share, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, prompt_embeddings, scorer_of
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.linear import Labelled, fit_few
from wordsight.evaluate.lp_plus_plus import fit_lp_plus_plus
from wordsight.evaluate.measured import Measured, hits, hits_of_draws, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.splits import EmbeddedSplits, Splits, drawn, embedded, notice_fewer, splits_of
from wordsight.evaluate.tasks import TaskSpec

MOST_LEARNED = 4000  # few images whose keys are learned: the work grows with their square
Logits = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class FewShotOptions:
    """`shots`: images a class; `ways`: rows of `WAYS`; `draws`: how often they are drawn; `held_out`: as elsewhere."""

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    ways: tuple[str, ...] = ("tip-adapter", "tip-adapter-f", "lp++", "linear")
    draws: int = 3
    held_out: float = 0.2


OPTIONS = FewShotOptions
SETS = ("train", "val")


@dataclass(frozen=True, slots=True)
class FewShotTask:
    """Images to draw the few from and to measure on; `prompts` (C) are the filled templates of each class."""

    spec: TaskSpec
    splits: Splits
    prompts: tuple[tuple[str, ...], ...]

    @property
    def images(self) -> SampleSet:
        """The images that are measured on."""
        return self.splits.test.images


@dataclass(frozen=True, slots=True)
class Few:
    """A draw: the `few` images to learn from and as many of each class to `choose` by; class names (C, E), a scale."""

    few: Labelled
    choose: Labelled
    names: Embeddings
    scale: float

    def by_names(self, embeddings: Embeddings) -> Logits:
        """Return the logits (N, C) of the class names alone."""
        return np.asarray(self.scale * (embeddings @ self.names.T))


def tip_adapter(given: Few, embeddings: Embeddings) -> Logits:
    """Return the logits (N, C) of Tip-Adapter."""
    adapter = choose_blend(TipAdapter(given.few, len(given.names)), given.choose, _of(given, given.choose))
    return adapter.scores(embeddings, given.by_names(embeddings))


def tip_adapter_f(given: Few, embeddings: Embeddings) -> Logits:
    """Return the logits (N, C) of Tip-Adapter-F, whose keys are learned."""
    adapter = choose_blend(TipAdapter(given.few, len(given.names)), given.choose, _of(given, given.choose))
    moved = choose_blend(learn_keys(adapter, _of(given, given.few)), given.choose, _of(given, given.choose))
    return moved.scores(embeddings, given.by_names(embeddings))


def lp_plus_plus(given: Few, embeddings: Embeddings) -> Logits:
    """Return the logits (N, C) of LP++, which chooses nothing."""
    return fit_lp_plus_plus(given.few, given.names).linear(given.names).scores(embeddings)


def linear(given: Few, embeddings: Embeddings) -> Logits:
    """Return the logits (N, C) of logistic regression, which does not know the names."""
    fitted, _ = fit_few(given.few, given.choose, classes=len(given.names))
    return fitted.scores(embeddings)


def _of(given: Few, rows: Labelled) -> NDArray[np.float32]:
    return given.by_names(rows.embeddings).astype(np.float32)


WAYS: Mapping[str, Callable[[Few, Embeddings], Logits]] = {
    "tip-adapter": tip_adapter,
    "tip-adapter-f": tip_adapter_f,
    "lp++": lp_plus_plus,
    "linear": linear,
}


def build(spec: TaskSpec, sets: TaskSets) -> FewShotTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    options: FewShotOptions = spec.options
    check_share(options.held_out)
    for shots in options.shots:
        if not 1 <= shots <= 1024:
            raise ConfigError(f"shots = {shots}", cure="give 1 to 1024 images a class")
    for way in options.ways:
        if way not in WAYS:
            raise ConfigError(f"ways = {way!r}", cure=suggest(way, WAYS))
    if not 1 <= options.draws <= 100:
        raise ConfigError(f"draws = {options.draws}", cure="give 1 to 100")
    splits = splits_of(spec, sets, held_out=options.held_out)
    return FewShotTask(spec, splits, prompts_for(spec, splits.names))


def run(encoder: Encoder, task: FewShotTask) -> Measured:
    """Return the accuracy of each way with each number of images."""
    return by_shots(encoder, task, embedded(encoder, task.splits, name=task.spec.name))


def by_shots(encoder: Encoder, task: FewShotTask, parts: EmbeddedSplits) -> Measured:
    """Return what `run` does, of images that are embedded already."""
    options: FewShotOptions = task.spec.options
    names = prompt_embeddings(encoder, task.prompts)
    scale = scorer_of(encoder, "few-shot").scale
    facts = {**prompt_facts(task.spec, parts.names, task.prompts), "draws": options.draws}
    right = label_ranks(products(parts.test.embeddings, names), parts.test.labels) < 1
    start = f"{task.spec.name}/few-shot-0/names/top-1"
    results = [share(start, right, setting={**facts, "shots": 0})]
    keys = task.splits.test.keys
    details = [hits(start, keys, right)]
    curves: dict[str, list[Result]] = {way: [] for way in options.ways}
    possible = _possible(options.shots, parts.train.labels, task.spec.name)
    if possible:
        largest = f"{task.spec.name}: few-shot-{possible[-1]}"
        notice_fewer(parts.train.labels, parts.names, possible[-1], name=largest)
    for shots in possible:
        givens = []
        for draw in range(options.draws):
            generator = np.random.default_rng([task.spec.seed, shots, draw])
            few = parts.train.of(drawn(parts.train.labels, shots, generator))
            choose = parts.val.of(drawn(parts.val.labels, shots, generator))
            givens.append(Few(few, choose, names, scale))
        for way in dict.fromkeys(options.ways):
            if way == "tip-adapter-f" and len(givens[0].few) > MOST_LEARNED:
                notice(f"{task.spec.name}: {len(givens[0].few):,} keys are too many to learn, {way} is left out")
                continue
            right_in_draws = np.array(
                [WAYS[way](given, parts.test.embeddings).argmax(axis=1) == parts.test.labels for given in givens]
            )
            name = f"{task.spec.name}/few-shot-{shots}/{way}/top-1"
            one = share(name, np.mean(right_in_draws, axis=0), setting={**facts, "shots": shots, "way": way})
            results.append(one)
            curves[way].append(one)
            if shots == possible[-1]:
                details.append(hits_of_draws(name, keys, right_in_draws))
    return Measured(results, [*details, _curves(task.spec.name, results[0], curves)])


def _possible(shots: Sequence[int], labels: NDArray[np.int64], name: str) -> list[int]:
    """Return the numbers of images that some class has, and notice the others."""
    most = int(np.bincount(labels).max())
    for number in shots:
        if number > most:
            notice(f"{name}: no class has {number} images to learn from (most: {most}): few-shot-{number} is left out")
    return [number for number in sorted(set(shots)) if number <= most]


def _curves(name: str, start: Result, curves: Mapping[str, Sequence[Result]]) -> Detail:
    series: list[dict[str, object]] = []
    for way, results in curves.items():
        points = [[_shots(one.setting), one.value] for one in results]
        bands = [list(one.interval or (one.value, one.value)) for one in results]
        series.append({"name": way, "points": points, "band": bands})
    last = max((_shots(one.setting) for results in curves.values() for one in results), default=1)
    series.append({"name": "names alone", "points": [[1, start.value], [last, start.value]], "band": None})
    data = {"x": "images a class", "y": "top-1", "percent": True, "series": series}
    return Detail(f"{name}/few-shot", "Accuracy by the number of labelled images", "lines", data)


def _shots(setting: Mapping[str, Value]) -> int:
    return int(setting["shots"] or 0)
