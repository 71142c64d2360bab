"""Small requests of many callers joined into batches: one queue, one batch at a time, computed in a thread.

    queue = BatchQueue("texts", model.embed_texts_of, most=64, waiting=4096, traits=TEXTS)
    embeddings = await queue.ask(["a dog", "a cat"])          # one result for each item, in their order

An idle queue begins at once.  What comes while a batch is computed waits for the next: small requests are in it whole,
and a large one goes on beside them with a part.  Items that are equal by `key` are computed once.  A full
queue raises `Overloaded`, with the time that it will take.  A request that is cancelled, for its time is over or its
caller is gone, is not computed.  A result that is an exception is raised where its item was asked, and nowhere else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from wordsight.base.errors import InputError
from wordsight.serve.errors import Overloaded
from wordsight.serve.watched.figures import note_batch, note_wait
from wordsight.serve.watched.notes import clock, note_stage

In = TypeVar("In")
Out = TypeVar("Out")
LONGEST_WAIT = 60.0  # seconds until a client is told to ask again, at most
_SMALL = 8  # a request is small that has no more than this part of a batch
_BESIDE, _ALONE = 4, 2  # parts of a batch that large requests have beside small ones, and where there are none
_SMOOTH = 0.2  # of the last batch in the rate of a queue


@dataclass(slots=True, eq=False)
class _Asker:
    """A request: its results, how many are to come, and its items that no batch has begun.

    `since`, `begun` and `ended`: when it came, and when the first and the last of its batches did (nanoseconds).
    """

    answer: "asyncio.Future[list[Any]]"
    results: list[Any]
    left: int
    pending: "deque[_QueuedItem]" = field(default_factory=deque)
    since: int = field(default_factory=clock)
    begun: int = 0
    ended: int = 0


@dataclass(slots=True, eq=False)
class _QueuedItem:
    """An item and who asked for it, with its number there."""

    item: Any
    key: Hashable
    size: int
    askers: list[tuple[_Asker, int]]

    def is_wanted(self) -> bool:
        """Return whether anybody still waits for it."""
        return any(not asker.answer.done() for asker, _ in self.askers)


@dataclass(slots=True)
class QueueFigures:
    """What a queue has done: `items` of `batches`, `joined` with an equal one, `dropped` for nobody waited any more.

    `refused`: requests for which there was no room.
    """

    batches: int = 0
    items: int = 0
    joined: int = 0
    dropped: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ItemTraits:
    """What a queue may know of its items: the bytes of one, by what two are equal, by what their cost rises."""

    size: Callable[[Any], int] = lambda item: 0
    key: Callable[[Any], Hashable] | None = None
    order: Callable[[Any], int] | None = None


class BatchQueue(Generic[In, Out]):
    """`work` gets up to `most` items and returns a result, or an exception, for each; `waiting` may wait at once.

    Of the bytes of items `room` may wait.  Items of one request are computed by their cost.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[In]], Sequence[Out | Exception]],
        *,
        most: int,
        waiting: int,
        room: int = 1 << 29,
        traits: ItemTraits = ItemTraits(),
    ) -> None:
        self.name = name
        self.figures = QueueFigures()
        self._work = work
        self._most, self._waiting_most, self._room = most, waiting, room
        self._traits = traits
        self._askers: deque[_Asker] = deque()  # with items that wait
        self._known: dict[Hashable, _QueuedItem] = {}  # that wait or are computed
        self._waiting = self._bytes = 0
        self._per_second = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many items wait."""
        return self._waiting

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is computed."""
        return self._running is None

    async def ask(self, items: Sequence[In]) -> list[Out]:
        """Return the result of each item; the first exception among them is raised."""
        if not items:
            return []
        sizes = [self._traits.size(item) for item in items]
        self._require_room(len(items), sum(sizes))
        asker = _Asker(asyncio.get_running_loop().create_future(), [None] * len(items), len(items))
        for number, (item, size) in enumerate(zip(items, sizes, strict=True)):
            self._take(item, size, asker, number)
        if asker.pending:
            order = self._traits.order
            if order is not None and len(asker.pending) > 1:
                asker.pending = deque(sorted(asker.pending, key=lambda one: order(one.item)))
            self._askers.append(asker)
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        try:
            return await asker.answer  # cancelled, it is done, and what nobody else waits for is not computed
        finally:
            self._note(asker)

    def _note(self, asker: _Asker) -> None:
        """Note how long a request waited, and how long its batches took."""
        if asker.ended:
            begun = max(asker.begun, asker.since)  # it may join a batch that has begun
            note_stage("queue", asker.since, begun)
            note_stage("engine", begun, asker.ended)
            note_wait(self.name, (begun - asker.since) / 1e9)

    def _require_room(self, count: int, size: int) -> None:
        """Raise `Overloaded` where so much more may not wait; a queue in which nothing waits takes any request."""
        full = self._waiting + count > self._waiting_most or self._bytes + size > self._room
        if self._waiting and full:
            self._drop_unwanted()
        if self._waiting and (self._waiting + count > self._waiting_most or self._bytes + size > self._room):
            self.figures.refused += 1
            seconds = self._waiting / self._per_second if self._per_second else 1.0
            raise Overloaded(f"{self._waiting:,} {self.name} wait already", after=min(max(seconds, 1.0), LONGEST_WAIT))

    def _take(self, item: In, size: int, asker: _Asker, number: int) -> None:
        key = None if self._traits.key is None else self._traits.key(item)
        same = None if key is None else self._known.get(key)
        if same is not None:
            same.askers.append((asker, number))
            self.figures.joined += 1
            return
        queued = _QueuedItem(item, key, size, [(asker, number)])
        if key is not None:
            self._known[key] = queued
        asker.pending.append(queued)
        self._waiting += 1
        self._bytes += size

    async def _run(self) -> None:
        """Compute batches until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                begun = clock()
                items = [one.item for one in batch]
                results: Sequence[Any]
                try:
                    results = await loop.run_in_executor(self._thread, partial(_results, self._work, items))
                except Exception as error:  # noqa: BLE001  (handed to all who wait for this batch)
                    results = [error] * len(batch)
                ended = clock()
                self._count(len(batch), (ended - begun) / 1e9)
                for one, result in zip(batch, results, strict=True):
                    for asker, _ in one.askers:
                        asker.begun, asker.ended = asker.begun or begun, ended
                    self._deliver(one, result)
                await asyncio.sleep(0)  # so that who has been answered, and those who come now, may be in the next
        finally:
            self._running = None

    def _next(self) -> list[_QueuedItem]:
        """Take the next batch: small requests whole, in their order, and beside them a part of large ones in turn."""
        batch: list[_QueuedItem] = []
        small = max(self._most // _SMALL, 1)
        large = deque(asker for asker in self._askers if len(asker.pending) > small)
        beside = max(self._most // _BESIDE, 1) if large else 0
        for _ in range(len(self._askers)):
            asker = self._askers.popleft()
            if len(asker.pending) > small:
                continue
            self._give(asker, batch, max(self._most - beside, 1) - len(batch))
            if asker.pending:
                self._askers.append(asker)
        share = beside if batch else max(self._most // _ALONE, 1)
        most = len(batch) + share
        while large and len(batch) < most:
            asker = large.popleft()
            self._give(asker, batch, min(max(share // (len(large) + 1), 1), most - len(batch)))
            if asker.pending:
                self._askers.append(asker)
        self._askers.extendleft(reversed(large))  # those that had no turn are the first of the next
        return batch

    def _give(self, asker: _Asker, batch: list[_QueuedItem], count: int) -> None:
        """Move up to so many items of a request that somebody waits for to a batch."""
        while count and asker.pending:
            one = asker.pending.popleft()
            self._waiting -= 1
            self._bytes -= one.size
            if one.is_wanted():
                batch.append(one)
                count -= 1
            else:
                self._forget(one)

    def _drop_unwanted(self) -> None:
        """Make room: forget the items that nobody waits for any more."""
        for asker in list(self._askers):
            if not asker.answer.done():
                continue
            kept: deque[_QueuedItem] = deque()
            for one in asker.pending:
                if one.is_wanted():
                    kept.append(one)
                    continue
                self._waiting -= 1
                self._bytes -= one.size
                self._forget(one)
            asker.pending = kept
            if not kept:
                self._askers.remove(asker)

    def _forget(self, one: _QueuedItem) -> None:
        self.figures.dropped += 1
        if one.key is not None:
            self._known.pop(one.key, None)

    def _deliver(self, one: _QueuedItem, result: Any) -> None:
        if one.key is not None:
            self._known.pop(one.key, None)
        for asker, number in one.askers:
            if asker.answer.done():
                continue
            if isinstance(result, BaseException):
                asker.answer.set_exception(result)
                continue
            asker.results[number] = result
            asker.left -= 1
            if not asker.left:
                asker.answer.set_result(asker.results)

    def _count(self, items: int, seconds: float) -> None:
        note_batch(self.name, size=items, seconds=seconds)
        rate = items / max(seconds, 1e-6)
        self._per_second = rate if not self.figures.batches else self._per_second + _SMOOTH * (rate - self._per_second)
        self.figures.batches += 1
        self.figures.items += items

    async def close(self) -> None:
        """Compute what waits, and end the thread."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()


def _results(
    work: Callable[[Sequence[In]], Sequence[Out | Exception]], items: Sequence[In]
) -> Sequence[Out | Exception]:
    """Return what `work` gives; where an item makes it fail, each item alone, so that the others are not lost."""
    try:
        return work(items)
    except InputError as error:
        if len(items) == 1:
            return [error]
        middle = len(items) // 2
        return [*_results(work, items[:middle]), *_results(work, items[middle:])]
