"""Progress bars, one-line notices and errors, always on standard error, escaped where that is a terminal.

    with heard_by(listener):          # what this thread would show goes to the listener instead
        library.sync()

Standard error that cannot be written (closed, full, its reader gone) stops no work.
"""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from wordsight.base.terminal import drop, shown

T = TypeVar("T")
SPOKEN = 30.0  # seconds between lines where there is no terminal for a bar
_state = {"quiet": False}
_printed: set[str] = set()


def set_quiet(quiet: bool) -> None:
    """Silence (or restore) notices and bars for the whole process."""
    _state["quiet"] = quiet


def is_quiet() -> bool:
    """Return whether notices and bars are silenced."""
    return _state["quiet"]


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Silence notices and bars while the block runs."""
    before = _state["quiet"]
    set_quiet(True)
    try:
        yield
    finally:
        set_quiet(before)


class Listener(Protocol):
    """Whoever hears what is under way in a thread; what it raises ends the work there."""

    def progress(self, done: int, total: int | None, stage: str) -> None:
        """Hear how many of `total` (None: not known) are done of a stage, in words."""
        ...

    def notice(self, text: str) -> None:
        """Hear a notice."""
        ...


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear the bars and notices of this thread while the block runs; they are not printed."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def notice(text: str, *, once: bool = False) -> None:
    """Print one line on standard error; with `once`, not again in this process.  A listener hears it every time."""
    if (listener := _listener.get()) is not None:
        listener.notice(text)
        return
    if _state["quiet"] or (once and text in _printed):
        return
    _printed.add(text)
    print_error(text)


def print_error(text: str) -> None:
    """Print one line on standard error, quiet or not: an error, or an input that failed."""
    if sys.stderr is None:
        return
    try:
        print(shown(text, sys.stderr), file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def bar(total: int | None = None, *, unit: str = "it", desc: str = "") -> Any:
    """Return a tqdm bar (use as a context manager, call `.update(n)`); hidden when quiet.

    Not on a terminal it is a line now and then.  One inside another goes when it is done.
    """
    if (listener := _listener.get()) is not None:
        return _Heard(total, desc, listener)
    from tqdm import tqdm

    if sys.stderr is not None and not sys.stderr.isatty():
        return _Lines(total, desc)
    hidden = _state["quiet"] or sys.stderr is None
    words = shown(desc, sys.stderr)
    return tqdm(total=total, unit=unit, desc=words, file=sys.stderr, disable=hidden, dynamic_ncols=True, leave=None)


class _Heard:
    """In place of a bar where somebody listens."""

    disable = True  # as a hidden bar says

    def __init__(self, total: int | None, desc: str, listener: Listener) -> None:
        self._total, self._desc, self._listener = total, desc, listener
        self._count = 0
        listener.progress(0, total, desc)

    def __enter__(self) -> "_Heard":
        return self

    def __exit__(self, *error: object) -> None:
        """Say nothing: what comes next does."""

    def close(self) -> None:
        """Do nothing."""

    def update(self, count: int = 1) -> None:
        """Count on, and say so."""
        self._count += count
        self._listener.progress(self._count, self._total, self._desc)


class _Lines:
    """In place of a bar where standard error is a file or a pipe: a line every half minute."""

    disable = True  # as a hidden bar says

    def __init__(self, total: int | None, desc: str) -> None:
        self._of, self._desc = "" if total is None else f" of {total:,}", desc
        self._count, self._printed = 0, time.monotonic()

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *error: object) -> None:
        """Say nothing: what comes next does."""

    def close(self) -> None:
        """Do nothing."""

    def update(self, count: int = 1) -> None:
        """Count on, and say how far it is when a line is due."""
        self._count += count
        if time.monotonic() - self._printed >= SPOKEN:
            self._printed = time.monotonic()
            notice(f"{self._desc}: {self._count:,}{self._of}")


def track(items: Iterable[T], total: int | None = None, *, unit: str = "it", desc: str = "") -> Iterator[T]:
    """Yield the items, moving a bar by one for each."""
    with bar(total, unit=unit, desc=desc) as progress:
        for item in items:
            yield item
            progress.update(1)
