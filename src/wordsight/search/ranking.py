"""All results of a query in their order, small enough to be kept, for whoever pages through thousands of them.

    with library.asking(query, k=50) as asked:
        ranking = asked.ranking(100_000)              # keys, scores and probabilities, no metadata
    with library.reading() as index:
        hits = ranking.hits(index, library.contents, 90_000, 50)

The first k are those that the query answers with; behind them come all others by score, each once.
"""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError, NotFound
from wordsight.index.index import Index, IndexEntry
from wordsight.search.answered import Answered, Reply
from wordsight.search.contents import Contents
from wordsight.search.folding import Folded
from wordsight.search.hits import Hit

if TYPE_CHECKING:
    from wordsight.index.where import Condition
    from wordsight.search.direction import Direction

FOLDED = 5000  # nearest images that are folded: each is compared with all before it
_KEY_BYTES = 57  # of a text beside its letters


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What comes behind the first hits: `scores` (n,) and `matches` (n,) of the `keys`, NaN where it is not known."""

    keys: Sequence[str] = ()
    scores: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    matches: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, hits: "Sequence[Folded]", matches: Sequence[float | None]) -> "Rest":
        """Return hits with their probabilities."""
        return cls(
            [one.neighbour.key for one in hits],
            np.array([one.neighbour.score for one in hits], np.float64),
            np.array([np.nan if match is None else match for match in matches], np.float64),
            {one.neighbour.key: one.alike for one in hits if one.alike},
        )

    def __add__(self, other: "Rest") -> "Rest":
        return Rest(
            [*self.keys, *other.keys],
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.matches, other.matches]),
            {**self.alike, **other.alike},
        )

    def without(self, known: Collection[str]) -> "Rest":
        """Return it without some keys."""
        return self._of(np.array([key not in known for key in self.keys], bool))

    def with_matches(self, matches: NDArray[np.float64]) -> "Rest":
        """Return it with its probabilities (n,)."""
        return replace(self, matches=matches)

    def above(self, min_match: float | None, min_cosine: float | None) -> "Rest":
        """Return what is likely enough, and near enough; unknown probabilities stay."""
        kept = np.ones(len(self.keys), bool)
        if min_match is not None:
            kept &= np.isnan(self.matches) | (self.matches >= min_match)
        if min_cosine is not None:
            kept &= self.scores >= min_cosine
        return self if kept.all() else self._of(kept)

    def _of(self, kept: NDArray[np.bool_]) -> "Rest":
        return Rest([*compress(self.keys, kept)], self.scores[kept], self.matches[kept], self.alike)


def all_by_score(index: Index, direction: "Direction", where: "Condition | None", *, absent: bool, depth: int) -> Rest:
    """Return the images under a condition, best first, up to `depth`; where some are unwanted, all are weighed."""
    count = len(index) if direction.unwanted else min(depth, len(index))
    ranked = index.ranked(direction.embedding, count, where, absent=absent)
    keys: Sequence[str] = ranked.keys
    scores = ranked.scores.astype(np.float64)
    for one in direction.unwanted:
        theirs = index.ranked(one.embedding, count, where, absent=absent)
        cosine_of = dict(zip(theirs.keys, theirs.scores.tolist(), strict=True))
        cosines = np.array([cosine_of.get(key, 0.0) for key in keys])
        scores -= one.weight * np.maximum(0, cosines - cosines.mean())
    if direction.unwanted:
        order = np.argsort(-scores, kind="stable")
        keys, scores = [keys[at] for at in order.tolist()], scores[order]
    return Rest(keys, scores, np.full(len(scores), np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """`scores` (n,) and `matches` (n,) of the `keys`, NaN where there is none; `alike` and `named` by key.

    `members` are the images of a query by example, by name, which its reasons tell of; `examples` are their keys.
    `matching`, `is_cut` and `least` as in `Hits`.
    """

    keys: Sequence[str]
    scores: NDArray[np.float64]
    matches: NDArray[np.float64]
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    members: Mapping[str, Embeddings] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    matching: int | None = None
    is_cut: bool = False
    least: float | None = None

    def __len__(self) -> int:
        """Return how many results there are."""
        return len(self.keys)

    @property
    def is_calibrated(self) -> bool:
        """Whether any result has a probability."""
        return not bool(np.isnan(self.matches).all())

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = [*self.keys, *self.named, *(key for keys in self.alike.values() for key in keys)]
        embeddings = sum(one.nbytes for one in self.members.values())
        return sum(map(len, texts)) + _KEY_BYTES * len(texts) + self.scores.nbytes + self.matches.nbytes + embeddings

    def likely_first(self, least: float | None) -> "Ranking":
        """Return the results with all that are at least so likely first; `matching` is how many they are.

        Without a probability it is `self.least`, and images that have all words are among the first.
        """
        line = self.least if least is None else least
        if line is None or not self.is_calibrated:
            return self
        likely = np.isnan(self.matches) | (self.matches >= line)
        if least is None:
            likely |= np.array([key in self.named for key in self.keys], bool)
        return replace(self._at(np.argsort(~likely, kind="stable")), matching=int(likely.sum()))

    def only(self, keys: Collection[str]) -> "Ranking":
        """Return the results that have these keys, in their order."""
        wanted = frozenset(keys)
        return self._at(np.flatnonzero(np.array([key in wanted for key in self.keys], bool)))

    def _at(self, numbers: NDArray[np.int64]) -> "Ranking":
        keys = [self.keys[number] for number in numbers.tolist()]
        return replace(self, keys=keys, scores=self.scores[numbers], matches=self.matches[numbers])

    def hits(self, index: Index, contents: Contents, start: int, count: int) -> list[Hit]:
        """Return the hits from number `start` on, up to `count`; what is damaged or gone meanwhile is left out."""
        keys = self.keys[start : start + count]
        entries = {entry.key: entry for entry in entries_of(index, keys)}
        reasons = self._reasons(index, list(entries.values()))
        made = []
        for number, key in enumerate(keys, start):
            if (entry := entries.get(key)) is not None:
                match = None if np.isnan(self.matches[number]) else float(self.matches[number])
                near = entry.near(float(self.scores[number]))
                answered = Answered(near, match, self.alike.get(key, ()), reasons.get(key, ""), key in self.named)
                made.append(answered.as_hit(contents))
        return made

    def _reasons(self, index: Index, entries: Sequence[IndexEntry]) -> dict[str, str]:
        if not self.members:
            return {}
        from wordsight.search.alike import shared_values, why

        shared = shared_values([entry.meta for entry in entries_of(index, self.examples)])
        return {entry.key: why(entry.near(0.0), self.members, shared) for entry in entries}


def listing(keys: Sequence[str]) -> Ranking:
    """Return images that nothing was asked of as a ranking: without scores."""
    unknown = np.full(len(keys), np.nan)
    return Ranking(keys, unknown, unknown)


def with_rest(reply: Reply, rest: Rest, direction: "Direction", named: frozenset[str], *, depth: int) -> Ranking:
    """Return the hits of a reply and what comes behind them as one ranking of up to `depth`."""
    hits = [Folded(one.neighbour, one.alike) for one in reply.hits]
    whole = Rest.of(hits, [one.match for one in reply.hits]) + rest
    return Ranking(
        whole.keys[:depth],
        whole.scores[:depth],
        whole.matches[:depth],
        whole.alike,
        named,
        direction.members,
        tuple(sorted(direction.excluded)) if direction.members else (),
        None if reply.matching is None else len(reply.matching.neighbours),
        reply.matching is not None and reply.matching.is_cut,
        reply.least,
    )


def entries_of(index: Index, keys: Sequence[str]) -> list[IndexEntry]:
    """Return the entries of keys, without those that are damaged or gone."""
    try:
        return index.entries(keys)
    except (NotFound, FormatError):
        there = []
        for key in keys:
            with contextlib.suppress(NotFound, FormatError):
                there += index.entries([key])
        return there
