"""Searching a library: hits of a query, best first."""

from typing import Any

import msgspec

from wordsight.search.limits import HitLimits
from wordsight.search.query import plain_query
from wordsight.search.wishes import Wishes
from wordsight.serve.errors import Refused
from wordsight.serve.route import HttpCall


class SearchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is searched for; the fields mean what `Library.search` takes by these names."""

    query: str = ""
    where: str = ""
    without: list[str] = []
    k: int = 50
    min_match: float | None = None
    sort: str = ""
    fold: bool = False


class SearchAnswer(msgspec.Struct):
    """Hits, best first; `matching`: how many match in all, where that is known.

    `least`: the probability below which a hit is not worth showing to people.
    """

    hits: list[dict[str, Any]]
    matching: int | None
    least: float | None


async def search(call: HttpCall[SearchRequest]) -> SearchAnswer:
    """Return the hits of a query."""
    asked, most = call.asked, call.host.settings.limits.hits
    if not 1 <= asked.k <= most:
        raise Refused(422, f"k = {asked.k}", cure=f"ask for 1 to {most}")
    library = call.host.libraries.named(call.path["library"])
    wishes = Wishes(sort=asked.sort or None, fold=asked.fold)
    query = plain_query(asked.query, where=asked.where, without=asked.without, wishes=wishes)
    limits = HitLimits(k=asked.k, min_match=asked.min_match)
    hits = await call.host.libraries.answer(library, query, limits)
    shown = [{name: value for name, value in hit.record().items() if name != "path"} for hit in hits]
    return SearchAnswer(shown, hits.matching, hits.least)
