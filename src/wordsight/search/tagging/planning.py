"""How images are decided about: which labels, how each is rated, from which value on an image has it, which columns.

plan = make_plan(library, index, labels, wishes, store)
for decided in plan.decide(block): ...
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.evaluate.watched import ALARM, WATCHED, is_to_watch
from wordsight.search.background import LEAST, read
from wordsight.search.examples import Examples
from wordsight.search.tagging.columns import MODERATION, TAGS, check_columns, score_columns
from wordsight.search.tagging.examples import learned, read_examples
from wordsight.search.tagging.options import MIN_MATCH, TagWishes
from wordsight.search.tagging.rating import LabelMatches, Rating, block_of, by_cosine, matching, watching
from wordsight.search.tagging.record import LastRun, TagStore
from wordsight.search.tagging.thresholds import read_thresholds
from wordsight.search.tagging.walking import WalkedImages

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.search.library import Library
    from wordsight.text.label_sets import Label, LabelSet


class Decided(NamedTuple):
    """Of an image: its labels, likeliest first, the columns that it gets, and the same columns before.

    `others` are tags that it has in other columns and beside its file.
    """

    tags: Mapping[str, float]
    after: Mapping[str, Value]
    before: Mapping[str, Value]
    others: Sequence[str] = ()


class Deciding(Protocol):
    """What decides about images, a block at a time."""

    @property
    def block(self) -> int:
        """Return of how many images a block is at most."""

    def decide(self, block: WalkedImages) -> Iterator[Decided]:
        """Yield what is decided about each image."""


@dataclass(frozen=True, slots=True)
class TagPlan:
    """`limits` (labels,): from which value on an image has a label; `stale`: score columns that the last run had.

    `beside`: other columns whose tags are beside the files too.
    """

    column: str
    labels: tuple[str, ...]
    rating: Rating
    limits: NDArray[np.float32]
    top: int | None
    scores: tuple[str, ...]
    stale: tuple[str, ...]
    beside: tuple[str, ...]
    block: int

    def decide(self, block: WalkedImages) -> Iterator[Decided]:
        """See `Deciding`."""
        for row, meta in zip(self.rating.rate(block.embeddings), block.meta, strict=True):
            has = np.flatnonzero(row >= self.limits)
            has = has[np.argsort(-row[has], kind="stable")][: self.top]
            tags = {self.labels[i]: round(float(row[i]), 4) for i in has.tolist()}
            after: dict[str, Value] = {self.column: "\n".join(tags) or None}
            if self.scores:
                after |= {name: round(float(one), 4) for name, one in zip(self.scores, row, strict=True)}
            yield decided(tags, after | dict.fromkeys(self.stale), meta, self.beside)


@dataclass(frozen=True, slots=True)
class Clearing:
    """Nothing has a label any more."""

    columns: tuple[str, ...]
    beside: tuple[str, ...]
    block: int = 1024

    def decide(self, block: WalkedImages) -> Iterator[Decided]:
        """See `Deciding`."""
        for meta in block.meta:
            yield decided({}, dict.fromkeys(self.columns), meta, self.beside)


def decided(
    tags: Mapping[str, float], after: Mapping[str, Value], meta: Mapping[str, Value], beside: Sequence[str]
) -> Decided:
    """Return what is decided about an image with this metadata."""
    others = [tag for column in beside for tag in str(meta.get(column) or "").split("\n") if tag]
    return Decided(tags, after, {name: meta.get(name) for name in after}, others)


def make_plan(library: "Library", index: "Index", *, labels: "LabelSet", wishes: TagWishes, store: TagStore) -> TagPlan:
    """Return the plan.

    Raises `UsageError` where the library is too small for probabilities, or a column is somebody else's.
    """
    watch = is_to_watch(labels)
    column = wishes.column or (MODERATION if watch else TAGS)
    chosen = labels.section(WATCHED) if watch else labels.labels
    names = tuple(label.name for label in chosen)
    scores = score_columns(column, names) if wishes.scores else ()
    last = store.last(column)
    check_columns(index, (column, *scores), last)
    limits = _limits(wishes, names, ALARM if watch else MIN_MATCH)
    rating = _watching(library, index, labels, wishes) if watch else _each(library, index, chosen, wishes)
    stale = tuple(name for name in (last.scores if last else ()) if name not in scores)
    block = min(1024, block_of(labels.labels))
    return TagPlan(column, names, rating, limits, wishes.top, scores, stale, store.beside(column), block)


def check_same(last: LastRun | None, how: str, made_by: str) -> None:
    """Raise `UsageError` unless the last run of a column was with the same labels, options and model."""
    if last is not None and (last.how, last.made_by) != (how, made_by):
        raise UsageError(
            "the library was tagged with other labels, options or another model",
            cure="tag all of it again: leave out --new",
        )


def _limits(wishes: TagWishes, names: Sequence[str], usual: float) -> NDArray[np.float32]:
    least = usual if wishes.min_match is None else wishes.min_match
    if wishes.thresholds is not None:
        return read_thresholds(wishes.thresholds, names, otherwise=least)
    return np.full(len(names), least if wishes.min_cosine is None else wishes.min_cosine, np.float32)


def _watching(library: "Library", index: "Index", labels: "LabelSet", wishes: TagWishes) -> Rating:
    """Return the rating of watched labels; in a library too small for probabilities they only compete."""
    others = (("--min-cosine", wishes.min_cosine), ("--examples", wishes.examples), ("--thresholds", wishes.thresholds))
    for name, value in others:
        if value is not None:
            raise UsageError(f"{name} for labels that compete", cure="leave it out; --min-match sets from where on")
    model, background = library.model, read(library.folder, library.model.fingerprint)
    matches = None if background is None else matching(index, background, model, labels.section(WATCHED))
    if matches is None:
        notice(f"{library.location}: too few different images for probabilities, so many alarms will be false")
    least = ALARM if wishes.min_match is None else wishes.min_match
    return watching(model, labels, least, matches=matches)


def _each(library: "Library", index: "Index", labels: "Sequence[Label]", wishes: TagWishes) -> Rating:
    """Return the rating of labels each for itself."""
    if wishes.min_cosine is not None:
        return by_cosine(library.model, labels)
    background = read(library.folder, library.model.fingerprint)
    if background is None:
        count = len(index)
        what = (
            f"{count} images"
            if count < LEAST
            else "no background, which is made by indexing where it can be written and the images differ"
        )
        raise UsageError(
            f"{library.location}: no probabilities are known: the library has {what}; they need {LEAST} images",
            cure="give a least cosine for this model: --min-cosine C (min_cosine=)",
        )
    rating = matching(index, background, library.model, labels)
    return rating if wishes.examples is None else _shifted(rating, library, index, labels, wishes)


def _shifted(
    rating: LabelMatches, library: "Library", index: "Index", labels: "Sequence[Label]", wishes: TagWishes
) -> LabelMatches:
    assert wishes.examples is not None
    examples = read_examples(wishes.examples, [label.name for label in labels])
    stored = Examples(index, library.contents, library.model)
    embeddings = np.array([stored.find(name).embedding for name in examples.images])
    return rating.shifted(*learned(rating, embeddings, examples.has))
