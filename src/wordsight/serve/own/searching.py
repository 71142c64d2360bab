"""Searching a library: the hits of a query, a page at a time, however deep."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from wordsight.search.limits import HitLimitOptions, HitLimits
from wordsight.search.query import Query
from wordsight.search.ranking import Ranking
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.heard import listened
from wordsight.serve.hosting.kept import KeptAnswers
from wordsight.serve.own.hits import HitAnswer, hit_answer
from wordsight.serve.own.querying import QueryRequest, mark_of, query_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.hits import Hit, Hits
    from wordsight.search.library import Library
    from wordsight.serve.hosting.host import Host

RankingAndNotices = tuple[Ranking, list[str]]
DEEPEST = 100_000  # results of a query that can be paged through


class SearchRequest(QueryRequest, forbid_unknown_fields=True):
    """A query, and which of its results.

    `rest`: whether images that are less likely than `min_match`, or where that is not given than `least`, come behind
    all others instead of not at all, and `matching` is how many come before them; with `sort` it means nothing.
    """

    k: int = 50
    offset: int = 0
    rest: bool = False


class SimilarRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The key of an image of the library, and a condition.  `key`: the key of the image that others shall be like."""

    key: str
    k: int = 50
    where: str = ""


class SearchAnswer(msgspec.Struct):
    """Hits, best first.

    `total`: how many results can be paged through (with `fold`, on the first page, at most so many).  `matching`: how
    many images match, where they were sorted or `rest` was asked for.  `least`: the probability below which a hit is
    not worth showing to people.  `calibrated`: whether hits have probabilities; without hits, whether those
    of this library have.  `took`: how many seconds the answer took.  `notices`: what else there is to say.
    """

    hits: list[HitAnswer]
    total: int
    matching: int | None
    least: float | None
    calibrated: bool
    took: float
    notices: list[str] = []


async def search(call: HttpCall[SearchRequest]) -> SearchAnswer:
    """Return the hits of a query."""
    return await answer_of(call.asked, call.host, call.path["library"])


async def similar(call: HttpCall[SimilarRequest]) -> SearchAnswer:
    """Return the images that look like one of the library."""
    asked = SearchRequest(like=[call.asked.key], k=call.asked.k, where=call.asked.where)
    return await answer_of(asked, call.host, call.path["library"])


async def answer_of(asked: SearchRequest, host: "Host", name: str) -> SearchAnswer:
    """Return what a library of this name answers."""
    started = time.perf_counter()
    library = host.libraries.named(name)
    most = host.settings.limits.hits
    if not 1 <= asked.k <= most:
        raise Refused(422, f"k = {asked.k}", cure=f"ask for 1 to {most}")
    if not 0 <= asked.offset < DEEPEST:
        raise Refused(422, f"offset = {asked.offset}", cure=f"ask for 0 to {DEEPEST - 1}")
    query = await query_of(asked, host, library)
    pager = Pager(library, (name, mark_of(asked), asked.k, asked.rest), asked, query, host.rankings)
    hits, notices = None, list[str]()
    if pager.begins_with_a_search:
        hits, notices = await _answered(host, library, pager)
    if hits is not None and pager.counts(hits):
        work = partial(pager.first_page, hits)
    else:
        ranking, of_ranking = await pager.ranking()
        work, notices = partial(pager.page, ranking), [*notices, *of_ranking]
    answer, others = await host.libraries.run(listened, work)
    answer.notices = [host.public(one) for one in dict.fromkeys((*notices, *others))]
    answer.took = round(time.perf_counter() - started, 6)
    return answer


async def _answered(host: "Host", library: "Library", pager: "Pager") -> "tuple[Hits, list[str]]":
    """Return the first hits of a query as the library gives them; where there are none, what it has to say of it."""
    assert pager.query is not None
    hits = await host.libraries.answer(library, pager.query, HitLimits(**pager.limits))
    if hits:
        return hits, []
    return await host.libraries.run(listened, partial(library.answer, pager.query, **pager.limits))


