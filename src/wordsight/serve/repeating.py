"""Work that is done again and again while something runs, as looking at the memory; where it fails it is tried again.

async with repeated(5.0, look): ...
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

log = logging.getLogger("wordsight.serve")


@contextlib.asynccontextmanager
async def repeated(seconds: float, work: Callable[[], Any]) -> AsyncIterator[None]:
    """Call `work`, asynchronous or not, now and every so often while the block runs; a failure is logged once."""

    async def repeat() -> None:
        known = ""
        while True:
            try:
                if asyncio.iscoroutine(done := work()):
                    await done
            except Exception as error:
                if repr(error) != known:
                    known = repr(error)
                    log.exception("what is done every %g s failed", seconds)
            await asyncio.sleep(seconds)

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
        await asyncio.wait([repeating])
