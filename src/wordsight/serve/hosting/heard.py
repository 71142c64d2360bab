"""What a piece of work says while it runs in a thread: how far it is, and its notices.

result, notices = listened(work)
with heard_by(WorkListener(tell, stop)): library.sync()
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from wordsight.base.progress import heard_by

T = TypeVar("T")
MOST = 20  # notices of one piece of work
STEP = 0.1  # seconds between two steps of a stage that are told


class WorkStep(NamedTuple):
    """How many of `total` (None: not known) are done of a stage, which is in words."""

    done: int
    total: int | None
    stage: str


class WorkStoppedError(Exception):
    """Nobody waits for this work any more."""


class WorkListener:
    """Hears one piece of work; `stop` ends it at its next step."""

    def __init__(
        self, tell: Callable[[WorkStep], object] = lambda step: None, stop: threading.Event | None = None
    ) -> None:
        self.notices: list[str] = []
        self._tell = tell
        self._stop = stop
        self._last: WorkStep | None = None
        self._when = 0.0

    def progress(self, done: int, total: int | None, stage: str) -> None:
        """Tell of a step, unless one of the same stage was told a moment ago."""
        self.check()
        step, now = WorkStep(done, total, stage), time.monotonic()
        is_new = self._last is None or self._last.stage != stage or done == total
        if is_new or now - self._when >= STEP:
            self._last, self._when = step, now
            self._tell(step)

    def notice(self, text: str) -> None:
        """Remember a notice."""
        if text not in self.notices and len(self.notices) < MOST:
            self.notices.append(text)

    def check(self) -> None:
        """Raise `WorkStoppedError` where nobody waits any more."""
        if self._stop is not None and self._stop.is_set():
            raise WorkStoppedError


def listened(work: Callable[[], T]) -> tuple[T, list[str]]:
    """Return what a function returns, and the notices that it gave."""
    listener = WorkListener()
    with heard_by(listener):
        return work(), listener.notices
