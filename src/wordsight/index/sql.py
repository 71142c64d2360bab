"""Conditions in SQLite's words: the same meaning as `where.matches`, one expression with `?` for values.

Each condition is 0 or 1 and never NULL, so that `not` works as in `where`.  Knows conditions, and which SQL
column holds which metadata column.

Text that is no valid Unicode is a blob in SQLite, which stands above all text there: where it may be met, bytes are
compared in which every text has its place among the code points.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wordsight.index.conditions import LATITUDE, LONGITUDE
from wordsight.index.distance import is_near, latitudes_of
from wordsight.index.like import has_line, holds_text, is_like
from wordsight.index.ranges import spelled_out
from wordsight.index.values import Stored, restored
from wordsight.index.where import (
    Among,
    Between,
    Both,
    Compare,
    Condition,
    Either,
    Missing,
    Near,
    Not,
    matches,
    names_of,
)

_KIND = {True: "in ('text', 'blob')", False: "in ('integer', 'real')"}  # is the value text?


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL with the values for its question marks."""

    text: str
    values: tuple[Stored, ...]


def clause(condition: Condition, columns: Mapping[str, str]) -> Clause:
    """Return a condition as SQL; `columns` maps a metadata column to its SQL column."""
    if isinstance(condition, Not):
        inner = clause(condition.part, columns)
        return Clause(f"not ({inner.text})", inner.values)
    if isinstance(condition, Both | Either):
        inners = [clause(part, columns) for part in condition.parts]
        text = _joined([inner.text for inner in inners], "and" if isinstance(condition, Both) else "or")
        return Clause(text, tuple(value for inner in inners for value in inner.values))
    if isinstance(condition, Between):
        return clause(spelled_out(condition), columns)
    if isinstance(condition, Near):
        return _near(columns[LATITUDE], columns[LONGITUDE], condition)
    column = columns[condition.column]
    if isinstance(condition, Missing):
        return Clause(f"{column} is null", ())
    if isinstance(condition, Among):
        return _among(column, condition)
    return _compare(column, condition)


def _joined(texts: Sequence[str], word: str) -> str:
    """Return the parts joined half by half: SQLite refuses expressions that are more than 1,000 deep."""
    if len(texts) == 1:
        return texts[0]
    middle = len(texts) // 2
    return f"({_joined(texts[:middle], word)}) {word} ({_joined(texts[middle:], word)})"


def _compare(column: str, leaf: Compare) -> Clause:
    kind = f"typeof({column}) {_KIND[isinstance(leaf.value, str)]}"
    if leaf.operator in _FUNCTIONS:
        return Clause(f"{kind} and {_FUNCTIONS[leaf.operator]}({column}, ?)", (_ordered(str(leaf.value)),))
    side: str = column
    value: Stored = leaf.value
    if isinstance(leaf.value, str) and not (leaf.operator in ("=", "!=") and _is_plain(leaf.value)):
        side, value = _in_order(column), _ordered(leaf.value)
    if leaf.operator == "!=":
        return Clause(f"{column} is not null and not ({kind} and {side} = ?)", (value,))
    return Clause(f"{kind} and {side} {leaf.operator} ?", (value,))


def _among(column: str, leaf: Among) -> Clause:
    numbers = [value for value in leaf.values if not isinstance(value, str)]
    texts = [value for value in leaf.values if isinstance(value, str)]
    plain = [value for value in texts if _is_plain(value)]
    odd = [_ordered(value) for value in texts if not _is_plain(value)]
    parts: list[tuple[str, str, Sequence[Stored]]] = [
        (_KIND[False], column, numbers),
        (_KIND[True], column, plain),
        (_KIND[True], _in_order(column), odd),
    ]
    there = [part for part in parts if part[2]]
    texts_of = [f"(typeof({column}) {kind} and {side} in ({', '.join('?' * len(some))}))" for kind, side, some in there]
    return Clause(" or ".join(texts_of), tuple(value for _, _, some in there for value in some))


def _near(latitude: str, longitude: str, leaf: Near) -> Clause:
    """Return SQL for what lies in a belt around the globe and is near by our function: SQLite may have no sines."""
    number = _KIND[False]
    belt = f"typeof({latitude}) {number} and typeof({longitude}) {number} and {latitude} between ? and ?"
    values = (*latitudes_of(leaf), leaf.latitude, leaf.longitude, leaf.metres)
    return Clause(f"iif({belt}, wordsight_near({latitude}, {longitude}, ?, ?, ?), 0)", values)


def _is_plain(text: str) -> bool:
    """Say whether a text is valid Unicode, so that no blob equals it."""
    return all(not "\ud800" <= letter <= "\udfff" for letter in text)


def _in_order(column: str) -> str:
    """Return SQL for the text of a column as bytes in the order of code points."""
    return f"iif(typeof({column}) = 'blob', wordsight_ordered({column}), cast({column} as blob))"


def _ordered(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def matching_ids(connection: sqlite3.Connection, condition: Condition, columns: Mapping[str, str]) -> list[int]:
    """Return the ids of the entries that satisfy a condition, in any order; `columns` as for `clause`.

    A condition that is nested deeper than SQLite can read is evaluated in Python.
    """
    add_functions(connection)
    wanted = clause(condition, columns)
    try:
        rows = connection.execute(f"select id from entry where {wanted.text}", wanted.values)
        return [number for (number,) in rows]
    except sqlite3.OperationalError as error:
        if not any(part in str(error) for part in _TOO_DEEP):
            raise
    names = names_of(condition)
    rows = connection.execute(f"select id, {', '.join(columns[name] for name in names)} from entry")
    entries = ((number, {n: restored(v) for n, v in zip(names, values, strict=True)}) for number, *values in rows)
    return [number for number, meta in entries if matches(condition, meta)]


_TOO_DEEP = ("parser stack overflow", "Expression tree is too large")
_FUNCTIONS = {"contains": "wordsight_contains", "like": "wordsight_like", "has": "wordsight_has"}


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that conditions use."""
    connection.create_function("wordsight_contains", 2, _on_texts(holds_text), deterministic=True)
    connection.create_function("wordsight_like", 2, _on_texts(is_like), deterministic=True)
    connection.create_function("wordsight_has", 2, _on_texts(has_line), deterministic=True)
    connection.create_function("wordsight_ordered", 1, lambda value: _ordered(str(restored(value))), deterministic=True)

    connection.create_function("wordsight_near", 5, _is_near, deterministic=True)


def _is_near(latitude: Stored, longitude: Stored, north: float, east: float, metres: float) -> bool:
    return is_near(restored(latitude), restored(longitude), Near(north, east, metres, 1))


def _on_texts(function: Callable[[str, str], bool]) -> Callable[[Stored, bytes], bool]:
    return lambda value, wanted: function(str(restored(value)), wanted.decode("utf-8", "surrogatepass"))
