"""A hit as our API answers it: what is known of an image, and never where on the server it lies."""

import os
from collections.abc import Iterable
from typing import Any

import msgspec

from wordsight.base.value import Value
from wordsight.images.fragments import split
from wordsight.search.hits import Hit

Meta = dict[str, Any]


class HitAnswer(msgspec.Struct):
    """An image of a library.

    `key`: names it in every request.  `name`: the last part of its key.  `score`: the cosine, for mixtures a weighted
    sum of cosines; null where nothing was asked for.  `match`: the probability that it shows what was asked for, null
    where the library cannot tell.  `alike`: keys of images that show nearly the same and are folded behind it.  `why`:
    what led to it, where images were the query.  `named`: whether it has all words of the query.  `width`: its pixels
    from left to right, where known.  `height`: its pixels from top to bottom, where known.
    """

    key: str
    name: str
    score: float | None
    match: float | None
    meta: Meta
    alike: list[str]
    why: str
    named: bool
    width: int | None
    height: int | None


def hit_answer(hit: Hit, *, is_scored: bool = True) -> HitAnswer:
    """Return a hit as it is answered; `is_scored`: something was asked for."""
    return HitAnswer(
        hit.key,
        _name(hit.key),
        round(hit.score, 6) if is_scored else None,
        None if hit.match is None or not is_scored else round(hit.match, 6),
        {name: value for name, value in hit.meta.items() if not is_private(name, value)},
        list(hit.alike),
        hit.why,
        hit.named,
        _side(hit.meta.get("width")),
        _side(hit.meta.get("height")),
    )


def is_private(column: str, value: Value) -> bool:
    """Return whether a value says where on the server a file lies."""
    return column == "path" and isinstance(value, str) and os.path.isabs(value)


def public_values(column: str, values: Iterable[Value]) -> list[Any]:
    """Return values that may be answered."""
    return [value for value in values if not is_private(column, value)]


def _name(key: str) -> str:
    """Return the last part of a key, with where in its file the image lies."""
    file, fragment = split(key)
    name = file.rpartition("/")[2] or key
    return f"{name}#{fragment}" if fragment else name


def _side(value: Value) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 31 else None
