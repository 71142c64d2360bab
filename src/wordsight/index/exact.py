"""The embedded index: exact search over memory-mapped float32 rows, keys and metadata in SQLite beside them.

    index = ExactIndex.open(folder, fingerprint="0123456789abcdef", width=512, writable=True)
    index.add(keys, rows, meta)
    index.save()
    index.search(rows, k=10, where="price < 50")

A folder holds `library.db` and `rows-G.f32`.  Rows are only ever appended, flushed before the database commits, and
a removed row is only marked; so a process killed at any time leaves the state of the last `save`.  When a quarter
of the rows are marked, `save` writes the others to a file of the next generation G.  One process writes at a time
(see `lock`); any number read.  Specified in docs/index.md.  Does not know what made the rows, but remembers it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, UsageError
from wordsight.base.nouns import Value
from wordsight.index.database import NAME, connect, database_errors, read_facts, select_in
from wordsight.index.files import FileTable
from wordsight.index.index import Hit
from wordsight.index.rows import RowFile, drop_other_generations
from wordsight.index.topk import top_k
from wordsight.index.values import restored, stored

if TYPE_CHECKING:
    from wordsight.index.sql import Clause
    from wordsight.index.where import Column

DEAD_SHARE = 0.25  # of the rows; beyond it save() compacts
DEAD_LEAST = 1000  # fewer are not worth a new file


class ExactIndex:
    """An `Index` on disk.  `files` is the table of file states that is saved together with the rows."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        self.folder = folder
        self._path = folder / NAME
        self._connection = connect(folder, writable=writable)
        self._writing = False
        self._rows: RowFile | None = None
        self.files = FileTable(self._connection)

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str, width: int, writable: bool = False) -> "ExactIndex":
        """Open the index in `folder` for rows of `width` made by the model with this fingerprint.

        `writable` makes an index that is not there; otherwise it raises `NotFound`.  An index of another model raises
        `FingerprintMismatch`.
        """
        index = cls(folder, writable=writable)
        try:
            with database_errors(index._path):
                index._agree(fingerprint, width, writable=writable)
        except BaseException:
            index.close()
            raise
        return index

    def _agree(self, fingerprint: str, width: int, *, writable: bool) -> None:
        facts = read_facts(self._connection)
        if "fingerprint" not in facts:
            if not writable:
                raise NotFound(f"no library in {self.folder}", cure="make it with wordsight index")
            self.note({"fingerprint": fingerprint, "width": str(width), "generation": "0", "slots": "0"})
            self.save()
            return
        if facts["fingerprint"] != fingerprint:
            raise FingerprintMismatch(
                f"the library in {self.folder} was made by model {facts['fingerprint']}"
                f"{_named(facts)}, the model in use is {fingerprint}",
                cure="use that model (--model), or make the library again with wordsight index --rebuild",
            )
        if int(facts["width"]) != width:
            raise FormatError(
                f"rows of {width} for a library of width {facts['width']}", cure="index again with --rebuild"
            )
        if writable:
            drop_other_generations(self.folder, int(facts["generation"]))

    def facts(self) -> dict[str, str]:
        """Return what is noted about the library as a whole."""
        with database_errors(self._path):
            return read_facts(self._connection)

    def note(self, facts: Mapping[str, str]) -> None:
        """Note facts about the library; permanent at the next `save`."""
        with database_errors(self._path):
            self._begin()
            self._connection.executemany("insert or replace into fact values (?, ?)", list(facts.items()))

    def __len__(self) -> int:
        """Return the number of entries."""
        with database_errors(self._path):
            (count,) = self._connection.execute("select count(*) from entry").fetchone()
        return int(count)

    def columns(self) -> "dict[str, Column]":
        """Return the metadata columns."""
        from wordsight.index.where import Column

        rows = self._connection.execute("select name, numbers, texts from meta_column order by rowid")
        return {name: Column(name, bool(numbers), bool(texts)) for name, numbers, texts in rows}

    def add(self, keys: Sequence[str], rows: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """Store the rows; a key that is there already is replaced."""
        if not len(keys) == len(rows) == len(meta):
            raise UsageError(f"{len(keys)} keys, {len(rows)} rows, {len(meta)} metadata", cure="give as many of each")
        if len(set(keys)) != len(keys):
            raise UsageError("a key appears twice in one call", cure="give every entry its own key")
        if not keys:
            return
        with database_errors(self._path):
            self._begin()
            self._bury(keys)
            facts = read_facts(self._connection)
            first = int(facts["slots"])
            self._opened(facts).append(first, np.ascontiguousarray(rows, np.float32))
            self._insert(first, keys, meta)
            self.note({"slots": str(first + len(keys))})

    def remove(self, keys: Sequence[str]) -> None:
        """Forget the keys; an unknown key raises `NotFound`."""
        with database_errors(self._path):
            known = self._slots(keys)
            for key in keys:
                if key not in known:
                    raise NotFound(f"no entry {key!r}", cure="remove only what was added")
            self._begin()
            self._bury(keys)

    def search(self, rows: Embeddings, k: int, where: str | None = None) -> list[list[Hit]]:
        """Return, for each query row, up to k hits, best first, among the entries that satisfy `where`.

        `rows` (Q, width).  The filter is applied before the ranking, so k hits come whenever k entries satisfy it.
        """
        if k < 1:
            raise UsageError(f"k = {k}", cure="ask for at least one hit")
        with database_errors(self._path):
            if not self._writing:
                self._connection.execute("begin")  # one state of the library for all statements
            try:
                return self._search(np.atleast_2d(rows), k, where)
            finally:
                if not self._writing:
                    self._connection.execute("commit")

    def rows(self, keys: Sequence[str]) -> Embeddings:
        """Return the stored rows of these keys (n, width)."""
        with database_errors(self._path):
            known = self._slots(keys)
            facts = read_facts(self._connection)
            slots = np.array([known[key] for key in keys], np.int64)
            return self._opened(facts).mapped(int(facts["slots"]))[slots]

    def meta(self, keys: Sequence[str]) -> list[dict[str, Value]]:
        """Return the metadata of these keys."""
        with database_errors(self._path):
            slots = self._slots(keys)
            found = self._entries(list(slots.values()))
            return [dict(found[slots[key]][1]) for key in keys]

    def keys(self) -> set[str]:
        """Return all keys."""
        with database_errors(self._path):
            return {str(restored(key)) for (key,) in self._connection.execute("select key from entry")}

    def save(self) -> None:
        """Make everything since the last save permanent, all of it or nothing; compact when that pays."""
        if not self._writing:
            return
        with database_errors(self._path):
            facts = read_facts(self._connection)
            (dead,) = self._connection.execute("select count(*) from dead").fetchone()
            compacting = dead > max(DEAD_LEAST, DEAD_SHARE * int(facts["slots"]))
            if compacting:
                self._compact(facts)
            if self._rows is not None:
                self._rows.flush()
            self._connection.execute("commit")
            self._writing = False
            if compacting:
                drop_other_generations(self.folder, int(facts["generation"]) + 1)

    def close(self) -> None:
        """Close the files; what was not saved is dropped."""
        if self._rows is not None:
            self._rows.close()
        self._connection.close()

    def __enter__(self) -> "ExactIndex":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _begin(self) -> None:
        if not self._writing:
            self._connection.execute("begin immediate")
            self._writing = True

    def _opened(self, facts: Mapping[str, str]) -> RowFile:
        generation = int(facts["generation"])
        if self._rows is None or self._rows.generation != generation:
            if self._rows is not None:
                self._rows.close()
            self._rows = RowFile(self.folder, generation, int(facts["width"]))
        return self._rows

    def _search(self, rows: Embeddings, k: int, where: str | None) -> list[list[Hit]]:
        facts = read_facts(self._connection)
        stored_rows = self._opened(facts).mapped(int(facts["slots"]))
        nearest = top_k(rows, stored_rows, k, among=self._candidates(where))
        entries = self._entries(sorted({int(slot) for slot in nearest.positions.ravel()}))
        return [
            [
                Hit(entries[int(slot)][0], float(score), entries[int(slot)][1])
                for score, slot in zip(scores, slots, strict=True)
            ]
            for scores, slots in zip(nearest.scores, nearest.positions, strict=True)
        ]

    def _candidates(self, where: str | None) -> NDArray[np.int64] | None:
        """Return the slots that may be answered, or None for all."""
        if where is None:
            if not self._connection.execute("select 1 from dead limit 1").fetchall():
                return None
            found = self._connection.execute("select slot from entry order by slot")
        else:
            condition = self._condition(where)
            statement = f"select slot from entry where {condition.text} order by slot"
            found = self._connection.execute(statement, condition.values)
        return np.fromiter((slot for (slot,) in found), np.int64)

    def _condition(self, where: str) -> "Clause":
        from wordsight.index.sql import add_functions, clause
        from wordsight.index.where import check, parse

        tree = parse(where)
        check(tree, self.columns())
        add_functions(self._connection)
        return clause(tree, self._column_places())

    def _entries(self, slots: Sequence[int]) -> dict[int, tuple[str, dict[str, Value]]]:
        """Return slot -> key and metadata, of these slots only."""
        columns = self._connection.execute("select name, place from meta_column order by rowid").fetchall()
        wanted = ", ".join(["slot", "key", *(place for _, place in columns)])
        found = {}
        for slot, key, *values in select_in(self._connection, f"select {wanted} from entry where slot in", slots):
            pairs = zip(columns, values, strict=True)
            meta = {name: restored(value) for (name, _), value in pairs if value is not None}
            found[slot] = (str(restored(key)), meta)
        return found

    def _slots(self, keys: Sequence[str]) -> dict[str, int]:
        """Return key -> slot of the keys that are there."""
        wanted = [stored(key) for key in keys]
        rows = select_in(self._connection, "select key, slot from entry where key in", wanted)
        return {str(restored(key)): slot for key, slot in rows}

    def _bury(self, keys: Sequence[str]) -> None:
        slots = [(slot,) for slot in self._slots(keys).values()]
        self._connection.executemany("insert into dead values (?)", slots)
        self._connection.executemany("delete from entry where slot = ?", slots)

    def _insert(self, first: int, keys: Sequence[str], meta: Sequence[Mapping[str, Value]]) -> None:
        places = self._places(meta)
        names = ", ".join(["slot", "key", *places.values()])
        marks = ", ".join("?" * (2 + len(places)))
        entries = (
            (first + i, stored(key), *(stored(values.get(name)) for name in places))
            for i, (key, values) in enumerate(zip(keys, meta, strict=True))
        )
        self._connection.executemany(f"insert into entry ({names}) values ({marks})", entries)

    def _places(self, meta: Sequence[Mapping[str, Value]]) -> dict[str, str]:
        """Return metadata column -> SQL column for all columns in `meta`, made or widened where needed."""
        kinds: dict[str, set[bool]] = {}
        for values in meta:
            for name, value in values.items():
                if value is not None:
                    kinds.setdefault(name, set()).add(isinstance(value, str))
        places = self._column_places()
        for name in kinds:
            if name not in places:
                place = places[name] = f"m{len(places)}"
                self._connection.execute(f"alter table entry add column {place}")
                self._connection.execute("insert into meta_column values (?, ?, 0, 0)", (name, place))
        widened = [(False in kind, True in kind, name) for name, kind in kinds.items()]
        self._connection.executemany(
            "update meta_column set numbers = numbers or ?, texts = texts or ? where name = ?", widened
        )
        return {name: places[name] for name in kinds}

    def _column_places(self) -> dict[str, str]:
        """Return metadata column -> SQL column."""
        return dict(self._connection.execute("select name, place from meta_column"))

    def _compact(self, facts: Mapping[str, str]) -> None:
        """Write the living rows to the next generation and number the entries anew."""
        slots = [slot for (slot,) in self._connection.execute("select slot from entry order by slot")]
        generation = int(facts["generation"]) + 1
        fresh = RowFile(self.folder, generation, int(facts["width"]))
        old = self._opened(facts).mapped(int(facts["slots"]))
        for start in range(0, len(slots), 8192):
            fresh.append(start, old[np.array(slots[start : start + 8192])])
        # Numbers below zero in between, so that no two entries share one on the way.
        self._connection.executemany(
            "update entry set slot = ? where slot = ?", [(-1 - i, s) for i, s in enumerate(slots)]
        )
        self._connection.execute("update entry set slot = -1 - slot")
        self._connection.execute("delete from dead")
        self.note({"generation": str(generation), "slots": str(len(slots))})
        self._opened(facts).close()
        self._rows = fresh


def _named(facts: Mapping[str, str]) -> str:
    return f" ({facts['model']})" if "model" in facts else ""
