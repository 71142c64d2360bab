"""The embedded index: exact search over memory-mapped float32 embeddings, keys and metadata in SQLite beside them.

    index = ExactIndex.open(folder, fingerprint="0123456789abcdef", width=512, writable=True)
    index.add(keys, embeddings, meta)
    index.save()
    index.search(queries, k=10, where=parse("price < 50"))

A folder holds `library.db` and `rows-G.f32`.  Embeddings are only ever appended, flushed before the database commits,
and a removed one is only marked; so a process killed at any time leaves the state of the last `save`.  When a quarter
of them are marked, `save` writes the others to a file of the next generation G.  One process writes at a time
(see `lock`); any number read.  Specified in docs/index.md.  Does not know what made the embeddings, but remembers it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.arrays import Embeddings, RowIds
from wordsight.base.errors import NotFound
from wordsight.base.nouns import Value
from wordsight.index.columns import MetaColumns
from wordsight.index.database import NAME, connect, database_errors, read_facts, select_in
from wordsight.index.files import FileTable
from wordsight.index.index import IndexEntry, Neighbour, check_added, check_model, check_search
from wordsight.index.rows import EmbeddingFile, drop_generations
from wordsight.index.topk import top_k
from wordsight.index.values import restored, stored

if TYPE_CHECKING:
    from wordsight.index.where import Column, Condition

DEAD_SHARE = 0.25  # of the slots; beyond it save() compacts
DEAD_LEAST = 1000  # fewer are not worth a new file


class ExactIndex:
    """An `Index` on disk."""

    def __init__(self, folder: Path, *, writable: bool = False) -> None:
        self.folder = folder
        self._path = folder / NAME
        self._connection = connect(folder, writable=writable)
        self._writing = False
        self._embeddings: EmbeddingFile | None = None
        self._meta = MetaColumns(self._connection)
        self.files = FileTable(self._connection, self._path, self._begin)

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str, width: int, writable: bool = False) -> "ExactIndex":
        """See `Backend`."""
        index = cls(folder, writable=writable)
        try:
            with database_errors(index._path):
                index._agree(fingerprint, width, writable=writable)
        except BaseException:
            index.close()
            raise
        return index

    @staticmethod
    def delete(folder: Path) -> None:
        """See `Backend`."""
        with database_errors(folder / NAME):
            # The journal first: left alone beside a new database it would spoil it.
            for path in (folder / f"{NAME}-journal", folder / NAME):
                path.unlink(missing_ok=True)
            if folder.is_dir():
                drop_generations(folder)

    def _agree(self, fingerprint: str, width: int, *, writable: bool) -> None:
        facts = read_facts(self._connection)
        if "fingerprint" not in facts:
            if not writable:
                raise NotFound(f"no library in {self.folder}", cure="make it with wordsight index")
            self.note({"fingerprint": fingerprint, "width": str(width), "generation": "0", "slots": "0"})
            self.save()
            return
        check_model(facts, self.folder, fingerprint=fingerprint, width=width)
        if writable:
            drop_generations(self.folder, but=int(facts["generation"]))

    def facts(self) -> dict[str, str]:
        """See `Index`."""
        with database_errors(self._path):
            return read_facts(self._connection)

    def note(self, facts: Mapping[str, str]) -> None:
        """See `Index`."""
        with database_errors(self._path):
            self._begin()
            self._connection.executemany(
                "insert or replace into fact values (?, ?)", [(name, stored(value)) for name, value in facts.items()]
            )

    def __len__(self) -> int:
        """Return the number of entries."""
        with database_errors(self._path):
            (count,) = self._connection.execute("select count(*) from entry").fetchone()
        return int(count)

    def columns(self) -> "dict[str, Column]":
        """See `Index`."""
        with database_errors(self._path):
            return self._meta.kinds()

    def add(self, keys: Sequence[str], embeddings: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """See `Index`."""
        with database_errors(self._path):
            facts = read_facts(self._connection)
            check_added(keys, embeddings, meta, width=int(facts["width"]))
            if not keys:
                return
            self._begin()
            self._bury(keys)
            first = int(facts["slots"])
            self._opened(facts).append(first, np.ascontiguousarray(embeddings, np.float32))
            self._insert(first, keys, meta)
            self.note({"slots": str(first + len(keys))})

    def remove(self, keys: Sequence[str]) -> None:
        """See `Index`."""
        with database_errors(self._path):
            self._slots(keys)
            self._begin()
            self._bury(keys)

    def search(self, embeddings: Embeddings, k: int, where: "Condition | None" = None) -> list[list[Neighbour]]:
        """See `Index`."""
        with self._snapshot():
            facts = read_facts(self._connection)
            check_search(embeddings, k, width=int(facts["width"]))
            mapped = self._opened(facts).mapped(int(facts["slots"]))
            nearest = top_k(embeddings, mapped, k, among=self._candidates(where))
            entries = self._entries(sorted({int(slot) for slot in nearest.row_ids.ravel()}), mapped)
        return [
            [
                Neighbour(entry.key, float(score), entry.embedding, entry.meta)
                for score, entry in zip(scores, (entries[int(slot)] for slot in slots), strict=True)
            ]
            for scores, slots in zip(nearest.scores, nearest.row_ids, strict=True)
        ]

    def entries(self, keys: Sequence[str]) -> list[IndexEntry]:
        """See `Index`."""
        with self._snapshot():
            facts = read_facts(self._connection)
            slots = self._slots(keys)
            entries = self._entries(list(slots.values()), self._opened(facts).mapped(int(facts["slots"])))
        return [entries[slots[key]] for key in keys]

    def save(self) -> None:
        """See `Index`; compacts when that pays."""
        if not self._writing:
            return
        with database_errors(self._path):
            facts = read_facts(self._connection)
            (dead,) = self._connection.execute("select count(*) from dead").fetchone()
            compacting = dead > max(DEAD_LEAST, DEAD_SHARE * int(facts["slots"]))
            if compacting:
                self._compact(facts)
            if self._embeddings is not None:
                self._embeddings.flush()
            self._connection.execute("commit")
            self._writing = False
            if compacting:
                drop_generations(self.folder, but=int(facts["generation"]) + 1)

    def close(self) -> None:
        """See `Index`."""
        if self._embeddings is not None:
            self._embeddings.close()
        self._connection.close()

    def __enter__(self) -> "ExactIndex":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _begin(self) -> None:
        if not self._writing:
            self._connection.execute("begin immediate")
            self._writing = True

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let all statements inside see one state of the library."""
        with database_errors(self._path):
            if self._writing:
                yield
                return
            self._connection.execute("begin")
            try:
                yield
            finally:
                self._connection.execute("commit")

    def _opened(self, facts: Mapping[str, str]) -> EmbeddingFile:
        generation = int(facts["generation"])
        if self._embeddings is None or self._embeddings.generation != generation:
            if self._embeddings is not None:
                self._embeddings.close()
            self._embeddings = EmbeddingFile(self.folder, generation, int(facts["width"]))
        return self._embeddings

    def _candidates(self, where: "Condition | None") -> RowIds | None:
        """Return the slots that may be answered, or None for all."""
        if where is None:
            if not self._connection.execute("select 1 from dead limit 1").fetchall():
                return None
            slots = [slot for (slot,) in self._connection.execute("select slot from entry order by slot")]
        else:
            slots = self._matching(where)
        return np.array(slots, np.int64)

    def _matching(self, where: "Condition") -> list[int]:
        from wordsight.index.sql import matching_slots
        from wordsight.index.where import check

        check(where, self.columns())
        return matching_slots(self._connection, where, self._meta.expressions())

    def _entries(self, slots: Sequence[int], embeddings: Embeddings) -> dict[int, IndexEntry]:
        """Return slot -> entry, of these slots only."""
        columns = self._meta.selected()
        wanted = ", ".join(["slot", "key", *columns.values()])
        entries = {}
        for slot, key, *values in select_in(self._connection, f"select {wanted} from entry where slot in", slots):
            entries[slot] = IndexEntry(str(restored(key)), embeddings[slot], self._meta.read(columns, values))
        return entries

    def _slots(self, keys: Sequence[str]) -> dict[str, int]:
        """Return key -> slot; an unknown key raises `NotFound`."""
        slots = self._known_slots(keys)
        for key in keys:
            if key not in slots:
                raise NotFound(f"no entry {key!r}", cure="ask only for what was added")
        return slots

    def _known_slots(self, keys: Sequence[str]) -> dict[str, int]:
        """Return key -> slot of the keys that are there."""
        rows = select_in(self._connection, "select key, slot from entry where key in", [stored(key) for key in keys])
        return {str(restored(key)): slot for key, slot in rows}

    def _bury(self, keys: Sequence[str]) -> None:
        slots = [(slot,) for slot in self._known_slots(keys).values()]
        self._connection.executemany("insert into dead values (?)", slots)
        self._connection.executemany("delete from entry where slot = ?", slots)

    def _insert(self, first: int, keys: Sequence[str], meta: Sequence[Mapping[str, Value]]) -> None:
        columns, rows = self._meta.write(meta)
        names = ", ".join(["slot", "key", *columns])
        marks = ", ".join("?" * (2 + len(columns)))
        entries = ((first + i, stored(key), *values) for i, (key, values) in enumerate(zip(keys, rows, strict=True)))
        self._connection.executemany(f"insert into entry ({names}) values ({marks})", entries)

    def _compact(self, facts: Mapping[str, str]) -> None:
        """Write the living embeddings to the next generation and number the entries anew."""
        slots = [slot for (slot,) in self._connection.execute("select slot from entry order by slot")]
        generation = int(facts["generation"]) + 1
        fresh = EmbeddingFile(self.folder, generation, int(facts["width"]))
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
        self._embeddings = fresh
