"""Progress bars, one-line notices and errors, always on standard error, escaped where that is a terminal.

Standard error that cannot be written (closed, full, its reader gone) stops no work.
"""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

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


def notice(text: str, *, once: bool = False) -> None:
    """Print one line on standard error; with `once`, not again in this process."""
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
    from tqdm import tqdm

    if sys.stderr is not None and not sys.stderr.isatty():
        return _Lines(total, desc)
    hidden = _state["quiet"] or sys.stderr is None
    words = shown(desc, sys.stderr)
    return tqdm(total=total, unit=unit, desc=words, file=sys.stderr, disable=hidden, dynamic_ncols=True, leave=None)


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
