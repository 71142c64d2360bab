"""The noun `Index`: unit rows under keys, found again by cosine.

`INDEXES` is the table of implementations; the conformance test runs over every row of it.  `exact` is the truth that
faster ones are measured against, `memory` the small one for tests and throw-away use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wordsight.base.arrays import Embeddings
from wordsight.base.nouns import Value

INDEXES = {
    "exact": "wordsight.index.exact:ExactIndex",
    "memory": "wordsight.index.memory:MemoryIndex",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: `score` is the dot product of the query row with the row stored under `key`."""

    key: str
    score: float
    meta: Mapping[str, Value] = field(default_factory=dict)


class Index(Protocol):
    """Unit rows (n, width) under unique keys, with metadata.

    Keys are any text; metadata values are text, numbers, booleans (kept as 0 and 1) or None (the same as absent).
    """

    def add(self, keys: Sequence[str], rows: Embeddings, meta: Sequence[Mapping[str, Value]]) -> None:
        """Store the rows; a key that is there already is replaced."""

    def remove(self, keys: Sequence[str]) -> None:
        """Forget the keys; an unknown key raises `NotFound`."""

    def search(self, rows: Embeddings, k: int, where: str | None = None) -> list[list[Hit]]:
        """Return, for each query row, up to k hits, best first, among the entries that satisfy `where`."""

    def save(self) -> None:
        """Make everything since the last save permanent, all of it or nothing."""
