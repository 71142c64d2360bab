"""What is done again and again goes on behind a failure."""

import asyncio
import logging

from starlette.testclient import TestClient

from wordsight.serve.app import make_app
from wordsight.serve.hosting.models import HostedModels
from wordsight.serve.memory import ServerMemory
from wordsight.serve.repeating import repeated
from wordsight.serve.watched import layers


def failing(calls, enough):
    """Return work that fails each time, and says when it was called three times."""

    def work(*given):
        calls.append(given)
        if len(calls) == 3:
            enough.set()
        raise ValueError("a wrong state")

    return work


def test_it_goes_on_behind_a_failure_that_is_logged_once(caplog):
    async def scenario():
        calls, enough = [], asyncio.Event()
        async with repeated(0.001, failing(calls, enough)):
            await asyncio.wait_for(enough.wait(), 20)
        ended = len(calls)
        await asyncio.sleep(0.02)
        assert len(calls) == ended

    asyncio.run(scenario())
    assert [one.exc_info[0] for one in caplog.records if one.levelno == logging.ERROR] == [ValueError]


def test_it_may_be_asynchronous():
    async def scenario():
        calls, enough = [], asyncio.Event()
        work = failing(calls, enough)

        async def waits():
            await asyncio.sleep(0)
            work()

        async with repeated(0.001, waits):
            await asyncio.wait_for(enough.wait(), 20)

    asyncio.run(scenario())


def test_the_memory_is_looked_at_behind_a_failure(monkeypatch):
    monkeypatch.setattr("wordsight.serve.memory.PERIOD", 0.001)

    async def scenario():
        calls, enough = [], asyncio.Event()
        memory = ServerMemory(400_000_000, look=lambda: 500_000_000)
        async with memory.watched(failing(calls, enough)):
            await asyncio.wait_for(enough.wait(), 20)

    asyncio.run(scenario())


def test_models_rest_and_states_are_noted_behind_a_failure(settings, monkeypatch):
    import threading
    from dataclasses import replace

    rested, noted = ([], threading.Event()), ([], threading.Event())
    monkeypatch.setattr(HostedModels, "rest", failing(*rested))
    monkeypatch.setattr(layers, "note_states", failing(*noted))
    monkeypatch.setattr(layers, "EVERY", 0.001)
    with TestClient(make_app(replace(settings, idle_unload=0.004))):
        assert rested[1].wait(20) and noted[1].wait(20)
