"""Requests of many callers joined: nobody starves, nobody pays for another's mistake, what nobody wants is not done."""

import asyncio
import threading

import pytest

from wordsight.base.errors import NoEmbedding, UsageError
from wordsight.serve.batching import BatchQueue, ItemTraits
from wordsight.serve.errors import Overloaded


class Work:
    """Doubles numbers; holds each batch until it is let go, if asked to."""

    def __init__(self, held=False):
        self.batches = []
        self.go = threading.Event()
        self.begun = threading.Event()
        if not held:
            self.go.set()

    def __call__(self, items):
        self.batches.append(list(items))
        self.begun.set()
        assert self.go.wait(20)
        return [2 * item for item in items]


def run(scenario):
    """Run what a scenario does with a queue, and close the queue."""

    async def whole():
        return await asyncio.wait_for(scenario(), 30)

    return asyncio.run(whole())


async def busy(queue, work, item=0):
    """Let a queue compute one item, held; returns the request for it."""
    task = asyncio.create_task(queue.ask([item]))
    while not work.begun.is_set():
        await asyncio.sleep(0.001)
    return task


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_idle_queue_begins_at_once_and_results_are_in_order():
    async def scenario():
        work = Work()
        queue = BatchQueue("numbers", work, most=10, waiting=100)
        assert queue.is_idle and await queue.ask([]) == []
        assert await queue.ask([3, 1, 2]) == [6, 2, 4]
        await settled()
        assert queue.is_idle and work.batches == [[3, 1, 2]]
        await queue.close()

    run(scenario)


def test_what_waits_is_joined():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=10, waiting=100)
        first = await busy(queue, work)
        others = [asyncio.create_task(queue.ask([number])) for number in range(1, 8)]
        await settled()
        assert len(queue) == 7
        work.go.set()
        assert await asyncio.gather(first, *others) == [[2 * number] for number in range(8)]
        assert work.batches == [[0], list(range(1, 8))]
        assert (queue.figures.batches, queue.figures.items) == (2, 8)
        await queue.close()

    run(scenario)


def test_a_large_request_goes_on_beside_small_ones():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=8, waiting=10_000)
        first = await busy(queue, work)
        large = asyncio.create_task(queue.ask(list(range(100, 400))))
        await settled()
        small = [asyncio.create_task(queue.ask([number])) for number in (1, 2, 3)]
        await settled()
        work.go.set()
        await asyncio.gather(*small)
        assert not large.done()
        assert work.batches[1] == [1, 2, 3, 100, 101]
        assert await large == [2 * number for number in range(100, 400)]
        assert {len(batch) for batch in work.batches[2:]} <= {4, 2}  # alone, half of a batch: others may come
        assert await first == [0]
        await queue.close()

    run(scenario)


def test_a_large_request_goes_on_however_many_small_ones_come():
    async def scenario():
        work = Work()
        queue = BatchQueue("numbers", work, most=8, waiting=10_000)
        large = asyncio.create_task(queue.ask(list(range(100, 140))))

        async def caller():
            while not large.done():
                await queue.ask([1])

        await asyncio.gather(large, *(caller() for _ in range(20)))
        assert all(len(batch) <= 8 for batch in work.batches)
        await queue.close()

    run(scenario)


def test_large_requests_share_what_is_theirs():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=16, waiting=10_000)
        first = await busy(queue, work)
        large = [asyncio.create_task(queue.ask([hundred] * 40)) for hundred in (100, 200, 300)]
        await settled()
        work.go.set()
        assert await asyncio.gather(*large) == [[200] * 40, [400] * 40, [600] * 40]
        assert await first == [0]
        assert all(len(batch) <= 8 for batch in work.batches)
        assert all(len(set(batch)) == 3 for batch in work.batches[1:10])
        await queue.close()

    run(scenario)


def test_items_of_a_request_are_computed_by_cost():
    async def scenario():
        work = Work()
        queue = BatchQueue("texts", work, most=6, waiting=100, traits=ItemTraits(order=len))
        texts = ["a" * size for size in (9, 1, 8, 2, 7, 3)]
        assert await queue.ask(texts) == [2 * text for text in texts]
        assert [[len(text) for text in batch] for batch in work.batches] == [[1, 2, 3], [7, 8, 9]]
        await queue.close()

    run(scenario)


