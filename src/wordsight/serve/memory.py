"""A ceiling for the memory of one process of the server: above a soft line caches go, above a hard one new work waits.

    memory = ServerMemory(4_000_000_000)
    with holding(memory):              # one request
        reserve(len(part))             # raises `Overloaded` where there is no room
    async with memory.watched(relieve): ...

Counted is what the process alone holds: files that are mapped, as an index, the system takes back when it needs to.
What requests bring is reserved before it is read; decoding has a budget of its own (`wordsight.images.memory`), which
is a part of the same ceiling.  Where the system does not tell what a process holds, only reservations count.
"""

import asyncio
import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.images.memory import decoding_memory, limit_decoding
from wordsight.serve.errors import Overloaded
from wordsight.serve.repeating import repeated

SHARE = 0.8  # of what the machine, or the group of processes, may have
SOFT = 0.85  # of the ceiling
DECODING = 0.25  # of the ceiling, at most, may be taken by decoding
LEAST = 256_000_000  # bytes below which no ceiling makes sense: the libraries alone take half of that
PERIOD = 0.25  # seconds between looks
AGAIN = 2.0  # seconds until caches go again, below the ceiling: what cannot be given back would keep them empty
STATUS = Path("/proc/self/status")
CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
log = logging.getLogger("wordsight.serve")


def default_ceiling(workers: int = 1) -> int:
    """Return what each of so many workers may hold: four fifths of what all of them may."""
    limits = [_machine()]
    for path in CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            limits.append(int(path.read_text()))
    return max(int(SHARE * min(limits) / workers), LEAST)


def _machine() -> int:
    try:
        return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):  # a system that does not say
        return 8_000_000_000


def own_memory(status: Path = STATUS) -> int:
    """Return the bytes that this process alone holds, 0 where the system does not tell."""
    try:
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    held = [line.split() for line in lines if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:"))]
    return sum(int(words[1]) for words in held) * 1024


_of_request: ContextVar["HeldMemory | None"] = ContextVar("wordsight_held", default=None)


def reserve(size: int) -> None:
    """Reserve memory for the request that is being answered; raises `Overloaded` where there is no room."""
    if (held := _of_request.get()) is not None:
        held.add(size)


@contextlib.contextmanager
def holding(memory: "ServerMemory") -> Iterator[None]:
    """Let what `reserve` reserves in the block be held until its end."""
    held = memory.hold()
    token = _of_request.set(held)
    try:
        yield
    finally:
        _of_request.reset(token)
        held.release()


class HeldMemory:
    """What one request has reserved."""

    def __init__(self, memory: "ServerMemory") -> None:
        self._memory = memory
        self.size = 0

    def add(self, size: int) -> None:
        """Reserve more; raises `Overloaded` where there is no room."""
        self._memory.require(size)
        self.size += size
        self._memory.reserved += size

    def release(self) -> None:
        """Give all of it back."""
        self._memory.reserved -= self.size
        self.size = 0


class ServerMemory:
    """`ceiling` in bytes; `reserved` is held by requests, `own` by the process when last looked at."""

    def __init__(self, ceiling: int, *, look: Callable[[], int] = own_memory) -> None:
        if ceiling < LEAST:
            raise UsageError(f"--memory {ceiling}", cure=f"give at least {LEAST // 1_000_000} MB")
        self.ceiling = ceiling
        self.soft = int(SOFT * ceiling)
        self.reserved = 0
        self.relieved = 0  # how often caches were emptied
        self.is_full = False
        self._last_relief = -AGAIN
        self._look = look
        self.own = look()

    def start(self) -> None:
        """Give decoding its part of the ceiling, where it has not less already."""
        limit_decoding(min(decoding_memory().total, int(DECODING * self.ceiling)))

    def require(self, size: int = 0) -> None:
        """Raise `Overloaded` where new work, of so many bytes, would go above the ceiling."""
        if self.is_full or self.own + self.reserved + size > self.ceiling:
            problem = (
                f"memory is short: {(self.own + self.reserved) / 1e6:,.0f} of {self.ceiling / 1e6:,.0f} MB are held"
            )
            raise Overloaded(problem, after=2)

    def hold(self) -> HeldMemory:
        """Return a reservation for one request, of nothing yet."""
        return HeldMemory(self)

    async def look(self, relieve: Callable[[], None]) -> None:
        """See what is held: above the soft line let `relieve` give back what can be made again."""
        self.own = self._look()
        now = time.monotonic()
        if self.own > self.ceiling or (self.own > self.soft and now - self._last_relief >= AGAIN):
            self._last_relief = now
            relieve()
            gc.collect()
            await asyncio.to_thread(trim)
            self.own = self._look()
            self.relieved += 1
        full = self.own > self.ceiling
        if full and not self.is_full:
            log.warning("memory: %.0f of %.0f MB are held, new work waits", self.own / 1e6, self.ceiling / 1e6)
        self.is_full = full

    @contextlib.asynccontextmanager
    async def watched(self, relieve: Callable[[], None]) -> AsyncIterator[None]:
        """Look again and again while the block runs."""
        self.start()
        async with repeated(PERIOD, lambda: self.look(relieve)):
            yield


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def trim() -> None:
    """Give freed memory back to the system, where that can be asked."""
    give_back = _malloc_trim()
    if give_back is not None:
        give_back(0)
