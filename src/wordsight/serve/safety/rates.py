"""Requests a minute of each key, counted together by all worker processes.

    rates = Rates(path)              # the same file in every process; None counts in this one
    wait = rates.take(key)           # 0.0, or seconds until it is worth asking again

A sliding window: what the minute before had counts as far as it still overlaps.  The counts lie in a file that all
processes map.  There is no lock: two that count at the same moment may count one request for two.
"""

import mmap
import time
from pathlib import Path

from wordsight.serve.safety.keys import ApiKey

SLOTS = 4_096  # keys that are counted together; further ones by each process
FIELDS = 4  # the key, the minute, requests of that minute, requests of the minute before
MINUTE = 60.0


class Rates:
    """Counts of a minute, a key at a time."""

    def __init__(self, path: Path | None = None) -> None:
        size = SLOTS * FIELDS * 8
        if path is None:
            self._map = mmap.mmap(-1, size)
        else:
            with path.open("r+b") as file:
                file.truncate(size)
                self._map = mmap.mmap(file.fileno(), size)
        self._numbers = memoryview(self._map).cast("q")

    def take(self, key: ApiKey, now: float | None = None) -> float:
        """Count a request of a key, and return 0.0; or count nothing, and return how many seconds to wait."""
        if key.per_minute is None:
            return 0.0
        minute, passed = divmod(time.time() if now is None else now, MINUTE)
        numbers, at = self._numbers, self._slot(int(key.hash[:15], 16))
        if numbers[at + 1] != minute:
            follows = numbers[at + 1] == minute - 1
            numbers[at + 3] = numbers[at + 2] if follows else 0
            numbers[at + 2] = 0
            numbers[at + 1] = int(minute)
        count, before = numbers[at + 2], numbers[at + 3]
        if count + before * (1 - passed / MINUTE) + 1 > key.per_minute:
            return _wait(key.per_minute, count, before, passed)
        numbers[at + 2] = count + 1
        return 0.0

    def _slot(self, identity: int) -> int:
        for step in range(SLOTS):
            at = (identity + step) % SLOTS * FIELDS
            if self._numbers[at] in (0, identity):
                self._numbers[at] = identity
                return at
        return identity % SLOTS * FIELDS  # more keys than slots: two share a count


def _wait(most: int, count: int, before: int, passed: float) -> float:
    """Return after how many seconds one more request fits."""
    if count <= most - 1 and before:
        return max(MINUTE * (1 - (most - 1 - count) / before) - passed, 0.1)
    return MINUTE - passed + MINUTE * max(0.0, 1 - (most - 1) / max(count, 1))


def make_counts(path: Path) -> None:
    """Make the file in which processes count together."""
    path.write_bytes(bytes(SLOTS * FIELDS * 8))