class Pager:
    """One query whose results are paged through; `mark` names it among the rankings that are kept."""

    def __init__(
        self,
        library: "Library",
        mark: tuple[Any, ...],
        asked: SearchRequest,
        query: Query | None,
        kept: KeptAnswers[RankingAndNotices],
    ) -> None:
        self._library = library
        self._mark = mark
        self._asked = asked
        self.query = query
        self._kept = kept

    @property
    def begins_with_a_search(self) -> bool:
        """Whether the first hits are wanted alone; where all are sorted or split, all have to be known."""
        is_alone = self.query is not None and not self.query.wishes.sort and not self.has_rest
        return is_alone and not self._asked.offset

    def counts(self, hits: "Hits") -> bool:
        """Return whether a count tells how many results there are beside the first, which a search gave."""
        asked = self._asked
        return len(hits) < asked.k or (asked.min_match is None and asked.min_cosine is None)

    def first_page(self, hits: "Hits") -> SearchAnswer:
        """Return the first results, which a search gave."""
        total = self._total(hits)
        answers = [hit_answer(hit) for hit in hits]
        calibrated = any(hit.match is not None for hit in hits) if hits else self._can_be_calibrated
        return SearchAnswer(answers, min(total, DEEPEST), hits.matching, hits.least, calibrated, 0.0)

    @property
    def limits(self) -> HitLimitOptions:
        """How many hits are wanted, and how good they have to be."""
        least = None if self.has_rest else self._asked.min_match
        return {"k": self._asked.k, "min_match": least, "min_cosine": self._asked.min_cosine}

    @property
    def has_rest(self) -> bool:
        """Whether less likely images are wanted too, behind the others."""
        return self._asked.rest and self.query is not None and not self.query.wishes.sort

    @property
    def _can_be_calibrated(self) -> bool:
        """Whether the library gives its hits probabilities."""
        from wordsight.search import background

        return background.read(self._library.folder, self._library.model.fingerprint) is not None

    def _total(self, hits: "Hits") -> int:
        """Return how many results there are."""
        asked, query = self._asked, self.query
        assert query is not None
        if len(hits) < asked.k:
            return len(hits)
        with self._library.reading() as index, index.one_look():
            total = index.ranked(np.eye(1, self._library.model.spec.width, dtype=np.float32)[0], 0, query.where).total
            examples = {*asked.like, *asked.disliked}
            excluded = 0
            if examples:
                from wordsight.index.where import matches

                there = index.entries(sorted(examples))
                states = index.files.of(examples)
                excluded = sum(
                    (query.where is None or matches(query.where, one.meta))
                    and not (one.key in states and states[one.key].absent)
                    for one in there
                )
        if asked.fold:
            from wordsight.search.ranking import FOLDED

            return min(total - excluded, FOLDED)
        return total - excluded

    async def ranking(self) -> RankingAndNotices:
        """Return all results in their order, and notices; kept since they were asked for, or made now."""
        return await self._kept.of(lambda: (*self._mark, self._library.state()), self._made_with_notices)

    def _made_with_notices(self) -> tuple[RankingAndNotices, int]:
        made = listened(self._made)
        return made, made[0].size

    def _made(self) -> Ranking:
        library, asked = self._library, self._asked
        if self.query is not None:
            with library.asking(self.query, **self.limits) as opened:
                ranking = opened.ranking(DEEPEST)
            return ranking.likely_first(asked.min_match) if self.has_rest else ranking
        from wordsight.search.ranking import listing
        from wordsight.search.unasked import all_keys, condition_of

        with library.reading() as index, index.one_look():
            return listing(all_keys(index, condition_of(asked.where), asked.sort.strip(), count=DEEPEST))

    def hits(self, ranking: Ranking, start: int, count: int) -> "list[Hit]":
        """Return some of the results."""
        with self._library.reading() as index, index.one_look():
            return ranking.hits(index, self._library.contents, start, count)

    def page(self, ranking: Ranking) -> SearchAnswer:
        """Return the results that are asked for, of the ranking of all."""
        asked, is_scored = self._asked, self.query is not None
        hits = self.hits(ranking, asked.offset, asked.k)
        answers = [hit_answer(hit, is_scored=is_scored) for hit in hits]
        calibrated = ranking.is_calibrated if len(ranking) else is_scored and self._can_be_calibrated
        return SearchAnswer(answers, len(ranking), ranking.matching, ranking.least, calibrated, 0.0)