def test_equal_items_are_computed_once_also_while_they_are_computed():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=10, waiting=100, traits=ItemTraits(key=lambda item: item))
        first = await busy(queue, work, 5)
        same = [asyncio.create_task(queue.ask([5, 6, 6])) for _ in range(3)]
        await settled()
        work.go.set()
        assert await asyncio.gather(*same) == [[10, 12, 12]] * 3 and await first == [10]
        assert work.batches == [[5], [6]]
        assert queue.figures.joined == 8
        assert await queue.ask([5]) == [10]  # not kept: that is a cache's matter
        await queue.close()

    run(scenario)


def test_a_full_queue_refuses_with_the_time_it_will_take():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=2, waiting=4, room=100, traits=ItemTraits(size=lambda item: item))
        first = await busy(queue, work, 1)
        waiting = [asyncio.create_task(queue.ask([2])) for _ in range(4)]
        await settled()
        with pytest.raises(Overloaded, match="4 numbers wait already") as refused:
            await queue.ask([3])
        assert refused.value.status == 503 and 1 <= refused.value.after <= 60
        assert queue.figures.refused == 1
        waiting.pop().cancel()
        await settled()
        waiting.append(asyncio.create_task(queue.ask([90])))  # in the room of the one that was given up
        await settled()
        with pytest.raises(Overloaded):
            await queue.ask([5])  # of which the bytes are too many
        work.go.set()
        assert await asyncio.gather(first, *waiting) == [[2], [4], [4], [4], [180]]
        assert await queue.ask(list(range(20))) == [2 * n for n in range(20)]  # alone, any number
        await queue.close()

    run(scenario)


def test_what_nobody_waits_for_is_not_computed():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=10, waiting=100, traits=ItemTraits(key=lambda item: item))
        first = await busy(queue, work)
        gone, expired = asyncio.create_task(queue.ask([1, 2])), asyncio.create_task(queue.ask([3]))
        stays = asyncio.create_task(queue.ask([2]))
        await settled()
        gone.cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.shield(expired)
        expired.cancel()
        await settled()
        work.go.set()
        assert await stays == [4] and await first == [0]
        assert work.batches == [[0], [2]]
        assert queue.figures.dropped == 2
        await queue.close()

    run(scenario)


def test_an_input_that_fails_fails_its_own_request():
    calls = []

    def work(items):
        calls.append(list(items))
        if 13 in items:
            raise NoEmbedding("13 has none", cure="leave it out")
        return [UsageError("odd", cure="") if item == 7 else item for item in items]

    async def scenario():
        queue = BatchQueue("numbers", work, most=50, waiting=100)
        asked = [asyncio.create_task(queue.ask([n, n + 100])) for n in range(20)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(results[13], NoEmbedding) and isinstance(results[7], UsageError)
        assert [one for n, one in enumerate(results) if n not in (7, 13)] == [
            [n, n + 100] for n in range(20) if n not in (7, 13)
        ]
        assert await queue.ask([1]) == [1]
        await queue.close()

    run(scenario)
    assert len(calls) < 20


def test_work_that_breaks_is_told_to_all_of_its_batch_and_to_no_other():
    def work(items):
        if 1 in items:
            raise RuntimeError("broken")
        return items

    async def scenario():
        queue = BatchQueue("numbers", work, most=50, waiting=100)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="broken"):
                await queue.ask([1, 2])
            assert await queue.ask([2]) == [2]
        await queue.close()

    run(scenario)


def test_closing_computes_what_waits():
    async def scenario():
        work = Work(held=True)
        queue = BatchQueue("numbers", work, most=1, waiting=100)
        first = await busy(queue, work)
        others = [asyncio.create_task(queue.ask([number])) for number in (1, 2)]
        await settled()
        work.go.set()
        await queue.close()
        assert await asyncio.gather(first, *others) == [[0], [2], [4]]

    run(scenario)
