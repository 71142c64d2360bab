"""How often a concept occurs in the captions that a model was learned from, beside how well it is known.

Concepts are the classes of the labelled sets, and, where the training captions name them, the colours, shapes and
textures of drawn scenes.  How well one is known is the share of its images for which it is the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.asked import given
from wordsight.audit.claims import NUMBER, Limit, claim, share_of
from wordsight.audit.drawn_questions import OF_ONE, AskedScenes, ask, balanced, is_known
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.scenes import NAME, in_words
from wordsight.audit.subject import ModelSubject, training_samples
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.encode import image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.metrics import DRAWS
from wordsight.text.mentions import mentions
from wordsight.text.prompts import clean_class_name

CHECK, TITLE = "concepts", "What was learned how often"
LEAD = (
    "Class names are looked for in the captions that the model was learned from, as whole words, singular or plural; "
    "beside their number stands how often each class is recognised."
)
LIMITS = (
    "Captions do not name all that images show, one word may mean several things, and synonyms are not known. What a "
    "model had learned before, from captions that are not at hand, is not counted."
)
HALF = 0.5  # of what the others of a set have: less is not known; as for blind spots
RISES = 0.3  # rank correlation from which on a set is known as it was learned; a convention
FEWEST = 5  # concepts of a set: of fewer a rank correlation says nothing
LEAST_IMAGES = 5  # of a concept
MOST = 5  # concepts that are claimed of each set
RARE, FREQUENT = 0, 100  # captions: never, and as often as a rare word of a small set


@dataclass(frozen=True, slots=True)
class Concept:
    """A class with the number of training captions that name it, and how often it is recognised."""

    name: str
    captions: int
    known: Result


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return for each set how often its classes occur in the training captions and how well they are known."""
    if not subject.captions:
        reason = "it is not known what the model was learned from"
        return Skipped(CHECK, TITLE, reason, "name its training captions: --captions PLACE")
    captions = [text for sample in training_samples(subject.captions) for text in sample.texts]
    if not captions:
        return Skipped(CHECK, TITLE, f"{', '.join(subject.captions)} has no captions", "name images with captions")
    claims: list[Claim] = []
    measured = Measured([])
    for name, right in (*_of_sets(subject), *_of_scenes(subject, captions)):
        concepts = counted(captions, right, name)
        if len(concepts) >= 2:
            claims += _claims(name, concepts, len(captions))
            results = [one.known for one in concepts]
            measured = measured.and_also(Measured(results, [_table(name, concepts, len(captions))]))
    results = [one.result for one in claims if one.result.name.endswith("rank-correlation")]
    return Finding(CHECK, TITLE, LEAD, claims, measured.and_also(Measured(results)), LIMITS)


def counted(captions: Sequence[str], right: Mapping[str, NDArray[np.bool_]], name: str) -> list[Concept]:
    """Return the concepts whose images (n >= 5) were or were not recognised, the rarest in the captions first."""
    names = {one: clean_class_name(one) for one in right}
    counts = mentions(captions, sorted({synonym for some in names.values() for synonym in some}))
    concepts = []
    for one, hits in right.items():
        if len(hits) >= LEAST_IMAGES:
            captioned = max(counts[synonym] for synonym in names[one])
            known = share_of(f"{name}/{CHECK}/{one}", hits, {"captions": captioned, "of": len(captions)})
            concepts.append(Concept(one, captioned, known))
    return sorted(concepts, key=lambda concept: concept.captions)


