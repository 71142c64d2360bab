"""One function over many items in threads, results in order, only a few items ahead.

Decoding and resizing release Python's lock inside Pillow, so threads use all cores without copying images
between processes.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from wordsight.base.processor import cores

T = TypeVar("T")
R = TypeVar("R")
_AHEAD = 8  # items under way for each worker


def ordered_map(
    function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None, ahead: int | None = None
) -> Generator[R, None, None]:
    """Yield `function(item)` for each item in order, in as many threads as cores, working on `ahead` items at most.

    An exception of the function is raised where its result is due.  Items may be endless; closing the iterator stops.
    """
    number = workers or cores()
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(number, thread_name_prefix="wordsight-data")
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= (ahead or number * _AHEAD):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
