"""The entries of one state of an index by their positions in the file of embeddings: what the caches are made of.

    rows = EntryRows(entries, seen)
    rows.changed(state)                       # positions to be read again since that save, None: all
    rows.values("price", positions)           # positions that have a value, and the values

Knows what is stored, and no cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.base.value import Value
from wordsight.index.entries import EntryTable
from wordsight.index.halves import Mask
from wordsight.index.layout import SeenIndex

_AT_ONCE = 1024  # texts held when all are read


@dataclass(frozen=True, slots=True)
class SavedState:
    """One save of an index: its number and random mark, and how many positions there were.

    `key` names the database and its file of embeddings: in another one positions are of other entries.
    """

    key: str
    version: int
    mark: int
    count: int


class EntryRows:
    """`state` is the last save; where it is not `saved`, there are changes since, and `count` positions."""

    def __init__(self, entries: EntryTable, seen: SeenIndex) -> None:
        self._entries = entries
        self._layout = seen.layout
        self.saved = seen.saved
        self.count = seen.layout.count
        key, version = f"{seen.facts['identity']} {seen.facts['generation']}", int(seen.facts["version"])
        self.state = SavedState(key, version, entries.changes.mark(version), self.count)

    @property
    def alive(self) -> Mask:
        """Whether there is an entry at each position (N,)."""
        return ~self._layout.dead

    def changed(self, state: SavedState) -> RowIds | None:
        """Return the positions, rising, of what is new or was written again since a save; None: that is not known."""
        own = self.state
        if state.key != own.key or state.version > own.version or state.count > self.count:
            return None
        ids = self._entries.changes.since(state.version, state.mark, own.version)
        if ids is None:
            return None
        again = self._layout.positions(np.array(sorted(set(ids.tolist())), np.int64))
        return np.concatenate([again[again < state.count], np.arange(state.count, self.count)])

    def values(self, name: str, rows: RowIds | None = None) -> tuple[RowIds, Sequence[Value]]:
        """Return which of these positions, or of all, have a value in a column, and the values."""
        ids, values = self._entries.values_of(name, self._ids(rows))
        positions, there = self._positions(ids)
        return (positions, values) if there.all() else (positions[there], list(compress(values, there)))

    def texts(self, rows: RowIds | None = None) -> Iterator[tuple[RowIds, list[bytes]]]:
        """Yield positions and the UTF-8 in which words are looked for, some of these positions or of all at a time."""
        texts = self._entries.texts(self._ids(rows))
        while some := list(islice(texts, _AT_ONCE)):
            positions, there = self._positions(np.array([number for number, _ in some], np.int64))
            yield positions[there], [text for (_, text), is_there in zip(some, there, strict=True) if is_there]

    def _ids(self, rows: RowIds | None) -> RowIds | None:
        return None if rows is None else self._layout.ids[rows]

    def _positions(self, ids: RowIds) -> tuple[RowIds, Mask]:
        """Return the positions of ids, and which of them are in the file: a damaged database may have others."""
        positions = self._layout.positions(ids)
        if not self.count:
            return positions, np.zeros(len(ids), bool)
        return positions, self._layout.ids[np.minimum(positions, self.count - 1)] == ids
