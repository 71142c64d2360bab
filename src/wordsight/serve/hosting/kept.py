"""Answers that are kept for whoever asks again: the ones that were used last, as many as fit.

    kept = KeptAnswers("rankings", most=64 * MIB)
    kept.of(key, lambda: (ranking, ranking.size))       # made by one of those who ask, the others wait
    kept.get(key)                                       # None where it is not kept

Threads may share it.  `of` counts under the name what was kept and what was not.  Knows nothing of what is kept.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from wordsight.serve.watched.figures import note_cache

T = TypeVar("T")


class KeptAnswers(Generic[T]):
    """Values by key, `most` bytes of them; `name` is that of the cache in the figures."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self.size = 0

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """Return what is kept under a key."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def of(self, key: Hashable, make: Callable[[], tuple[T, int]]) -> T:
        """Return what is kept under a key, else what `make` returns with its bytes; of several who ask one makes it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                kept = self.get(key)
                note_cache(self.name, hits=kept is not None, misses=kept is None)
                if kept is None:
                    kept, size = make()
                    self.put(key, kept, size=size)
                return kept
        finally:
            with self._lock:
                self._making.pop(key, None)

    def put(self, key: Hashable, value: T, *, size: int) -> None:
        """Keep a value of so many bytes, and let go of those that were not used for longest."""
        with self._lock:
            if key in self._kept:
                self.size -= self._kept.pop(key)[1]
            self._kept[key] = value, size
            self.size += size
            while self.size > self._most and self._kept:
                self.size -= self._kept.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kept.clear()
            self.size = 0
