"""Answers that are kept for whoever asks again: the ones that were used last, as many as fit.

    kept = KeptAnswers("rankings", most=64 * MIB, run=libraries.run)
    await kept.of(lambda: key, lambda: (ranking, ranking.size))    # made once for all who ask meanwhile
    kept.get(key)                                                  # None where it is not kept

`run` runs a function in a thread; whoever waits for what another has made holds none.  `of` counts under the name what
was kept and what was not.  Knows nothing of what is kept.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from wordsight.serve.watched.figures import note_cache

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Making(Generic[T]):
    """A value that is being made: how many wait for it, and whether a thread has begun with it."""

    value: "asyncio.Future[T]"
    waiting: int = 0
    begun: bool = False


class KeptAnswers(Generic[T]):
    """Values by key, `most` bytes of them; `name` is that of the cache in the figures."""

    def __init__(self, name: str, most: int, run: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self.name = name
        self._most = most
        self._run = run
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, _Making[T]] = {}
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

    async def of(self, key: Callable[[], Hashable], make: Callable[[], tuple[T, int]]) -> T:
        """Return what is kept under a key, else what `make` returns with its bytes; both are called in threads.

        Of several who ask one makes it; it is given up where all have left before a thread has begun.
        """
        name, kept = await self._run(lambda: self._looked_up(key()))
        making = self._making.get(name)
        if kept is None and making is None:
            kept = self.get(name)  # it may have been made since
        is_there = kept is not None or making is not None
        note_cache(self.name, hits=is_there, misses=not is_there)
        if kept is not None:
            return cast(T, kept)
        making = making or self._begin(name, make)
        making.waiting += 1
        try:
            return await asyncio.shield(making.value)
        finally:
            making.waiting -= 1
            if not making.waiting and not making.begun:
                making.value.cancel()
                self._end(name, making)

    def _looked_up(self, name: Hashable) -> tuple[Hashable, T | None]:
        return name, self.get(name)

    def _begin(self, name: Hashable, make: Callable[[], tuple[T, int]]) -> _Making[T]:
        def work() -> T:
            making.begun = True
            value, size = make()
            self.put(name, value, size=size)
            return value

        making: _Making[T] = _Making(asyncio.ensure_future(self._run(work)))
        making.value.add_done_callback(lambda _: self._end(name, making))
        self._making[name] = making
        return making

    def _end(self, name: Hashable, making: _Making[T]) -> None:
        if self._making.get(name) is making:
            del self._making[name]

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
