"""The embedded index: exact search over memory-mapped embeddings, keys and metadata in SQLite beside them.

    index = ExactIndex.open(folder, fingerprint="0123456789abcdef", width=512, writable=True)
    index.add(keys, embeddings, meta)
    index.search(queries, k=10, where=parse("price < 50"))

A folder holds `library.db`, which is the truth, and `embeddings-G.f16`.  Embeddings are only ever appended, flushed
before the database commits, and a removed one is only marked; so a process killed at any time leaves the last `save`.
One process writes at a time (see `lock`); any number read, each query one save.  Specified in docs/index.md.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base import disk
from wordsight.base.arrays import Embeddings, is_unit
from wordsight.base.errors import FormatError, StorageError
from wordsight.base.files import storage_errors
from wordsight.base.value import Value
from wordsight.index.caches import SearchCaches
from wordsight.index.damage import KnownDamage
from wordsight.index.database import CHECKSUM, NAME, connect, connect_to_write, database_errors, facts_of_index, seal
from wordsight.index.drafts import DRAFT, adopt, delete, drop_unused, facts_in, facts_of_new, has_unused, renewed
from wordsight.index.embedding_file import EmbeddingFile, halved
from wordsight.index.entries import EntryTable
from wordsight.index.files import FileTable
from wordsight.index.halves import to_float32
from wordsight.index.index import (
    Damage,
    Footprint,
    IndexEntry,
    Neighbour,
    RankedKeys,
    check_added,
    check_model,
    check_search,
    spread_evenly,
)
from wordsight.index.layout import FileLayout, SeenIndex, copy_living, once, read_layout
from wordsight.index.values import stored

if TYPE_CHECKING:
    from wordsight.index.where import Column, Condition

DEAD_SHARE, DEAD_LEAST = 0.25, 1000  # of the embeddings: beyond both a new file without the dead pays
_OWN_FACTS = {"format", "generation", "version", "identity", CHECKSUM}  # what only this file has to know
MENDING = "wordsight index PLACE --verify encodes what is damaged again"


class ExactIndex(contextlib.AbstractContextManager["ExactIndex"]):
    """An `Index` on disk."""

    adopt = staticmethod(adopt)
    delete = staticmethod(delete)
    facts_in = staticmethod(facts_in)

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, name: str, model: tuple[str, int]) -> None:
        self.folder = folder
        self._path = folder / name
        self._connection = connection
        self._model = model  # fingerprint and width of the embeddings
        self._writing = False
        self._file: EmbeddingFile | None = None
        self._layout: tuple[tuple[str, ...], FileLayout] | None = None  # with the state of which it is
        self._damage = KnownDamage()  # of that file
        self._entries = EntryTable(connection)
        self._caches = SearchCaches(folder, self._entries)
        self.files = FileTable(connection, self._path, self._begin, self._hide)

    @classmethod
    def open(
        cls, folder: Path, *, fingerprint: str, width: int, writable: bool = False, draft: bool = False
    ) -> "ExactIndex":
        """See `Backend`."""
        name = DRAFT if draft else NAME
        if writable:
            if not draft:
                renewed(folder, cls)
            connection = connect_to_write(folder, facts_of_new(folder, fingerprint, width), name=name)
        else:
            connection = connect(folder, name=name)
        index = cls(folder, connection, name=name, model=(fingerprint, width))
        try:
            with database_errors(index._path):
                check_model(facts_of_index(connection), folder, fingerprint=fingerprint, width=width)
                if writable:
                    drop_unused(folder)
        except BaseException:
            index.close()
            raise
        return index

    def facts(self) -> dict[str, str]:
        """See `Index`."""
        with database_errors(self._path):
            return {name: value for name, value in facts_of_index(self._connection).items() if name not in _OWN_FACTS}

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
            return len(self._entries)

    def columns(self) -> "dict[str, Column]":
        """See `Index`."""
        with database_errors(self._path):
            return self._entries.columns.kinds()

    def add(self, keys: Sequence[str], embeddings: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """See `Index`; an entry whose embedding stays as it is keeps its position."""
        with database_errors(self._path):
            check_added(keys, embeddings, meta, width=self._model[1])
            if not keys:
                return
            self._begin()
            seen, halves = self._seen(), halved(embeddings)
            known = self._entries.ids(keys)
            ids = seen.unchanged(known, keys, halves)
            self._bury([number for key, number in known.items() if key not in ids])
            fresh = [i for i, key in enumerate(keys) if key not in ids]
            first = int(seen.layout.ids[-1]) + 1 if seen.layout.count else 0
            ids |= {keys[i]: first + n for n, i in enumerate(fresh)}
            seen.layout.close_unsound(seen.halves)
            self._opened(seen.facts).append(seen.layout.count, halves[fresh])
            seen.layout.append(np.arange(first, first + len(fresh)), halves[fresh], self._model[0])
            self._entries.put([ids[key] for key in keys], keys, meta, halves)
            self._hide(self.files.absent([keys[i] for i in fresh]), True)

    def remove(self, keys: Sequence[str]) -> None:
        """See `Index`."""
        with database_errors(self._path):
            ids = self._entries.all_ids(keys)
            self._begin()
            self._bury(list(ids.values()))

    def _bury(self, ids: Sequence[int]) -> None:
        layout = self._seen().layout
        layout.mark(layout.positions(np.array(ids, np.int64)), dead=True)
        self._entries.delete(ids)

    def _hide(self, keys: Sequence[str], absent: bool) -> None:
        """Let these entries be answered only when absent ones are asked for, or let them be answered again."""
        layout = self._seen().layout
        if keys and (absent or layout.absent.any()):
            ids = np.array(list(self._entries.ids(keys).values()), np.int64)
            layout.mark(layout.positions(ids), absent=absent)

    def search(
        self,
        embeddings: Embeddings,
        k: int,
        where: "Condition | None" = None,
        *,
        absent: bool = False,
        exact: bool = False,
    ) -> list[list[Neighbour]]:
        """See `Index`."""
        with self._snapshot() as seen:
            check_search(embeddings, k, width=seen.width)
            matching = where is None or self._caches.matching(seen, where)
            if exact or self._caches.is_exact(seen):
                self._check_blocks(seen)
            while True:
                allowed = seen.layout.answerable(absent=absent) & matching
                nearest = self._caches.nearest(seen, embeddings, k, allowed[: len(seen.halves)], exact=exact)
                positions = once(nearest.row_ids)
                entries = self._damage.sound_entries(seen, self._entries, positions, self._path)
                if len(entries) == len(positions):  # else some were damaged: they are left out from now on
                    break
        rows = zip(nearest.scores, nearest.row_ids, strict=True)
        return [[entries[int(at)].near(float(one)) for one, at in zip(*row, strict=True)] for row in rows]

    def ranked(
        self, embedding: Embeddings, k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> RankedKeys:
        """See `Index`."""
        with self._snapshot() as seen:
            if k and self._caches.is_exact(seen):
                self._check_blocks(seen)
            return self._caches.ranked(seen, embedding, k, self._caches.allowed(seen, where, absent=absent))

    def values(self, columns: Sequence[str], where: "Condition | None" = None) -> list[tuple[str, Sequence[Value]]]:
        """See `Index`."""
        with self._snapshot() as seen:
            return self._caches.values(seen, columns, self._caches.allowed(seen, where, absent=False))

    def last_save(self) -> str:
        """See `Index`."""
        with self._snapshot() as seen:
            return " ".join(seen.facts[name] for name in ("identity", "generation", "version"))

    def keywords(
        self, words: Sequence[str], k: int, where: "Condition | None" = None, *, absent: bool = False
    ) -> list[Neighbour]:
        """See `Index`."""
        with self._snapshot() as seen:
            if not (asked := self._caches.asked(seen, words)) and where is None:
                return []
            allowed = self._caches.allowed(seen, where, absent=absent)
            entries = self._damage.sound_entries(seen, self._entries, asked.best(k, allowed), self._path)
            return asked.neighbours(list(entries.values()))

    def entries(self, keys: Sequence[str]) -> list[IndexEntry]:
        """See `Index`."""
        with self._snapshot() as seen:
            ids = self._entries.all_ids(keys)
            positions = seen.layout.positions(np.array([ids[key] for key in keys], np.int64))
            entries = self._damage.sound_entries(seen, self._entries, once(positions), self._path)
            if len(entries) < len(set(ids)):
                raise FormatError("; ".join(self.noticed()), cure=MENDING)
            return [entries[int(position)] for position in positions]

    def sample(self, count: int) -> Embeddings:
        """See `Index`."""
        with self._snapshot() as seen:
            if self._caches.is_exact(seen):
                self._check_blocks(seen)
            positions = np.flatnonzero(seen.layout.answerable(absent=False)[: len(seen.halves)])
            embeddings = to_float32(seen.halves[positions[spread_evenly(len(positions), count)]])
            return embeddings[is_unit(embeddings)]

    def verify(self) -> list[Damage]:
        """See `Index`."""
        from wordsight.index.verify import damage_in

        with self._snapshot() as seen:
            return damage_in(self._connection, seen.layout, seen.halves, entries=self._entries, files=self.files)

    def mend(self, damage: Sequence[Damage]) -> None:
        """See `Index`: what is whole in a damaged block is written again behind the last."""
        with database_errors(self._path):
            self._begin()
            for one in damage:
                self._bury(one.ids)
                self.files.forget(one.keys)
                if whole := self.entries(one.whole):
                    self._bury(list(self._entries.ids(one.whole).values()))
                    self.add(one.whole, np.array([e.embedding for e in whole]), [e.meta for e in whole])
            self._damage.mended(self._seen().layout)

    def noticed(self) -> list[str]:
        """See `Index`."""
        return self._damage.sentences()

    def footprint(self) -> Footprint:
        """See `Index`."""
        with self._snapshot() as seen:
            return self._caches.footprint(seen, self._path, self._opened(seen.facts).path)

    def save(self) -> None:
        """See `Index`."""
        if not self._writing:
            return
        with database_errors(self._path):
            seen = self._seen()
            seen.layout.write(self._connection)
            self._layout = self._commit({}), seen.layout

    def _commit(self, facts: Mapping[str, str]) -> tuple[str, ...]:
        """Make what the transaction holds permanent, the embeddings first; returns the state it makes."""
        facts = {**facts_of_index(self._connection), **facts}
        version = str(int(facts["version"]) + 1)
        self.note({**facts, "version": version})
        self._entries.changes.write(int(version))
        seal(self._connection)
        if self._file is not None:
            self._file.flush()
        disk.execute(self._connection, "commit", self._path)
        self._writing = False
        return facts["identity"], facts["generation"], version

    def wants_upkeep(self) -> bool:
        """See `Index`."""
        with self._snapshot() as seen:
            wanted = has_unused(self.folder, seen.facts) or self._is_wasteful(seen) or self._caches.wants_upkeep(seen)
            return wanted and os.access(self._path, os.W_OK)

    def upkeep(self) -> None:
        """See `Index`: compacts, which lets readers go on with the file they have, and makes caches."""
        with self._snapshot() as seen:
            self._check_blocks(seen, anew=True)
            if (seen.layout.damaged & ~seen.layout.dead).any():
                raise FormatError("; ".join(self.noticed()), cure=MENDING)
        if self._is_wasteful(seen):
            self._compact(seen)
        with self._snapshot() as seen, storage_errors(self.folder):
            self._caches.upkeep(seen)

    def _is_wasteful(self, seen: SeenIndex) -> bool:
        return int(seen.layout.dead.sum()) > max(DEAD_LEAST, DEAD_SHARE * seen.layout.count)

    def _compact(self, seen: SeenIndex) -> None:
        fresh = EmbeddingFile(self.folder, int(facts_of_new(self.folder, "", 0)["generation"]), self._model[1])
        with database_errors(self._path), contextlib.closing(fresh):
            try:
                layout = copy_living(seen.layout, seen.halves, fresh)
                fresh.flush()
                with contextlib.suppress(StorageError):  # there may be room for it afterwards
                    self._caches.make_scan_of_next(seen, layout, fresh)
                self._begin()
                self._connection.execute("delete from block")
                layout.write(self._connection)
                self._layout = (self._commit({"generation": str(fresh.generation)}), layout)
            finally:
                drop_unused(self.folder)  # the old file, or else the new one

    def close(self) -> None:
        """See `Index`."""
        self._close_file()
        self._connection.close()

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _begin(self) -> None:
        if not self._writing:
            self._connection.execute("begin immediate")
            self._writing = True

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[SeenIndex]:
        """Let all statements inside see one state of the index."""
        with database_errors(self._path):
            if self._writing or self._connection.in_transaction:
                yield self._seen()
                return
            seen = self._begun()
            try:
                yield seen
            finally:
                self._connection.commit()

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """See `Index`."""
        with self._snapshot():
            yield

    def _begun(self) -> SeenIndex:
        """Begin to read; again where a writer has exchanged the file in between."""
        last = ""
        while True:
            self._connection.execute("begin")
            try:
                seen = self._seen()
            except BaseException:
                self._connection.commit()
                raise
            generation = seen.facts["generation"]
            if len(seen.halves) == seen.layout.count or generation == last:
                return seen
            self._connection.commit()
            last = generation

    def _seen(self) -> SeenIndex:
        facts = facts_of_index(self._connection)
        fingerprint, width = self._model
        check_model(facts, self.folder, fingerprint=fingerprint, width=width)
        state, file = (facts["identity"], facts["generation"], facts["version"]), self._opened(facts)
        if self._layout is None or self._layout[0] != state:
            known = self._layout[1] if self._layout is not None and self._layout[0][:2] == state[:2] else None
            layout = read_layout(self._connection, known)
            self._damage.mark(layout)
            self._layout = state, layout
        layout = self._layout[1]
        try:
            halves = file.mapped(layout.count)
        except FileNotFoundError:
            halves = np.empty((0, width), np.float16)
        return SeenIndex(facts, layout, halves, saved=not self._writing)

    def _opened(self, facts: Mapping[str, str]) -> EmbeddingFile:
        generation = int(facts["generation"])
        if self._file is None or self._file.generation != generation:
            self._close_file()
            self._file = EmbeddingFile(self.folder, generation, int(facts["width"]))
            self._damage = KnownDamage()
        return self._file

    def _check_blocks(self, seen: SeenIndex, *, anew: bool = False) -> None:
        self._damage.check_blocks(seen, self._opened(seen.facts).path, anew=anew)
