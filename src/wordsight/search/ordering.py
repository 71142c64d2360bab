"""In which order matches come, when not by their scores: by a column of the metadata.

    order = read_order("-mtime", columns)            # newest first; also "mtime desc", "price", "price asc"
    in_order(neighbours, order)                      # those without a value come last, either way

Equal values keep the order they came in, which is that of the scores.  Knows metadata only.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, TypeVar

from wordsight.base.errors import UsageError
from wordsight.base.value import Value
from wordsight.images.embedded_names import EMBEDDED

_Any = TypeVar("_Any")
_DIRECTIONS = {" desc": True, " asc": False}


@dataclass(frozen=True, slots=True)
class ColumnOrder:
    """A column of the metadata; `falling`: its largest values come first."""

    column: str
    falling: bool = False


def read_order(text: str, columns: Iterable[str]) -> ColumnOrder:
    """Return the order that is asked for; a column that is not among `columns` raises `UsageError` with near ones."""
    known = list(columns)
    if text in known:
        return ColumnOrder(text)
    name, falling = text.strip(), False
    for ending, down in _DIRECTIONS.items():
        if name.lower().endswith(ending):
            name, falling = name[: -len(ending)].strip(), down
    if name.startswith("-") and name not in known:
        name, falling = name[1:], not falling
    if name not in known:
        raise unknown_column("sort", name, known)
    return ColumnOrder(name, falling)


def unknown_column(option: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a column that no image has, with the near ones as its cure."""
    from wordsight.base.suggest import suggest_column

    if name in EMBEDDED:
        cure = "no photo here states it, or it was indexed before that was read: run wordsight index"
        return UsageError(f"{option}: no column {name}", cure=cure)
    return UsageError(f"{option}: no column {name}", cure=suggest_column(name, known))


def in_order(items: Iterable[_Any], order: ColumnOrder, meta: Callable[[_Any], Mapping[str, Value]]) -> list[_Any]:
    """Return the items by the values of a column: numbers before text, letters whatever their case, missing ones last.

    `meta` gives the metadata of an item.
    """
    listed = list(items)
    there = [item for item in listed if has_value(meta(item).get(order.column))]
    missing = [item for item in listed if not has_value(meta(item).get(order.column))]
    return sorted(there, key=lambda item: _rank(meta(item)[order.column]), reverse=order.falling) + missing


def has_value(value: Value) -> TypeGuard[str | int | float]:
    """Return whether a cell says something: what is empty, and what is no finite number, does not."""
    return value is not None and value != "" and not (isinstance(value, float) and not math.isfinite(value))


def _rank(value: Value) -> tuple[Any, ...]:
    return (1, value.casefold(), value) if isinstance(value, str) else (0, value)