def rank_correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; NaN where all of one are equal."""
    ranks = [_mean_ranks(one) for one in (first, second)]
    centred = [one - one.mean() for one in ranks]
    spread = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread > 0 else float("nan")


def correlation_interval(first: NDArray[np.generic], second: NDArray[np.generic]) -> tuple[float, float] | None:
    """Return the 95 % interval of the rank correlation by resampling concepts; None where half of them have none."""
    rng = np.random.default_rng(0)
    rows = rng.integers(len(first), size=(DRAWS, len(first)))
    drawn = np.array([rank_correlation(first[some], second[some]) for some in rows])
    drawn = drawn[~np.isnan(drawn)]
    return None if len(drawn) < DRAWS / 2 else (float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)))


def _mean_ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(ends - (counts - 1) / 2, np.float64)[codes]


def _of_sets(subject: ModelSubject) -> list[tuple[str, dict[str, NDArray[np.bool_]]]]:
    """Return for each set with classes which images of each class are recognised."""
    sets = []
    classed = [one for one in subject.data if len(subject.reader.sets(one.task("zero-shot")).test.labelled())]
    for task in given(replace(subject, data=tuple(classed))):
        images = image_embeddings(subject.model, task.images.images, name=task.spec.name)
        scores = products(images, prompt_embeddings(subject.model, task.prompts))
        labels, names = task.classified.labels, task.classified.names
        right = AskedScenes("class", names, labels, scores).right
        sets.append((task.spec.name, {one: right[labels == number] for number, one in enumerate(names)}))
    return sets


def _of_scenes(subject: ModelSubject, captions: Sequence[str]) -> list[tuple[str, dict[str, NDArray[np.bool_]]]]:
    """Return for each attribute of drawn scenes that the captions name and the model knows what is recognised."""
    asked = ask(subject.model, balanced(subject.images), seed=subject.seed, attributes=OF_ONE[:3])
    sets = []
    for attribute, one in asked.items():
        named = sum(count >= FREQUENT for count in mentions(captions, one.values).values())
        if is_known(one) and 2 * named >= len(one.values):
            right = {value: one.right[one.truths == number] for number, value in enumerate(one.values)}
            sets.append((f"{NAME}-{attribute}", right))
    return sets


def _claims(name: str, concepts: Sequence[Concept], captions: int) -> list[Claim]:
    """Return the rank correlation, and the concepts that are frequent but not known, and those that never occur."""
    claims = []
    counts = np.array([one.captions for one in concepts])
    known = np.array([one.known.value for one in concepts])
    rho = rank_correlation(counts, known)
    if len(concepts) >= FEWEST and not np.isnan(rho):
        setting: dict[str, Value] = {"unit": NUMBER, "captions": captions}
        interval = correlation_interval(counts, known)
        result = Result(f"{name}/{CHECK}/rank-correlation", rho, interval, len(concepts), setting=setting)
        means = "rarely is recognised worse" if rho > RISES else "rarely is recognised about as well as the rest"
        text = (
            f"{in_words(name)}: what {captions:,} captions name {means}. The rank correlation of both is {{}}; 1 would "
            "say that every class named more often is recognised more often, 0 that the one tells nothing of the other."
        )
        claims.append(claim(CHECK, result, text, Limit(RISES, "above"), about=name))
    others = (known.sum() - known) / (len(known) - 1)
    judged = []
    for one, other in zip(concepts, others.tolist(), strict=True):
        if one.captions == RARE or one.captions >= FREQUENT:
            how = "in none" if one.captions == RARE else f"in {one.captions:,}"
            text = (
                f"{in_words(name)}: {one.name}, {how} of {captions:,} captions, is recognised in {{}}; the others in "
                f"{100 * other:.0f} %."
            )
            limit = Limit(HALF * other, "below", len(concepts))
            judged.append(claim(CHECK, one.known, text, limit, about=one.name))
    return [*claims, *[one for one in judged if one.judgement == "problem"][:MOST]]


def _table(name: str, concepts: Sequence[Concept], captions: int) -> Detail:
    rows = []
    for one in concepts:
        low, high = one.known.interval or (0.0, 1.0)
        share, ends = f"{100 * one.known.value:.0f} %", f"{100 * low:.0f} to {100 * high:.0f}"
        rows.append([one.name, one.captions, share, ends, one.known.count])
    head = ["class", "captions", "recognised", "95 % interval", "images"]
    title = f"How often each class is in {captions:,} captions, and how well it is known"
    return Detail(f"{name}/{CHECK}", title, "table", {"head": head, "rows": rows})
