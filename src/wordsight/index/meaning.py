"""What conditions mean: whether an entry satisfies one, and which columns and values one may have.

    check(condition, columns)          # raises `WhereError`
    matches(condition, meta)           # the meaning that `sql` and `columns_cache` are held to

Knows no store.
"""

import re
from collections.abc import Mapping

from wordsight.base.suggest import suggest_column
from wordsight.base.value import Value
from wordsight.images.embedded_names import EMBEDDED
from wordsight.index.conditions import (
    LATITUDE,
    LONGITUDE,
    Among,
    Between,
    Both,
    Column,
    Compare,
    Condition,
    Either,
    Leaf,
    Literal,
    Missing,
    Near,
    Not,
    WhereError,
    columns_of,
    leaf_names,
)
from wordsight.index.distance import is_near
from wordsight.index.like import has_line, holds_text, is_like
from wordsight.index.ranges import spelled_out

_MOST_VALUES = 10_000  # compared with in one condition: SQLite takes 32,766
_YEAR = re.compile(r"\d{4}", re.ASCII)


def check(condition: Condition, columns: Mapping[str, Column]) -> None:
    """Raise `WhereError` for a column that is not there, a value of a kind that it never holds, or too many values."""
    count = 0
    for leaf in columns_of(condition):
        count += len(_values(leaf))
        if count > _MOST_VALUES:
            raise WhereError(
                f"more than {_MOST_VALUES:,} values", cure="ask for fewer at a time", position=leaf.position
            )
        for name in leaf_names(leaf):
            if name not in columns:
                raise _unknown_column(leaf, name, columns)
            for value in _values(leaf):
                _check_kind(leaf, columns[name], value)


def matches(condition: Condition, meta: Mapping[str, Value]) -> bool:
    """Return whether an entry with this metadata satisfies the condition: the meaning that other forms are held to."""
    if isinstance(condition, Not):
        return not matches(condition.part, meta)
    if isinstance(condition, Both):
        return all(matches(part, meta) for part in condition.parts)
    if isinstance(condition, Either):
        return any(matches(part, meta) for part in condition.parts)
    if isinstance(condition, Near):
        return is_near(meta.get(LATITUDE), meta.get(LONGITUDE), condition)
    if isinstance(condition, Between):
        return matches(spelled_out(condition), meta)
    return _is_so(condition, meta.get(condition.column))


def _is_so(condition: Compare | Among | Missing, value: Value) -> bool:
    if isinstance(condition, Missing):
        return value is None
    if value is None:
        return False
    if isinstance(condition, Among):
        return any(_compare("=", value, one) for one in condition.values)
    return _compare(condition.operator, value, condition.value)


def _compare(operator: str, value: Value, wanted: Literal) -> bool:
    if isinstance(value, str) != isinstance(wanted, str):
        return operator == "!="
    if operator == "=":
        return value == wanted
    if operator == "!=":
        return value != wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return _compare_texts(operator, value, wanted)
    assert isinstance(value, int | float)
    assert isinstance(wanted, int | float)
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator]


def _compare_texts(operator: str, value: str, wanted: str) -> bool:
    if operator == "contains":
        return holds_text(value, wanted)
    if operator == "like":
        return is_like(value, wanted)
    if operator == "has":
        return has_line(value, wanted)
    return {"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[operator]


def _values(leaf: Leaf) -> tuple[Literal, ...]:
    """Return the values that the column of a leaf has to be able to hold."""
    if isinstance(leaf, Among):
        return leaf.values
    if isinstance(leaf, Between):
        return () if all(_YEAR.fullmatch(str(value)) for value in (leaf.first, leaf.last)) else (leaf.first, leaf.last)
    if isinstance(leaf, Near):
        return (leaf.latitude,)
    return (leaf.value,) if isinstance(leaf, Compare) else ()


def _check_kind(leaf: Leaf, column: Column, value: Literal) -> None:
    if isinstance(value, str) and column.numbers and not column.texts:
        raise WhereError(
            f"column {column.name} holds numbers, {value!r} is text",
            cure=f"compare it with a number, for example {column.name} < 10",
            position=leaf.position,
        )
    if not isinstance(value, str) and column.texts and not column.numbers:
        raise WhereError(
            f"column {column.name} holds text, {value} is a number",
            cure=_cure_of_number(leaf, column.name, value),
            position=leaf.position,
        )


def _cure_of_number(leaf: Leaf, column: str, value: Literal) -> str:
    if isinstance(leaf, Near):
        return "name the columns with degrees as numbers latitude and longitude"
    quoted = f"put it in quotes: '{value}'"
    is_year = isinstance(leaf, Compare) and leaf.operator == "=" and _YEAR.fullmatch(str(value))
    return f"{quoted}, or for the dates of a year write {column} in {value}" if is_year else quoted


def _unknown_column(leaf: Leaf, name: str, columns: Mapping[str, Column]) -> WhereError:
    if isinstance(leaf, Near):
        cure = "its images do not say where they were made, or were indexed before that was read: run wordsight index"
        return WhereError(f"no column {name}", cure=cure, position=leaf.position)
    if name in EMBEDDED:
        cure = "no photo here states it, or it was indexed before that was read: run wordsight index"
        return WhereError(f"no column {name}", cure=cure, position=leaf.position)
    return WhereError(f"no column {name}", cure=suggest_column(name, columns), position=leaf.position)
