"""Decoding and encoding at the same time: threads decode ahead while the engine encodes, order is kept.

Pillow and the engines leave Python's lock while they compute, so threads are enough.  An image that cannot be
decoded comes out with its error instead of an embedding, and the others go on.  Knows neither sources nor stores.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import InputError
from wordsight.base.processor import cores
from wordsight.base.threads import under_way

T = TypeVar("T")
BATCH = 16  # images handed over at once where an engine does not say how many it wants
AHEAD = 4  # batches decoded ahead of the engine


@dataclass(frozen=True, slots=True)
class Encoded(Generic[T]):
    """An item with its unit embedding (E,), or with the reason why there is none; neither when `load` gave None."""

    item: T
    embedding: Embeddings | None = None
    error: InputError | None = None


@dataclass(slots=True)
class StageTimes:
    """Seconds spent in each stage, summed over threads: stages overlap, so they add up to more than the wall time."""

    seconds: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items and add the time that getting each takes to the stage `name`."""
        source = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def take(self) -> dict[str, float]:
        """Return the seconds so far and begin again at zero."""
        with self._lock:
            spent, self.seconds = self.seconds, {}
        return spent


def decode_threads() -> int:
    """Return how many threads decode: one for each core this process may use, at most 8."""
    return min(cores(), 8)


def encode_images(
    items: Iterable[T],
    load: Callable[[T], Pixels | None],
    embed: Callable[[Pixels], Embeddings],
    *,
    batch: int = BATCH,
    times: StageTimes | None = None,
) -> Generator[Encoded[T], None, None]:
    """Yield every item in order with the embedding of the image that `load` returns for it.

    `load` runs in several threads; an `InputError` it raises comes out with the item, None means that the item needs
    no encoding, and any other exception ends the run.  `embed` is called here, with up to `batch` images, all of
    one shape: where shapes differ (towers that keep the image's shape), once for each.
    """
    times = times or StageTimes()
    one_thread_products.enter()
    try:
        with closing(under_way(load, items, threads=decode_threads(), ahead=batch * AHEAD)) as windows:
            for window in windows:
                steps = -(-len(window) // batch)  # of like size at the end, where a few left over would idle processors
                yield from _encode([window.popleft() for _ in range(-(-len(window) // steps))], embed, times)
    finally:
        one_thread_products.leave()


class OneThreadProducts:
    """Between `enter` and `leave` numpy multiplies matrices in the thread that asks, as long as anybody is inside.

    The resize is made of small products in several threads; numpy's library would share each of them among all
    processors, and its waiting threads take those from the engine: files to embeddings on two cores were 1.6 times
    slower.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: threadpool_limits | None = None

    def enter(self) -> None:
        """Limit numpy's library to one thread, in the whole process."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limit = threadpool_limits(limits=1, user_api="blas")

    def leave(self) -> None:
        """Give it its threads back when nobody else is inside."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limit is not None:
                self._limit.restore_original_limits()


one_thread_products = OneThreadProducts()


def _encode(
    batch: list[tuple[T, Future[Pixels | None]]], embed: Callable[[Pixels], Embeddings], times: StageTimes
) -> list[Encoded[T]]:
    loaded: list[Pixels | InputError | None] = []
    for _, future in batch:
        try:
            loaded.append(future.result())
        except InputError as error:
            loaded.append(error)
    with times.stage("encode"):
        embeddings = iter(_embed([one for one in loaded if isinstance(one, np.ndarray)], embed))
    return [
        Encoded(item, embedding=next(embeddings) if isinstance(one, np.ndarray) else None)
        if not isinstance(one, InputError)
        else Encoded(item, error=one)
        for (item, _), one in zip(batch, loaded, strict=True)
    ]


def _embed(images: list[Pixels], embed: Callable[[Pixels], Embeddings]) -> list[Embeddings]:
    """Return the embedding of each image in order; images of one shape go to the engine together."""
    positions: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        positions.setdefault(image.shape, []).append(position)
    embeddings: dict[int, Embeddings] = {}
    for alike in positions.values():
        embeddings |= zip(alike, embed(np.stack([images[position] for position in alike])), strict=True)
    return [embeddings[position] for position in range(len(images))]
