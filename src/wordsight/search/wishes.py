"""What else a search is asked for, besides a query and a condition: an order, examples, exact words, folding.

    library.search("red shoes", sort="-mtime", fold=True)
    library.search(like=["a.jpg", "b.jpg"])
    library.search("shoes", liked=[hits[0]], disliked=["c.jpg"])

An example is the key of an image of the library, its path, or a hit.  Knows no index and no model.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from wordsight.base.errors import UsageError
from wordsight.search.hits import Hit
from wordsight.search.limits import HitLimitOptions

KEYWORDS = ("auto", "on", "off")


class WishOptions(TypedDict, total=False):
    """The wishes as `Library.search` takes them; each may be left out."""

    sort: str | None
    fold: bool
    keywords: str
    like: Any
    liked: Any
    disliked: Any


class SearchOptions(HitLimitOptions, WishOptions, total=False):
    """All that `Library.search` takes by name beside a condition and what to stay away from."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """`sort`: a column, falling behind a minus.  `fold`: near-duplicates of a better hit stand behind it.

    `keywords`: whether images with the query's exact words rise; `auto`: where images have text besides their names.
    `like`, `liked` and `disliked` name images: the query itself, and what it moves towards and away from.
    """

    sort: str | None = None
    fold: bool = False
    keywords: str = "auto"
    like: tuple[str, ...] = ()
    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()

    @property
    def examples(self) -> bool:
        """Whether images of the library are part of the query."""
        return bool(self.like or self.liked or self.disliked)


def split(options: SearchOptions) -> tuple[HitLimitOptions, WishOptions]:
    """Return the limits among the arguments of a search, and all others."""
    limits = {name: value for name, value in options.items() if name in HitLimitOptions.__annotations__}
    wishes = {name: value for name, value in options.items() if name not in limits}
    return cast("HitLimitOptions", limits), cast("WishOptions", wishes)


def read_wishes(options: WishOptions) -> Wishes:
    """Return wishes as they are understood; raises `UsageError` for what cannot be meant."""
    unknown = set(options) - set(WishOptions.__annotations__)
    if unknown:
        from wordsight.base.suggest import suggest

        name = min(unknown)
        raise UsageError(f"search has no argument {name}", cure=suggest(name, SearchOptions.__annotations__))
    keywords = options.get("keywords", "auto")
    if keywords not in KEYWORDS:
        raise UsageError(f"keywords = {keywords!r}", cure=f"use {', '.join(KEYWORDS)}")
    sort = options.get("sort")
    if sort is not None and not (isinstance(sort, str) and sort.strip(" -")):
        raise UsageError(f"sort = {sort!r}", cure='name a column, for example "-mtime" for the newest first')
    return Wishes(
        sort=sort,
        fold=bool(options.get("fold", False)),
        keywords=keywords,
        like=_names("like", options.get("like", ())),
        liked=_names("liked", options.get("liked", ())),
        disliked=_names("disliked", options.get("disliked", ())),
    )


def _names(option: str, examples: Any) -> tuple[str, ...]:
    """Return the keys or paths of one example or several."""
    if examples is None:
        return ()
    alone = isinstance(examples, str | os.PathLike | Hit) or not isinstance(examples, Iterable)
    return tuple(_name(option, one) for one in ([examples] if alone else examples))


def _name(option: str, example: Any) -> str:
    if isinstance(example, Hit):
        return example.key
    if isinstance(example, str | os.PathLike) and os.fspath(example):
        return os.fspath(example)
    raise UsageError(f"{option} = {example!r}", cure="give keys or paths of images of the library, or hits")
