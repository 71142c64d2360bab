"""Progress bars, one-line notices and errors, always on standard error, escaped where that is a terminal.

Standard error that cannot be written (closed, full, its reader gone) stops no work.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from wordsight.base.terminal import drop, shown

T = TypeVar("T")
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
    """Return a tqdm bar (use as a context manager, call `.update(n)`); hidden when quiet or not on a terminal."""
    from tqdm import tqdm

    hidden = _state["quiet"] or sys.stderr is None or not sys.stderr.isatty()
    return tqdm(
        total=total, unit=unit, desc=shown(desc, sys.stderr), file=sys.stderr, disable=hidden, dynamic_ncols=True
    )


def track(items: Iterable[T], total: int | None = None, *, unit: str = "it", desc: str = "") -> Iterator[T]:
    """Yield the items, moving a bar by one for each."""
    with bar(total, unit=unit, desc=desc) as progress:
        for item in items:
            yield item
            progress.update(1)
