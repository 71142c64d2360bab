"""One function over many items in threads, results in order, only a few items ahead.

    for pixels in ordered_map(decode, samples): ...
    for sample in read_ahead(source.samples(), 64): ...
    write_behind(write, parts)

Decoding, resizing and the engines release Python's lock, so threads use all cores without copying images between
processes.  Items may be endless; closing any of these iterators ends its threads.
"""

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from wordsight.base.processor import cores

T = TypeVar("T")
R = TypeVar("R")
PREFIX = "ordered"  # of the threads' names
_AHEAD = 8  # items under way for each thread
_END = object()


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], *, threads: int | None = None, ahead: int | None = None
) -> Generator[R, None, None]:
    """Yield `function(item)` for each item in order, in as many threads as cores, working on `ahead` items at most.

    An exception of the function is raised where its result is due.
    """
    number = threads or cores()
    with closing(under_way(function, items, threads=number, ahead=ahead or number * _AHEAD)) as windows:
        for window in windows:
            yield window.popleft()[1].result()


def read_ahead(items: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Yield the items, up to `depth` of them got beforehand in a thread; an exception comes out in its place."""
    with closing(ordered_map(lambda _: next(items, _END), itertools.count(), threads=1, ahead=depth)) as values:
        for value in values:
            if value is _END:
                return
            yield value  # type: ignore[misc]


def write_behind(function: Callable[[T], object], items: Iterable[T]) -> None:
    """Call `function` with each item in a thread while the next item is made here; none is begun after a failure."""
    last: Future[object] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix=PREFIX) as pool:
        for item in items:
            if last is not None:
                last.result()
            last = pool.submit(function, item)
    if last is not None:
        last.result()


def under_way(
    function: Callable[[T], R], items: Iterable[T], *, threads: int, ahead: int
) -> Generator[deque[tuple[T, Future[R]]], None, None]:
    """Yield again and again what is under way, in order: `ahead` items with their results to come, fewer at the end.

    Whoever is given it takes at least one from the left.
    """
    source = iter(items)
    window: deque[tuple[T, Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix=PREFIX)
    try:
        while True:
            for item in itertools.islice(source, ahead - len(window)):
                window.append((item, pool.submit(function, item)))
            if not window:
                return
            yield window
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
