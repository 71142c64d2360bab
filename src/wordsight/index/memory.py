"""The index without files: a dictionary and Python's own evaluation of conditions.

For tests and throw-away use; what it answers is what every other index has to answer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import NotFound, UsageError
from wordsight.base.nouns import Value
from wordsight.index.index import Hit
from wordsight.index.where import Column, Tree, check, matches, parse


class MemoryIndex:
    """An `Index` that forgets everything when the process ends; `folder` and `fingerprint` are not looked at."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._entries: dict[str, tuple[Embeddings, dict[str, Value]]] = {}
        self._columns: dict[str, Column] = {}

    @classmethod
    def open(cls, folder: Path, *, fingerprint: str, width: int, writable: bool = False) -> "MemoryIndex":
        """Return an empty index for rows of `width`."""
        del folder, fingerprint, writable
        return cls(width)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    def add(self, keys: Sequence[str], rows: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """Store the rows; a key that is there already is replaced."""
        if not len(keys) == len(rows) == len(meta):
            raise UsageError(f"{len(keys)} keys, {len(rows)} rows, {len(meta)} metadata", cure="give as many of each")
        if len(set(keys)) != len(keys):
            raise UsageError("a key appears twice in one call", cure="give every entry its own key")
        for key, row, values in zip(keys, rows, meta, strict=True):
            self._entries.pop(key, None)  # an entry stored again stands last, as in a file that is appended to
            self._entries[key] = (row.copy(), {n: _plain(v) for n, v in values.items() if v is not None})
            for name, value in self._entries[key][1].items():
                old = self._columns.get(name, Column(name, numbers=False, texts=False))
                is_text = isinstance(value, str)
                self._columns[name] = Column(name, old.numbers or not is_text, old.texts or is_text)

    def remove(self, keys: Sequence[str]) -> None:
        """Forget the keys; an unknown key raises `NotFound`."""
        for key in keys:
            if key not in self._entries:
                raise NotFound(f"no entry {key!r}", cure="remove only what was added")
        for key in set(keys):
            del self._entries[key]

    def search(self, rows: Embeddings, k: int, where: str | None = None) -> list[list[Hit]]:
        """Return, for each query row, up to k hits, best first, among the entries that satisfy `where`."""
        if k < 1:
            raise UsageError(f"k = {k}", cure="ask for at least one hit")
        tree = None if where is None else parse(where)
        if tree is not None:
            check(tree, self._columns)
        return [self._search_one(row, k, tree) for row in np.atleast_2d(rows)]

    def save(self) -> None:
        """There is nothing to make permanent."""

    def close(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def _search_one(self, row: Embeddings, k: int, tree: Tree | None) -> list[Hit]:
        hits = [
            Hit(key, float(row @ other), meta)
            for key, (other, meta) in self._entries.items()
            if tree is None or matches(tree, meta)
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:k]


def _plain(value: Value) -> Value:
    return int(value) if isinstance(value, bool) else value
