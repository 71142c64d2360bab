"""What does not survive a fork: threads of engines, open databases.  It is made when used, anew in each process.

    sessions = PerProcess(dict)
    sessions.here["image"] = ...        # a forked child sees an empty dict

A forked child has none of the threads of its parent, so what waits for them would wait for ever.
"""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One value for each process.  That of the parent is never ended in a child: its end would wait for threads."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._process = 0
        self._value: T | None = None

    @property
    def here(self) -> T:
        """The value of this process."""
        if self._process != os.getpid():
            if self._process:
                self._lock = threading.Lock()  # another thread of the parent may have held the old one
            with self._lock:
                if self._process != os.getpid():
                    keep_for_ever(self._value)
                    self._value = self._make()
                    self._process = os.getpid()
        assert self._value is not None
        return self._value


def keep_for_ever(value: object) -> None:
    """Never end a value, not even when the program ends."""
    import ctypes  # only where there was a fork

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
