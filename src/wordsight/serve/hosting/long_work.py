"""Computations that take seconds: few at once, a bounded number that wait, and none for those who have gone.

    reasons = await long_work.run(lambda check: library.why(query, hits, done=check))

`check` raises as soon as nobody waits any more: whoever waits is cancelled where the asker has gone.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from wordsight.base.progress import heard_by
from wordsight.serve.errors import Overloaded
from wordsight.serve.hosting.heard import WorkListener

T = TypeVar("T")
AT_ONCE, WAITING = 2, 16


class LongWork:
    """A few threads for all that takes long."""

    def __init__(self, *, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="long-work")
        self._room = at_once + waiting
        self._inside = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Return what a function returns that takes long; it is stopped where nobody waits any more."""
        with self._lock:
            if self._inside >= self._room:
                raise Overloaded(f"{self._inside} long requests wait already", after=5)
            self._inside += 1
        stop = threading.Event()
        future = self._threads.submit(_heard, work, stop)
        future.add_done_callback(self._left)
        try:
            return await asyncio.wrap_future(future)
        finally:
            stop.set()

    def _left(self, future: "Future[T]") -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Let what runs end."""
        self._threads.shutdown(cancel_futures=True)


def _heard(work: Callable[[Callable[[], None]], T], stop: threading.Event) -> T:
    listener = WorkListener(stop=stop)
    listener.check()
    with heard_by(listener):
        return work(listener.check)
