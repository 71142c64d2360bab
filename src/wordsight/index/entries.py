"""The table `entry` of an index: id, key and metadata, each row with a checksum over these and its embedding.

What is read is compared with that checksum, so that nothing is answered that is not what was written.  Knows no file.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.base.errors import NotFound
from wordsight.base.value import Value
from wordsight.index.changes import ChangeLog
from wordsight.index.columns import MetaColumns
from wordsight.index.database import select_in
from wordsight.index.halves import Halves
from wordsight.index.values import Stored, checksum_of, restored, stored

MANY = 10  # where more than a tenth of the rows are wanted, all are read, and not each by its id
AT_ONCE = 4096  # rows held when all are read


class EntryRow(NamedTuple):
    """An entry as it is stored, without its embedding."""

    id: int
    key: str
    meta: Mapping[str, Value]
    checksum: int
    content: tuple[Stored, ...]  # what the checksum is of, besides the embedding

    def is_sound(self, halves: Halves) -> bool:
        """Return whether it is what was written together with this embedding (width,)."""
        return self.checksum == _checksum(self.content, halves)


class EntryTable:
    """The entries of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.columns = MetaColumns(connection)
        self.changes = ChangeLog(connection)

    def __len__(self) -> int:
        """Return the number of entries."""
        (count,) = self.connection.execute("select count(*) from entry").fetchone()
        return int(count)

    def put(self, ids: Sequence[int], keys: Sequence[str], meta: Sequence[Mapping[str, Value]], halves: Halves) -> None:
        """Write entries with their embeddings (n, width); one that has an id already is replaced."""
        columns, values = self.columns.write(meta)
        (last,) = self.connection.execute("select max(id) from entry").fetchone()
        self.changes.add(number for number in ids if number <= (last or 0))
        names = ", ".join(["id", "key", "checksum", *columns])
        marks = ", ".join("?" * (3 + len(columns)))
        rows = [
            (number, key, _checksum(_content(number, key, columns, row), vector), *row)
            for number, key, row, vector in zip(ids, map(stored, keys), values, halves, strict=True)
        ]
        self.connection.executemany(f"insert or replace into entry ({names}) values ({marks})", rows)

    def rows(self, ids: Sequence[int]) -> Iterator[EntryRow]:
        """Yield the rows of these ids, those that are there, in any order."""
        selected = self.columns.selected()
        yield from self._read(selected, select_in(self.connection, f"{_select(selected)} where id in", ids))

    def all_rows(self) -> Iterator[list[EntryRow]]:
        """Yield all rows, some thousand at a time, by their ids."""
        selected = self.columns.selected()
        rows = self._read(selected, self.connection.execute(f"{_select(selected)} order by id"))
        while some := list(islice(rows, AT_ONCE)):
            yield some

    def texts(self, ids: RowIds | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield the text (UTF-8) in which words are looked for, of these rows or of all, those that are there."""
        selected = ", ".join(["id", *self.columns.joined_texts()])
        for number, *parts in self._selected(f"select {selected} from entry", ids):
            yield number, b" ".join(parts)

    def ids(self, keys: Sequence[str]) -> dict[str, int]:
        """Return key -> id of the keys that are there."""
        rows = select_in(self.connection, "select key, id from entry where key in", [stored(key) for key in keys])
        return {str(restored(key)): number for key, number in rows}

    def keys(self, ids: Sequence[int]) -> tuple[list[str], list[bool]]:
        """Return the keys of these ids, without those that are not there, and which are there."""
        rows: Any = select_in(self.connection, "select id, key from entry where id in", ids)
        known = dict(rows)
        return [str(restored(known[number])) for number in ids if number in known], [number in known for number in ids]

    def all_ids(self, keys: Sequence[str]) -> dict[str, int]:
        """Return key -> id of these keys; one that is not there raises `NotFound`."""
        ids = self.ids(keys)
        for key in keys:
            if key not in ids:
                raise NotFound(f"no entry {key!r}", cure="ask only for what was added")
        return ids

    def values_of(self, name: str, ids: RowIds | None = None) -> tuple[RowIds, Sequence[Value]]:
        """Return the ids of the entries, of these or of all, that have a value in a metadata column, and the values."""
        expression = self.columns.expressions()[name]
        rows = list(self._selected(f"select id, {expression} from entry where {expression} is not null", ids))
        values = [value for _, value in rows]
        if bytes in set(map(type, values)):
            values = [restored(value) for value in values]
        return np.array([number for number, _ in rows], np.int64), values

    def keyed_values(self, names: Sequence[str], ids: RowIds | None = None) -> list[tuple[str, Sequence[Value]]]:
        """Return key and values of metadata columns of the entries, of these or of all; None where there is none."""
        expressions = self.columns.expressions()
        selected = ", ".join(["id", "key", *(expressions.get(name, "null") for name in names)])
        wanted = None if ids is None or len(ids) < len(self) / MANY else set(ids.tolist())
        rows = self._selected(f"select {selected} from entry", None if wanted is not None else ids)
        kept = rows if wanted is None else (row for row in rows if row[0] in wanted)
        return [(key if isinstance(key, str) else str(restored(key)), _values(values)) for _, key, *values in kept]

    def _selected(self, statement: str, ids: RowIds | None) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement, those of these ids where any are given."""
        if ids is None:
            return self.connection.execute(statement)
        linked = "and" if " where " in statement else "where"
        return select_in(self.connection, f"{statement} {linked} id in", ids.tolist())

    def delete(self, ids: Sequence[int]) -> None:
        """Delete these rows."""
        self.connection.executemany("delete from entry where id = ?", [(number,) for number in ids])

    def _read(self, selected: Mapping[str, str], rows: Iterator[tuple[Stored, ...]]) -> Iterator[EntryRow]:
        columns = list(selected.values())
        for number, key, checksum, *values in rows:
            assert isinstance(number, int)
            content = _content(number, key, columns, values)
            meta = self.columns.read(selected, values)
            yield EntryRow(number, str(restored(key)), meta, checksum if isinstance(checksum, int) else -1, content)


def _values(stored_values: list[Any]) -> list[Value]:
    """Return values as they were given."""
    if bytes not in map(type, stored_values):
        return stored_values
    return [restored(one) if isinstance(one, bytes) else one for one in stored_values]


def _select(selected: Mapping[str, str]) -> str:
    return f"select {', '.join(['id', 'key', 'checksum', *selected.values()])} from entry"


def _content(number: int, key: Stored, columns: Sequence[str], values: Sequence[Stored]) -> tuple[Stored, ...]:
    """Return what there is of an entry in one order, whichever columns there are besides."""
    present = sorted((column, value) for column, value in zip(columns, values, strict=True) if value is not None)
    return (number, key, *(part for pair in present for part in pair))


def _checksum(content: tuple[Stored, ...], halves: Halves) -> int:
    return checksum_of(*content, halves.tobytes())
