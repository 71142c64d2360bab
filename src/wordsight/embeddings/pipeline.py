"""Decoding and encoding at the same time: threads decode ahead while the engine encodes, order is kept.

Pillow and the engines leave Python's lock while they compute, so threads are enough.  An image that cannot be
decoded comes out with its error instead of an embedding, and the others go on.  Knows neither sources nor stores.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import InputError
from wordsight.base.processor import cores

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
) -> Iterator[Encoded[T]]:
    """Yield every item in order with the embedding of the image that `load` returns for it.

    `load` runs in several threads; an `InputError` it raises comes out with the item, None means that the item needs
    no encoding, and any other exception ends the run.  `embed` is called here, with up to `batch` images, all of
    one shape: where shapes differ (towers that keep the image's shape), once for each.
    """
    times = times or StageTimes()
    source = iter(items)
    waiting: deque[tuple[T, Future[Pixels | None]]] = deque()
    pool = ThreadPoolExecutor(decode_threads(), thread_name_prefix="decode")
    one_thread_products.enter()
    try:
        while True:
            while len(waiting) < batch * AHEAD:
                try:
                    item = next(source)
                except StopIteration:
                    break
                waiting.append((item, pool.submit(load, item)))
            if not waiting:
                return
            steps = -(-len(waiting) // batch)  # of like size at the end, where a few left over would idle processors
            yield from _encode([waiting.popleft() for _ in range(-(-len(waiting) // steps))], embed, times)
    finally:
        one_thread_products.leave()
        pool.shutdown(wait=True, cancel_futures=True)


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


_END = object()


def ahead(items: Iterator[T], depth: int, times: StageTimes, stage: str) -> Iterator[T]:
    """Yield the items, fetching up to `depth` of them ahead in a thread of its own, timed as `stage`.

    An exception of the iterator comes out in its place.  Closing the generator ends the thread.
    """
    channel: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(value: object) -> bool:
        while not stopped.is_set():
            try:
                channel.put(value, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            while True:
                with times.stage(stage):
                    value = next(items, _END)
                if not put(value) or value is _END:
                    return
        except BaseException as error:  # noqa: BLE001  (raised again where the items are consumed)
            put(_Raised(error))

    thread = threading.Thread(target=run, name=stage, daemon=True)
    thread.start()
    try:
        while (value := channel.get()) is not _END:
            if isinstance(value, _Raised):
                raise value.error
            yield value  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: BaseException
