"""A process that was told to stop is no longer ready, while it answers what it accepted.

with marking_stops(host): ...           # in the main thread, behind the handlers of the server
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def marking_stops(host: "Host") -> Iterator[None]:
    """Mark the host as not ready when a signal to stop comes, then do what was done at that signal before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(number: int, frame: FrameType | None) -> None:
        host.ready = False
        if callable(before[number]):
            before[number](number, frame)

    watched = [number for number in SIGNALS if callable(before[number])]
    for number in watched:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in watched:
            if signal.getsignal(number) is stop:
                signal.signal(number, before[number])
