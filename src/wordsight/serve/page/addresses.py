"""What the address of the search page asks, as the page's own scripts read it: `search-state.js` in Python.

    asked = asked_by([("in", "photos"), ("q", "a red hat")])
    asked.library, asked.search                 # "photos", {"query": "a red hat", "rest": True}

The scripts compare `search` with what they would ask, field by field and in this order, and ask anew where it differs.
Knows no server.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Body = dict[str, Any]  # of a search, as JSON has it
_PART = re.compile(r"([tk])([0-9]*\.?[0-9]+):(.*)", re.DOTALL)
_BYTE = re.compile("[\U0010dc80-\U0010dcff]")  # a byte of a name that is no UTF-8, as addresses have it
_NAMES = ("in", "q", "weight", "p", "not", "where", "f", "least", "sort", "fold", "keywords", "like", "up", "down")
_ABOVE = ("p", "not", "where", "f", "like", "up", "down")  # what is shown over the results


class AskedByAddress(NamedTuple):
    """`library` "" is the first; `is_bare`: nothing is shown between the query and the results."""

    library: str
    search: Body
    is_bare: bool


def asked_by(query: Iterable[tuple[str, str]]) -> AskedByAddress | None:
    """Return what a query string asks; None where a part of it, as an image that was dropped, is not in it."""
    given: dict[str, list[str]] = {name: [] for name in _NAMES}
    for name, value in query:
        given.setdefault(name, []).append(value)
    parts = [_PART.fullmatch(one) for one in given["p"]]
    if any(one is None or not one[3] for one in parts):
        return None
    try:
        weight, least = _number(given["weight"]), _number(given["least"])
        search = _search(given, [_part(one) for one in parts if one is not None], 1.0 if weight is None else weight)
    except (ValueError, RecursionError):
        return None
    is_question = bool(_first(given, "q").strip() or parts or given["like"] or given["up"])
    if least is not None and is_question:
        search["min_match"] = least
    if is_question and "sort" not in search:
        search["rest"] = True
    return AskedByAddress(_first(given, "in"), search, not any(given[name] for name in _ABOVE))


def _search(given: dict[str, list[str]], parts: list[Body], weight: float) -> Body:
    body: Body = {}
    words = _first(given, "q").strip()
    parts = [one for one in parts if one["weight"] > 0]
    if words and not parts:
        body["query"] = words
    elif words and weight > 0:
        parts.insert(0, {"text": words, "weight": weight})
    if parts:
        body["parts"] = parts
    if where := _condition(given):
        body["where"] = where
    like, liked = _keys(given["like"]), _keys(given["up"])
    is_named = "query" in body or "parts" in body
    if like and not is_named:
        body["like"] = like
    if moved := [*like, *liked] if is_named else liked:
        body["liked"] = moved
    if is_named or like or liked:
        body |= {name: held for name, held in (("without", given["not"]), ("disliked", _keys(given["down"]))) if held}
    if sort := _first(given, "sort"):
        body["sort"] = sort
    if given["fold"]:
        body["fold"] = True
    if (keywords := _first(given, "keywords", "auto")) != "auto":
        body["keywords"] = keywords
    return body


def _condition(given: dict[str, list[str]]) -> str:
    """Return the condition of the chosen values and the written one: values of one column widen each other."""
    columns: dict[str, list[str]] = {}
    for written in given["f"]:
        chosen = json.loads(written)
        if not isinstance(chosen, list) or len(chosen) != 3 or not all(isinstance(one, str) for one in chosen):
            raise ValueError(f"no chosen value: {written}")
        columns.setdefault(chosen[0], []).append(chosen[2])
    chosen = [
        wheres[0] if len(wheres) == 1 else f"({' or '.join(f'({one})' for one in wheres)})"
        for wheres in columns.values()
    ]
    written = _first(given, "where").strip()
    return " and ".join([*([f"({written})"] if written else []), *chosen]) if chosen else written


def _part(written: re.Match[str]) -> Body:
    name, value = ("text", written[3]) if written[1] == "t" else ("key", written[3])
    return {name: _keys([value])[0], "weight": float(written[2])}


def _keys(written: Sequence[str]) -> list[str]:
    """Return keys as the server knows them: bytes that are no UTF-8 are lone surrogates."""
    return [_BYTE.sub(lambda one: chr(ord(one[0]) - 0x100000), key) for key in written]


def _number(written: Sequence[str]) -> float | None:
    """Return the first value as a number, None where there is none; `ValueError` for one that is no plain number."""
    if not written or not written[0]:
        return None
    number = float(written[0])
    if not math.isfinite(number):
        raise ValueError(f"no number: {written[0]}")
    return number


def _first(given: dict[str, list[str]], name: str, otherwise: str = "") -> str:
    return given[name][0] if given[name] else otherwise
