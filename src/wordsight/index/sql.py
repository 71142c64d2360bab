"""Conditions in SQLite's words: the same meaning as `where.matches`, one expression with `?` for values.

Each condition is 0 or 1 and never NULL, so that `not` works as in `where`.  Knows the tree of a condition and which
SQL column holds which metadata column.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wordsight.index.values import Stored, restored, stored
from wordsight.index.where import Among, Both, Compare, Either, Literal, Missing, Not, Tree, holds_text, is_like

_KIND = {True: "in ('text', 'blob')", False: "in ('integer', 'real')"}  # is the value text?


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL with the values for its question marks."""

    text: str
    values: tuple[Stored, ...]


def clause(tree: Tree, places: Mapping[str, str]) -> Clause:
    """Return a condition as SQL; `places` maps a metadata column to its SQL column."""
    if isinstance(tree, Not):
        inner = clause(tree.part, places)
        return Clause(f"not ({inner.text})", inner.values)
    if isinstance(tree, Both | Either):
        inners = [clause(part, places) for part in tree.parts]
        joint = " and " if isinstance(tree, Both) else " or "
        return Clause(joint.join(f"({i.text})" for i in inners), tuple(v for i in inners for v in i.values))
    place = places[tree.column]
    if isinstance(tree, Missing):
        return Clause(f"{place} is null", ())
    if isinstance(tree, Among):
        return _among(place, tree)
    return _compare(place, tree)


def _compare(place: str, leaf: Compare) -> Clause:
    kind = f"typeof({place}) {_KIND[isinstance(leaf.value, str)]}"
    value = (stored(leaf.value),)
    if leaf.operator in ("contains", "like"):
        return Clause(f"{kind} and {_FUNCTIONS[leaf.operator]}({place}, ?)", value)
    if leaf.operator == "!=":
        return Clause(f"{place} is not null and not ({kind} and {place} = ?)", value)
    return Clause(f"{kind} and {place} {leaf.operator} ?", value)


def _among(place: str, leaf: Among) -> Clause:
    parts = []
    values: list[Stored] = []
    for is_text in (True, False):
        some: list[Literal] = [value for value in leaf.values if isinstance(value, str) == is_text]
        if some:
            marks = ", ".join("?" * len(some))
            parts.append(f"(typeof({place}) {_KIND[is_text]} and {place} in ({marks}))")
            values += [stored(value) for value in some]
    return Clause(" or ".join(parts), tuple(values))


_FUNCTIONS = {"contains": "wordsight_contains", "like": "wordsight_like"}


def add_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the two text functions that conditions use."""
    connection.create_function("wordsight_contains", 2, _on_texts(holds_text), deterministic=True)
    connection.create_function("wordsight_like", 2, _on_texts(is_like), deterministic=True)


def _on_texts(function: Callable[[str, str], bool]) -> Callable[[Stored, Stored], bool]:
    return lambda value, wanted: function(str(restored(value)), str(restored(wanted)))
