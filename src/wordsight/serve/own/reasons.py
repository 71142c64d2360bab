"""Why hits came: the shares of the parts of a query, where in the image it is strongest, and a map laid over it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from wordsight.base.arrays import Pixels
from wordsight.search.query import Query
from wordsight.search.why import NOT_ASKED, Reason
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import require_own
from wordsight.serve.own.querying import QueryRequest, query_of, require_keys
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library

KEYS = 8  # of one request: maps take about a second each
PAGE = 50  # hits of the page that is explained, as a search has it by default
SIDE = 512  # pixels of the longer side of what is laid under a map


class WhyRequest(QueryRequest, forbid_unknown_fields=True):
    """A query, and keys of hits; `maps`: whether it is computed where in the images the query is strongest."""

    keys: list[str] = msgspec.field(default_factory=list)
    maps: bool = True


class ShareAnswer(msgspec.Struct):
    """A part of the query: the cosine of the image with it, and its summand of the score.

    `name`: the part of the query, in words.  `share`: its summand of the score.
    """

    name: str
    cosine: float
    share: float


class ReasonAnswer(msgspec.Struct):
    """Why a hit came.

    `text`: the reason, in a line.  `shares`: what each part of the query adds to the score.  `passes`: whether the map
    stood its checks (null: there is none, or it is even).  `fails`: the checks that it did not stand: "swap" (another
    text gives nearly the same map), "hiding" (hiding what it marks lowers the score no more than hiding anything).
    `box`: left, top, width and height of where it is strongest, as shares of the image.  `region`: where it is
    strongest, in words.  `overlay`: the image under its map, as a data address.  `problem`: why there is no map.
    """

    key: str
    text: str
    shares: list[ShareAnswer]
    passes: bool | None
    fails: list[str]
    box: tuple[float, float, float, float] | None
    region: str
    overlay: str
    problem: str


class WhyAnswer(msgspec.Struct):
    """The reasons, in the order of the keys."""

    reasons: list[ReasonAnswer]


async def why(call: HttpCall[WhyRequest]) -> WhyAnswer:
    """Say why hits came."""
    asked, host = call.asked, call.host
    if not 1 <= len(asked.keys) <= KEYS:
        raise Refused(422, f"{len(asked.keys)} keys", cure=f"name 1 to {KEYS}")
    library = host.libraries.named(call.path["library"])
    query = await query_of(asked, host, library)
    if query is None:
        raise Refused(422, "nothing is asked for", cure="give the query whose hits these are")
    await host.libraries.run(require_keys, library, asked.keys)
    if not asked.maps:
        return await host.libraries.run(_explained, library, query, asked)
    return await host.long_work.run(lambda check: _explained(library, query, asked, check))


def _explained(
    library: "Library", query: Query, asked: WhyRequest, check: Callable[[], None] = lambda: None
) -> WhyAnswer:
    with library.asking(query, k=PAGE) as opened:
        hits = opened.hits_of(asked.keys, library.contents)
    for hit in hits if asked.maps else ():
        require_own(hit, library)
    reasons = library.why(query, hits, maps=asked.maps, done=check)
    return WhyAnswer([_answer(hit, reason) for hit, reason in zip(hits, reasons, strict=True)])


def _answer(hit: "Hit", reason: Reason) -> ReasonAnswer:
    return ReasonAnswer(
        reason.key,
        reason.text,
        [ShareAnswer(one.name, round(one.cosine, 6), round(one.share, 6)) for one in reason.shares],
        reason.passes,
        _fails(reason),
        None if reason.spot is None else reason.spot.box,
        "" if reason.spot is None else reason.spot.region,
        "" if reason.relevance is None else _overlay(hit, reason),
        "" if reason.problem == NOT_ASKED else reason.problem,
    )


def _fails(reason: Reason) -> list[str]:
    checks = {"swap": reason.swap, "hiding": reason.hiding}
    return [name for name, check in checks.items() if check is not None and not check.passes]


def _overlay(hit: "Hit", reason: Reason) -> str:
    import numpy as np
    from PIL import Image

    from wordsight.search.thumbnails import address, as_jpeg, thumbnail

    pixels: Pixels = thumbnail(hit, lambda image: np.asarray(image).copy(), side=SIDE)
    return address(as_jpeg(Image.fromarray(reason.overlay(pixels))))
