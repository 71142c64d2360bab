"""One query asked of one state of an index: what is nearest, what matches, in which order, and what can narrow it.

    with asking(opened, query, contents, limits=HitLimits(k=10)) as asked:
        asked.reply().hits                     # up to k, folded, each with the keys of those that show the same
        asked.count(["colour", "price"])       # how many matches have each value

Knows the protocol of an index.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.index.index import Index, Neighbour
from wordsight.search import background
from wordsight.search.answered import Answered, Reply
from wordsight.search.contents import Contents
from wordsight.search.direction import Direction, direction_by_example, direction_of_query
from wordsight.search.hits import Hit
from wordsight.search.limits import HitLimits
from wordsight.search.match import FIRST, least_for_people, matches_of, matches_of_scores
from wordsight.search.matching import LEAST, Matching, all_matching
from wordsight.search.notices import say_damage, say_no_probabilities
from wordsight.search.open_index import OpenIndex
from wordsight.search.query import Part, Query
from wordsight.search.without import candidates, weighed

if TYPE_CHECKING:
    from wordsight.index.where import Condition
    from wordsight.search.background import Background
    from wordsight.search.facets import Counts
    from wordsight.search.folding import Folded
    from wordsight.search.ranking import Ranking, Rest


@contextlib.contextmanager
def asking(
    opened: OpenIndex, query: Query, contents: Callable[[], Contents], *, limits: HitLimits
) -> "Iterator[Asking]":
    """Give a query that is being asked of one state of a library, and say what is damaged of it.

    The text tower runs before the index is held.
    """
    if not opened.exists():
        raise opened.not_made()
    direction = None if query.wishes.examples else direction_of_query(query, opened.model)
    with opened.reading() as index, index.one_look():
        if direction is None:
            direction = direction_by_example(query, opened.model, index, contents())
        if query.where is not None:
            from wordsight.search.dates import refuse_no_dates

            refuse_no_dates(index, query.where, direction.embedding[None])
        usual = background.read(opened.folder, opened.model.fingerprint)
        if usual is None and (limits.min_match or 0) > 0:
            say_no_probabilities(opened)
        yield Asking(index, query, direction, limits=limits, usual=usual)
        say_damage(opened, index)


class SearchCall(Protocol):
    """What is asked for neighbours: `Index.search`, or what answers in its place."""

    def __call__(
        self, embeddings: Embeddings, k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> list[list[Neighbour]]:
        """See `Index.search`."""


class Asking:
    """One query of one state of an index; `search` takes the place of the index's own."""

    def __init__(
        self,
        index: Index,
        query: Query,
        direction: Direction,
        *,
        limits: HitLimits,
        usual: "Background | None" = None,
        search: SearchCall | None = None,
    ) -> None:
        self._index = index
        self._search = search or index.search
        self._query = query
        self._direction = direction
        self._limits = limits
        self._usual = usual
        self._first: list[Neighbour] | None = None  # by score and without a condition: what probabilities are told from
        self._named: set[str] = set()  # keys that have all words of the query

    @property
    def direction(self) -> Direction:
        """What the index is asked along."""
        return self._direction

    def stored(self, keys: Sequence[str]) -> dict[str, Embeddings]:
        """Return the embeddings (width,) of these keys, without those that are not there any more."""
        known: dict[str, Embeddings] = {}
        for key in keys:
            with contextlib.suppress(NotFound):
                known[key] = self._index.entries([key])[0].embedding
        return known

    def hits_of(self, keys: Sequence[str], contents: Contents) -> list[Hit]:
        """Return entries as hits of the query, whatever their scores; `NotFound` for a key that is not there."""
        entries, scores = self._index.entries(keys), dict[str, float]()
        if self._direction.unwanted:
            ranking = self.ranking(len(self._index))
            scores = dict(zip(ranking.keys, ranking.scores.tolist(), strict=True))
        cosines = [float(self._direction.embedding @ one.embedding) for one in entries]
        scored = [one.near(scores.get(one.key, cosine)) for one, cosine in zip(entries, cosines, strict=True)]
        return [Answered(one).as_hit(contents) for one in scored]

    def ranking(self, depth: int) -> "Ranking":
        """Return all results in their order, up to `depth`: those of `reply`, and what comes behind them."""
        from wordsight.search.ranking import Ranking, Rest, with_rest

        reply, wishes = self.reply(), self._query.wishes
        if len(reply.hits) < self._limits.k:
            rest = Rest()
        elif wishes.sort is None and not wishes.fold:
            rest = self._rest_by_score([one.neighbour for one in reply.hits], depth)
        else:
            rest = self._rest_in_order(reply)
        ranking: Ranking = with_rest(reply, rest, self._direction, frozenset(self._named), depth=depth)
        return ranking

    def _rest_in_order(self, reply: Reply) -> "Rest":
        """Return what comes behind the hits of a query that is sorted or folded."""
        from wordsight.search.folding import SAMPLE, Folded, folded, likeness
        from wordsight.search.ranking import FOLDED, Rest

        first = {one.neighbour.key: one.neighbour for one in reply.hits}
        if reply.matching is None:
            near = self._above(self._nearest(FOLDED, self._query.where), self._limits.min_match)
        else:
            near = self._ordered(reply.matching)
        near = [*first.values(), *(one for one in near if one.key not in first)]
        if self._query.wishes.fold:
            hits = folded(near, likeness(self._index.sample(SAMPLE)))[len(first) :]
        else:
            hits = [Folded(one) for one in near[len(first) :]]
        return Rest.of(hits, self._matches([one.neighbour for one in hits]))

    def _rest_by_score(self, first: Sequence[Neighbour], depth: int) -> "Rest":
        """Return what comes behind these hits: what has the words, then all others by score."""
        from wordsight.search.folding import Folded
        from wordsight.search.fusion import RANKED
        from wordsight.search.ranking import Rest

        where, limits, direction = self._query.where, self._limits, self._direction
        known = {one.key for one in first} | direction.excluded
        near = self._nearest(max(limits.k, RANKED), where) if self._words() else []
        worded = [one for one in self._above(near, limits.min_match) if one.key not in known]
        behind = Rest.of([Folded(one) for one in worded], self._matches(worded))
        known |= {*behind.keys}
        others = self._all_by_score(where, known, depth + len(known))
        return behind + others.above(limits.min_match, limits.min_cosine)

    def reply(self) -> Reply:
        """Return up to k hits."""
        matching = None
        if self._query.wishes.sort is None:
            hits = self._folded_first()
        else:
            matching = self._matching(self._query.where)
            hits = self._folded(self._ordered(matching))
        if not hits and self._query.where is not None:
            from wordsight.search.hints import case_hints

            hints = case_hints(self._index, self._query.where, self._direction.embedding[None])
            if not hints and not self._ranked(1, self._query.where):
                hints = ["no picture satisfies the condition"]
            for hint in hints:
                notice(f"where: {hint}")
        return Reply(self._answered(hits), matching, self._line())

    def _all_by_score(self, where: "Condition | None", known: Collection[str], depth: int) -> "Rest":
        """Return the images under a condition by score with their probabilities, up to `depth`, but the known ones."""
        from wordsight.search.ranking import all_by_score

        direction, parts = self._direction, self._parts()
        scored = all_by_score(self._index, direction, where, absent=self._limits.absent, depth=depth).without(known)
        if not parts or self._usual is None:
            return scored
        nearest = self._first_hits()
        likely = matches_of_scores(self._usual, parts, direction.embedding, first=nearest, scores=scored.scores)
        return scored if likely is None else scored.with_matches(likely[len(nearest) :])

    def _ordered(self, matching: Matching) -> list[Neighbour]:
        """Return the matches in the order that is asked for."""
        from wordsight.search.ordering import in_order, read_order

        order = read_order(self._query.wishes.sort or "", self._index.columns())
        return in_order(matching.neighbours, order, lambda one: one.meta)

    def _line(self) -> float | None:
        """Return the probability below which people see none; images alone have none: all are somewhat alike."""
        return least_for_people(self._usual) if any(part.text for part in self._parts()) else None

    def _answered(self, hits: "list[Folded]") -> list[Answered]:
        near = [one.neighbour for one in hits]
        reasons, matches = self._reasons(near), self._matches(near)
        return [
            Answered(one.neighbour, match, one.alike, reasons.get(key, ""), key in self._named)
            for one, match in zip(hits, matches, strict=True)
            for key in [one.neighbour.key]
        ]

    def _parts(self) -> Sequence[Part]:
        """Return the parts that probabilities are told for: none where several examples made the direction."""
        wishes = self._query.wishes
        if not wishes.examples:
            return self._query.parts
        return (Part(1.0, image=wishes.like[0]),) if len(wishes.like) == 1 and not wishes.liked else ()

    def _matches(self, near: Sequence[Neighbour]) -> Sequence[float | None]:
        """Return how likely each is to match; None where the library cannot tell."""
        parts = self._parts()
        if not parts:
            return [None] * len(near)
        first = self._first_hits() if near and self._usual is not None else []
        likely = matches_of(self._usual, parts, self._direction.embedding, [*first, *near])
        return likely[len(first) : len(first) + len(near)]

    def _first_hits(self) -> list[Neighbour]:
        """Return the first hits of the query without its condition, so that an image has one probability for a query.

        That costs one more search where there is a condition.
        """
        if self._first is None:
            self._ranked(FIRST, None)
        return self._first or []

    def _above(self, near: list[Neighbour], least: float | None) -> list[Neighbour]:
        """Return those that are at least so likely, and near enough; unknown probabilities pass."""
        cosine = self._limits.min_cosine
        pairs = zip(near, self._matches(near) if least is not None else [None] * len(near), strict=True)
        likely = [one for one, match in pairs if match is None or match >= (least or 0)]
        return [one for one in likely if cosine is None or one.score >= cosine]

    def count(self, columns: Sequence[str] | None) -> "Counts":
        """Return how many matches have each value of these columns, or of all.

        For a column that the condition restricts, that restriction is left out.
        """
        from wordsight.search.facets import count_values, is_cut
        from wordsight.search.ordering import unknown_column

        known = self._index.columns()
        for column in columns or ():
            if column not in known:
                raise unknown_column("facets", column, known)

        def metas(where: "Condition | None") -> Iterator[Mapping[str, Value]]:
            keys = None if self._direction.unwanted else self._likely_keys(where)
            if keys is None and (self._direction.unwanted or is_cut(self._limits, self._parts())):
                return (one.meta for one in self._matching(where).neighbours)
            rows = self._index.values(wanted, where)
            mine = (values for key, values in rows if (key not in excluded if keys is None else key in keys))
            return (dict(zip(wanted, values, strict=True)) for values in mine)

        wanted, excluded = list(known) if columns is None else list(columns), self._direction.excluded
        return count_values(metas, self._query.where, wanted)

    def _likely_keys(self, where: "Condition | None") -> set[str] | None:
        """Return the keys of `_matching` where a limit says which they are, without reading entries; else None."""
        least, cosine = self._least_likely(), self._limits.min_cosine
        if (least is None and cosine is None) or self._limits.absent:
            return None
        scored = self._all_by_score(where, self._direction.excluded, len(self._index)).above(least, cosine)
        has_limits = self._limits.min_match is not None or cosine is not None
        worded = [] if has_limits else self._with_all_words(where)
        return {*scored.keys, *(one.key for one in worded)}

    def _matching(self, where: "Condition | None") -> Matching:
        """Return all matches, best first: by the limits that were asked for, else those that people would see.

        These are the images above the limit by their scores, and without a limit those that have all words too; where
        nothing tells, the nearest.
        """
        limits, least = self._limits, self._least_likely()
        if least is None and limits.min_cosine is None:
            return all_matching(lambda count: self._nearest(count, where), None, k=limits.k)
        by_score = all_matching(
            lambda count: self._scored(count, where), lambda near: self._above(near, least), k=limits.k
        )
        if limits.min_match is not None or limits.min_cosine is not None:
            return by_score
        matching = {one.key: one for one in [*self._with_all_words(where), *by_score.neighbours]}
        return by_score._replace(neighbours=sorted(matching.values(), key=lambda one: -one.score))

    def _least_likely(self) -> float | None:
        """Return the probability from which on an image matches; None where there is none to tell by."""
        if not self._parts():
            return None
        if self._limits.min_match is not None and self._usual is not None:
            return self._limits.min_match
        return self._line() if self._limits.min_cosine is None else None

    def _with_all_words(self, where: "Condition | None") -> list[Neighbour]:
        """Return all images under a condition that have all words of the query, if words count; scores are cosines."""
        from wordsight.search.fusion import ALL_WORDS, has_words

        words = self._words()
        if not words or (self._query.wishes.keywords == "auto" and not has_words(self._ranked(LEAST, None))):
            return []
        worded = self._index.keywords(words, len(self._index), where, absent=self._limits.absent)
        named = [one for one in worded if one.score > ALL_WORDS and one.key not in self._direction.excluded]
        self._named = {one.key for one in named}
        direction = self._direction.embedding
        return [replace(one, score=float(direction @ one.embedding)) for one in named]

    def _folded_first(self) -> "list[Folded]":
        """Return the best k hits; where some are folded, more are asked for, so that k are left."""
        k, fold = self._limits.k, self._query.wishes.fold
        count = 3 * k if fold else k
        while True:
            near = self._nearest(count, self._query.where)
            matches = self._above(near, self._limits.min_match)
            hits = self._folded(matches)
            if len(hits) >= k or not fold or len(near) < count or len(matches) < len(near):
                return hits
            count *= 4

    def _folded(self, neighbours: Sequence[Neighbour]) -> "list[Folded]":
        from wordsight.search.folding import SAMPLE, Folded, folded, likeness

        k = self._limits.k
        if not self._query.wishes.fold:
            return [Folded(one) for one in neighbours[:k]]
        return folded(neighbours, likeness(self._index.sample(SAMPLE)), k=k)

    def _nearest(self, count: int, where: "Condition | None") -> list[Neighbour]:
        """Return so many images under a condition, best first."""
        words = self._words()
        if not words:
            return self._scored(count, where)
        near = self._with_words(self._ranked(max(count, FIRST), where), words, where)
        return [one for one in near if one.key not in self._direction.excluded][:count]

    def _scored(self, count: int, where: "Condition | None") -> list[Neighbour]:
        """Return so many images under a condition, best first by score."""
        near = self._ranked(max(count, FIRST), where)
        return [one for one in near if one.key not in self._direction.excluded][:count]

    def _ranked(self, count: int, where: "Condition | None") -> list[Neighbour]:
        """Return so many images by score alone, and those that are no answers; the first of all are kept."""
        direction = self._direction
        wanted = count + len(direction.excluded)
        if direction.unwanted:
            wanted = max(wanted, candidates(self._limits.k))
        near = self._search(direction.embedding[None], wanted, where, absent=self._limits.absent)[0]
        if direction.unwanted:
            near = weighed(near, direction.unwanted)
        if where is None and self._first is None:
            self._first = [one for one in near if one.key not in direction.excluded][:FIRST]
        return near

    def _words(self) -> list[str]:
        """Return the words that are looked for as they are; none where thumbs say more than they do."""
        wishes = self._query.wishes
        off = wishes.keywords == "off" or (wishes.keywords == "auto" and wishes.examples)
        if off or not any(part.text for part in self._query.parts):
            return []
        from wordsight.search.fusion import words_asked

        return words_asked(self._query)

    def _with_words(self, near: list[Neighbour], words: Sequence[str], where: "Condition | None") -> list[Neighbour]:
        """Return the neighbours, and images that have the words, in the order of both rankings."""
        from wordsight.search.fusion import ALL_WORDS, RANKED, fused, has_words

        if self._query.wishes.keywords == "auto" and not has_words(near):
            return near
        worded = self._index.keywords(words, RANKED, where, absent=self._limits.absent)
        if worded and len(near) < RANKED and not self._direction.unwanted:
            near = self._search(self._direction.embedding[None], RANKED, where, absent=self._limits.absent)[0]
        self._named = {one.key for one in worded if one.score > ALL_WORDS}
        return fused(near, worded, self._direction.embedding) if worded else near

    def _reasons(self, hits: Sequence[Neighbour]) -> dict[str, str]:
        """Return why a query by example led to these hits, by key."""
        members = self._direction.members
        if not members:
            return {}
        from wordsight.search.alike import shared_values, why

        keys = sorted(self._direction.excluded)
        shared = shared_values([entry.meta for entry in self._index.entries(keys)])
        return {one.key: why(one, members, shared) for one in hits}
