"""Small requests of many callers joined into batches: one queue, one batch at a time, computed in a thread.

    queue = BatchQueue("texts", model.embed_texts_of, most=64)
    embeddings = await queue.ask(["a dog", "a cat"])          # one result for each item, in their order

While a batch is computed, what comes meanwhile waits for the next: an idle engine begins at once.  A full queue raises
`Overloaded`.  A result that is an exception is raised where its item was asked, and nowhere else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from wordsight.serve.errors import Overloaded
from wordsight.serve.watched.figures import note_batch, note_wait
from wordsight.serve.watched.notes import clock, note_stage

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Any
    result: "asyncio.Future[Any]"
    since: int = field(default_factory=clock)
    begun: int = 0
    ended: int = 0


class BatchQueue(Generic[In, Out]):
    """`work` gets up to `most` items and returns a result, or an exception, for each; `waiting` may wait at once."""

    def __init__(
        self, name: str, work: Callable[[Sequence[In]], Sequence[Out | Exception]], *, most: int, waiting: int
    ) -> None:
        self.name = name
        self._work = work
        self._most = most
        self._room = waiting
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._running: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._waiting)

    async def ask(self, items: Sequence[In]) -> list[Out]:
        """Return the result of each item; the first exception among them is raised."""
        if len(self._waiting) + len(items) > self._room and self._waiting:
            raise Overloaded(f"{len(self._waiting)} {self.name} wait already")
        loop = asyncio.get_running_loop()
        mine = [_Waiting(item, loop.create_future()) for item in items]
        self._waiting.extend(mine)
        if self._running is None:
            self._running = loop.create_task(self._run())
        try:
            return list(await asyncio.gather(*(one.result for one in mine)))
        finally:
            for one in mine:
                one.result.cancel()  # what nobody waits for is not computed
            self._note(mine)

    def _note(self, mine: Sequence[_Waiting]) -> None:
        """Note how long a request waited, and how long its batches took."""
        computed = [one for one in mine if one.ended]
        if computed:
            begun = min(one.begun for one in computed)
            note_stage("queue", mine[0].since, begun)
            note_stage("engine", begun, max(one.ended for one in computed))
            note_wait(self.name, (begun - mine[0].since) / 1e9)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            begun = clock()
            try:
                results = await loop.run_in_executor(self._thread, self._work, [one.item for one in batch])
            except Exception as error:  # noqa: BLE001  (handed to all who wait for this batch)
                results = [error] * len(batch)
            ended = clock()
            note_batch(self.name, size=len(batch), seconds=(ended - begun) / 1e9)
            for one, result in zip(batch, results, strict=True):
                one.begun, one.ended = begun, ended
                if one.result.done():
                    continue
                if isinstance(result, Exception):
                    one.result.set_exception(result)
                else:
                    one.result.set_result(result)
        self._running = None

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._most:
            one = self._waiting.popleft()
            if not one.result.done():
                batch.append(one)
        return batch

    async def close(self) -> None:
        """Compute what waits, and end the thread."""
        if self._running is not None:
            await self._running
        self._thread.shutdown()
