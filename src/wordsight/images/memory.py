"""One budget of memory for all threads that decode: an image waits until there is room for it.

    with decoding_memory().share(need): ...           # waits; a thread that has a share gets further ones at once
    limit_decoding(2_000_000_000)                     # for this process, instead of WORDSIGHT_DECODE_MEMORY

Shares are given in the order in which they were asked for, and who has one never waits for another, so the threads
cannot wait for each other.  Does not know images.
"""

import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from wordsight.base.errors import ConfigError

VARIABLE = "WORDSIGHT_DECODE_MEMORY"
DEFAULT = 460_000_000  # bytes; with what decoders keep aside, a process stays within 512 MB of what it has when idle
_LARGE = 8_000_000  # bytes of a share after which freed memory is given back: about a millisecond in some tens
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(MB|GB)?\s*", re.IGNORECASE)


class MemoryBudget:
    """`total` bytes that threads share."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._mine = threading.local()

    def held(self) -> bool:
        """Return whether this thread has a share."""
        return bool(getattr(self._mine, "held", False))

    @contextmanager
    def share(self, need: int) -> Iterator[None]:
        """Hold `need` bytes, at most `total`, as soon as they are free."""
        if self.held():
            yield
            return
        assert need <= self.total
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= need)
                self._free -= need
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        self._mine.held = True
        try:
            yield
        finally:
            self._mine.held = False
            if need >= _LARGE:
                _return_freed()
            with self._changed:
                self._free += need
                self._changed.notify_all()


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`, where it is there."""
    import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def _return_freed() -> None:
    """Give freed memory back to the system.

    glibc keeps what a thread has freed for that thread, so that several which decode one after the other would hold as
    much as if they all did at once.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


_budget: MemoryBudget | None = None
_making = threading.Lock()


def decoding_memory() -> MemoryBudget:
    """Return the budget of this process: WORDSIGHT_DECODE_MEMORY ("800MB", "2GB"), else 460 MB.

    Raises `ConfigError` for a value that is no size.
    """
    global _budget
    with _making:
        if _budget is None:
            _budget = MemoryBudget(_stated(os.environ.get(VARIABLE, "")))
        return _budget


def limit_decoding(total: int) -> None:
    """Give all decoding of this process `total` bytes from now on."""
    global _budget
    if total < 1:
        raise ConfigError(f"{total} bytes to decode images in", cure="give at least some millions")
    with _making:
        _budget = MemoryBudget(total)


def _stated(text: str) -> int:
    if not text.strip():
        return DEFAULT
    size = _SIZE.fullmatch(text)
    if size is None or float(size[1]) <= 0:
        raise ConfigError(f"{VARIABLE}={text} is no size", cure="write for example 800MB or 2GB")
    return int(float(size[1]) * (1e9 if (size[2] or "").upper() == "GB" else 1e6))


def _begin_anew() -> None:
    """In a forked child nobody holds the shares of the parent's threads."""
    global _budget, _making
    _making = threading.Lock()
    _budget = None if _budget is None else MemoryBudget(_budget.total)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
