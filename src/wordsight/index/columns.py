"""Where the metadata columns of an index lie in SQLite: each in a column of its own, those beyond `OWN` in one of JSON.

SQLite allows 2,000 columns in a table, and tables of measurements may have more.  A row of `meta_column` says for each
name where its value is: `m7`, or `json_extract(rest, '$.m1207')`.  The latter are read by functions of this module, for
SQLite's own ends a text at its first NUL and knows no infinity.  Knows no keys and no embeddings.
"""

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from wordsight.base.value import Value
from wordsight.index.database import REST
from wordsight.index.values import Stored, restored, stored

if TYPE_CHECKING:
    from wordsight.index.where import Column

OWN = 900  # columns of their own; SQLite's limit of values in a statement has been 999
NAME = "name"  # the column of the images' names: where there is no other, nobody looks for words
_JOINED = 100  # columns in one expression; SQLite's limit of its depth has been 1000
_BITS = 63  # of whole numbers in SQLite, besides their sign


class MetaColumns:
    """The metadata columns of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.create_function("wordsight_rest", 2, _of_rest, deterministic=True)
        connection.create_function("wordsight_texts", 2, _texts_of_rest, deterministic=True)

    def kinds(self) -> "dict[str, Column]":
        """Return every column there has been, with the kinds of values it has held."""
        from wordsight.index.where import Column

        rows = self._connection.execute("select name, numbers, texts from meta_column order by rowid")
        return {name: Column(name, bool(numbers), bool(texts)) for name, numbers, texts in rows}

    def joined_texts(self) -> list[str]:
        """Return SQL whose values, blobs, are together the texts in which words are looked for."""
        from wordsight.index.keywords import is_worded

        kinds, texts, rest = self.kinds(), [], []
        for name, column in self.expressions().items():
            if not (kinds[name].texts and is_worded(name)):
                continue
            if _is_own(column):
                text = f"iif(typeof({column}) in ('text', 'blob'), {column}, '')" if kinds[name].numbers else column
                texts.append(f"coalesce({text}, '')")
            else:
                rest.append(_path(column))
        parts = [texts[start : start + _JOINED] for start in range(0, len(texts), _JOINED)]
        joined = ["cast(" + " || ' ' || ".join(part) + " as blob)" for part in parts]
        return [*joined, f"wordsight_texts({REST}, '{' '.join(rest)}')"] if rest else joined

    def has_captions(self) -> bool:
        """Return whether a column besides the name holds words about the images."""
        from wordsight.index.keywords import is_worded

        return any(kind.texts and is_worded(name) and name != NAME for name, kind in self.kinds().items())

    def expressions(self) -> dict[str, str]:
        """Return name -> the SQL that gives the value of a column."""
        rows = self._connection.execute("select name, place from meta_column order by rowid")
        return {
            name: column if _is_own(column) else f"wordsight_rest({REST}, '{_path(column)}')" for name, column in rows
        }

    def selected(self) -> dict[str, str]:
        """Return name -> SQL column of those with one of their own, and `rest` under "" where there is one."""
        expressions = self.expressions()
        own = {name: column for name, column in expressions.items() if _is_own(column)}
        return own if len(own) == len(expressions) else {**own, "": REST}

    def read(self, selected: Mapping[str, str], values: Sequence[Stored]) -> dict[str, Value]:
        """Return the metadata that the values of the `selected` columns are."""
        meta = {name: restored(value) for name, value in zip(selected, values, strict=True) if value is not None}
        rest = meta.pop("", None) if selected.get("") == REST else None
        if rest is not None:
            names = {_path(column): name for name, column in self.expressions().items() if not _is_own(column)}
            meta |= {names[path]: value for path, value in json.loads(str(rest)).items()}
        return meta

    def write(self, meta: Sequence[Mapping[str, Value]]) -> tuple[list[str], list[list[Stored]]]:
        """Return the SQL columns that the metadata of some entries need, made where needed, and their values."""
        columns = self._made(meta)
        own = {name: column for name, column in columns.items() if _is_own(column)}
        rest = {name: _path(column) for name, column in columns.items() if not _is_own(column)}
        rows: list[list[Stored]] = []
        for values in meta:
            row = [_kept(values.get(name)) for name in own]
            rows.append([*row, _as_json(values, rest)] if rest else row)
        return [*own.values(), *([REST] if rest else [])], rows

    def _made(self, meta: Sequence[Mapping[str, Value]]) -> dict[str, str]:
        """Return name -> SQL for all columns in `meta`, made or widened where needed."""
        kinds: dict[str, set[bool]] = {}
        for values in meta:
            for name, value in values.items():
                if value is not None:
                    kinds.setdefault(name, set()).add(isinstance(value, str))
        columns = self.expressions()
        for name in kinds:
            if name not in columns:
                columns[name] = self._make(name, len(columns))
        widened = [(False in kind, True in kind, name) for name, kind in kinds.items()]
        self._connection.executemany(
            "update meta_column set numbers = numbers or ?, texts = texts or ? where name = ?", widened
        )
        return {name: columns[name] for name in kinds}

    def _make(self, name: str, number: int) -> str:
        if number < OWN:
            column = f"m{number}"
            self._connection.execute(f"alter table entry add column {column}")
        else:
            column = f"json_extract({REST}, '$.m{number}')"
            if number == OWN:
                self._connection.execute(f"alter table entry add column {REST}")
        self._connection.execute("insert into meta_column values (?, ?, 0, 0)", (name, column))
        return column


def _kept(value: Value) -> Stored:
    """Return a value as SQLite keeps it: it has no NaN."""
    return None if isinstance(value, float) and math.isnan(value) else stored(value)


def _is_own(column: str) -> bool:
    return "(" not in column


def _path(column: str) -> str:
    """Return the name that the value of a column has in JSON."""
    return column.partition("'")[2].removesuffix("')").removeprefix("$.")


def _as_json(values: Mapping[str, Value], paths: Mapping[str, str]) -> str:
    present: dict[str, Any] = {}
    for name, path in paths.items():
        value = restored(_kept(values.get(name)))
        if isinstance(value, int) and not -(1 << _BITS) <= value < 1 << _BITS:
            raise OverflowError(f"{name} is {value}, which SQLite does not hold")
        if value is not None:
            present[path] = int(value) if isinstance(value, bool) else value
    return json.dumps(present)


@lru_cache(maxsize=2)
def _parsed(rest: str) -> dict[str, Value]:
    values: dict[str, Value] = json.loads(rest)
    return values


def _of_rest(rest: str | None, path: str) -> Stored:
    """Return one value of those in JSON, as a column of its own gives it."""
    return None if rest is None else stored(_parsed(rest).get(path))


def _texts_of_rest(rest: str | None, paths: str) -> bytes:
    """Return the texts among the values in JSON that have these names, with spaces between (UTF-8)."""
    values = _parsed(rest or "{}")
    texts = [stored(value) for path in paths.split() if isinstance(value := values.get(path), str)]
    return b" ".join(text if isinstance(text, bytes) else str(text).encode() for text in texts)
