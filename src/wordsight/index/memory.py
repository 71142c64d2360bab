"""The index without files: dictionaries, and Python's own evaluation of conditions.

For tests and throw-away use; what it answers is what every other index has to answer.  What is saved stays in this
process: a folder opened again has it, a process started again has not.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from pathlib import Path

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.index.index import (
    Damage,
    FileState,
    Footprint,
    IndexEntry,
    Neighbour,
    RankedKeys,
    check_added,
    check_model,
    check_search,
    spread_evenly,
)
from wordsight.index.keywords import ranked, words_of_entry
from wordsight.index.values import order_of
from wordsight.index.where import Column, Condition, check, matches


@dataclass(frozen=True, slots=True)
class _State:
    """All that one save keeps; a saved one is never changed, a writer changes its copy."""

    facts: dict[str, str]
    entries: dict[str, IndexEntry] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    files: dict[str, FileState] = field(default_factory=dict)
    number: int = field(default_factory=itertools.count().__next__)

    def copy(self) -> "_State":
        return _State(dict(self.facts), dict(self.entries), dict(self.columns), dict(self.files))

    def present(self) -> list[IndexEntry]:
        """Return the entries whose files are not absent."""
        absent = {key for key, state in self.files.items() if state.absent}
        return [entry for key, entry in self.entries.items() if key not in absent]


_SAVED: dict[tuple[Path, bool], _State] = {}  # folder, and whether it is the draft -> its last save


class MemoryIndex:
    """An `Index` in memory, with its own `FileStates`."""

    def __init__(self, folder: Path, *, draft: bool) -> None:
        self._name = (folder.absolute(), draft)
        self._draft: _State | None = None  # what has been changed since the last save
        self._looked_at: _State | None = None  # what is seen for as long as `one_look` lasts
        self.files = _MemoryFiles(self)

    @classmethod
    def open(
        cls, folder: Path, *, fingerprint: str, width: int, writable: bool = False, draft: bool = False
    ) -> "MemoryIndex":
        """See `Backend`."""
        name = (folder.absolute(), draft)
        saved = _SAVED.get(name)
        if saved is not None:
            check_model(saved.facts, folder, fingerprint=fingerprint, width=width)
        elif writable:
            notice(f"the index of {folder} is kept in memory: it is gone when this process ends", once=True)
            _SAVED[name] = _State({"fingerprint": fingerprint, "width": str(width)})
        else:
            raise NotFound(f"no library in {folder}", cure="make it with wordsight index")
        return cls(folder, draft=draft)

    @staticmethod
    def adopt(folder: Path, *, damaged: bool = False) -> None:
        """See `Backend`."""
        _SAVED[folder.absolute(), False] = _SAVED.pop((folder.absolute(), True))

    @staticmethod
    def facts_in(folder: Path) -> dict[str, str]:
        """See `Backend`."""
        if (folder.absolute(), False) not in _SAVED:
            raise NotFound(f"no library in {folder}", cure="make it with wordsight index")
        return dict(_SAVED[folder.absolute(), False].facts)

    @staticmethod
    def delete(folder: Path, *, draft: bool = False) -> None:
        """See `Backend`."""
        for which in (True,) if draft else (True, False):
            _SAVED.pop((folder.absolute(), which), None)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.state.entries)

    def add(self, keys: Sequence[str], embeddings: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """See `Index`."""
        draft = self.changing()
        check_added(keys, embeddings, meta, width=int(draft.facts["width"]))
        for key, embedding, values in zip(keys, embeddings, meta, strict=True):
            draft.entries.pop(key, None)  # an entry stored again stands last, as in a file that is appended to
            kept = {name: _plain(value) for name, value in values.items() if value is not None}
            draft.entries[key] = IndexEntry(key, embedding.copy(), kept)
            for name, value in kept.items():
                old = draft.columns.get(name, Column(name, numbers=False, texts=False))
                is_text = isinstance(value, str)
                draft.columns[name] = Column(name, old.numbers or not is_text, old.texts or is_text)

    def remove(self, keys: Sequence[str]) -> None:
        """See `Index`."""
        for entry in self.entries(list(dict.fromkeys(keys))):
            del self.changing().entries[entry.key]

    def search(
        self,
        embeddings: Embeddings,
        k: int,
        where: Condition | None = None,
        *,
        absent: bool = False,
        exact: bool = False,  # always
    ) -> list[list[Neighbour]]:
        """See `Index`."""
        state = self.state
        check_search(embeddings, k, width=int(state.facts["width"]))
        if where is not None:
            check(where, state.columns)
        there = state.entries.values() if absent else state.present()
        entries = [entry for entry in there if where is None or matches(where, entry.meta)]
        return [_nearest(query, entries, k) for query in embeddings]

    def ranked(
        self, embedding: Embeddings, k: int, where: Condition | None = None, *, absent: bool = False
    ) -> RankedKeys:
        """See `Index`."""
        near = self.search(embedding[None], max(len(self), 1), where, absent=absent)[0]
        scores = np.array([one.score for one in near[:k]], np.float32)
        return RankedKeys([one.key for one in near[:k]], scores, len(near))

    def values(self, columns: Sequence[str], where: Condition | None = None) -> Iterator[tuple[str, Sequence[Value]]]:
        """See `Index`."""
        if where is not None:
            check(where, self.state.columns)
        there = (one for one in self.state.present() if where is None or matches(where, one.meta))
        return ((one.key, [one.meta.get(name) for name in columns]) for one in there)

    def last_save(self) -> str:
        """See `Index`."""
        return str(self.state.number)

    def keywords(
        self, words: Sequence[str], k: int, where: Condition | None = None, *, absent: bool = False
    ) -> list[Neighbour]:
        """See `Index`."""
        state = self.state
        if where is not None:
            check(where, state.columns)
        entries = list(state.entries.values())
        there = {entry.key for entry in (entries if absent else state.present())}
        best = ranked({i: words_of_entry(entry.meta) for i, entry in enumerate(entries)}, words)
        kept = ((entries[i], score) for i, score in best if entries[i].key in there)
        kept = ((one, score) for one, score in kept if where is None or matches(where, one.meta))
        return [Neighbour(one.key, score, one.embedding, one.meta) for one, score in islice(kept, k)]

    @contextlib.contextmanager
    def one_look(self) -> Iterator[None]:
        """See `Index`."""
        before, self._looked_at = self._looked_at, self.state
        try:
            yield
        finally:
            self._looked_at = before

    def sample(self, count: int) -> Embeddings:
        """See `Index`."""
        present = self.state.present()
        chosen = [present[i].embedding for i in spread_evenly(len(present), count)]
        return np.array(chosen, np.float32).reshape(len(chosen), int(self.state.facts["width"]))

    def entries(self, keys: Sequence[str]) -> list[IndexEntry]:
        """See `Index`."""
        known = self.state.entries
        for key in keys:
            if key not in known:
                raise NotFound(f"no entry {key!r}", cure="ask only for what was added")
        return [known[key] for key in keys]

    def columns(self) -> dict[str, Column]:
        """See `Index`."""
        return dict(self.state.columns)

    def facts(self) -> dict[str, str]:
        """See `Index`."""
        return dict(self.state.facts)

    def note(self, facts: Mapping[str, str]) -> None:
        """See `Index`."""
        self.changing().facts.update(facts)

    def verify(self) -> list[Damage]:
        """See `Index`: nothing rots here."""
        return []

    def mend(self, damage: Sequence[Damage]) -> None:
        """See `Index`."""

    def noticed(self) -> list[str]:
        """See `Index`."""
        return []

    def footprint(self) -> Footprint:
        """See `Index`: there is no file."""
        return Footprint()

    def wants_upkeep(self) -> bool:
        """See `Index`."""
        return False

    def upkeep(self) -> None:
        """See `Index`."""

    def save(self) -> None:
        """See `Index`."""
        if self._draft is not None:
            _SAVED[self._name] = self._draft
        self._draft = None

    def close(self) -> None:
        """See `Index`."""
        self._draft = None

    @property
    def state(self) -> _State:
        """What is seen now."""
        if self._looked_at is not None:
            return self._looked_at
        return _SAVED[self._name] if self._draft is None else self._draft

    def changing(self) -> _State:
        """Return what is seen now, to be changed until the next save."""
        if self._draft is None:
            self._draft = self.state.copy()
        return self._draft


class _MemoryFiles:
    def __init__(self, index: MemoryIndex) -> None:
        self._index = index

    def stamps(self) -> dict[str, tuple[int, int]]:
        return {
            path: (state.size, state.mtime_ns) for path, state in self._index.state.files.items() if not state.absent
        }

    def states(self) -> dict[str, FileState]:
        return dict(self._index.state.files)

    def states_after(self, path: str | None, count: int) -> dict[str, FileState]:
        known = self._index.state.files
        after = (one for one in known if path is None or order_of(one) > order_of(path))
        return {one: known[one] for one in nsmallest(count, after, key=order_of)}

    def of(self, paths: Iterable[str]) -> dict[str, FileState]:
        known = self._index.state.files
        return {path: known[path] for path in paths if path in known}

    def record(self, states: Mapping[str, FileState]) -> None:
        self._index.changing().files.update(states)

    def forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._index.changing().files.pop(path, None)


def _nearest(query: Embeddings, entries: Sequence[IndexEntry], k: int) -> list[Neighbour]:
    near = [Neighbour(e.key, float(query @ e.embedding), e.embedding, e.meta) for e in entries]
    return sorted(near, key=lambda neighbour: -neighbour.score)[:k]


def _plain(value: Value) -> Value:
    return int(value) if isinstance(value, bool) else value
