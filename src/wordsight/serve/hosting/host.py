"""Everything that one process serves: settings, models, libraries, and the memory that they may take.

async with Host(settings) as host: ...
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from wordsight.serve.hosting.libraries import HostedLibraries
from wordsight.serve.hosting.models import ROOM, HostedModels
from wordsight.serve.memory import ServerMemory, default_ceiling, trim
from wordsight.serve.settings import ServeSettings


class Host:
    """Use it as an asynchronous context manager: what is served is opened, and closed when what runs has ended."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.memory = ServerMemory(settings.memory or default_ceiling(settings.workers))
        self.models = HostedModels(settings, room=min(ROOM, self.memory.ceiling // 8))
        self.libraries = HostedLibraries(settings)
        self.ready = False  # whether requests are answered without waiting for models
        self._inside = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Host":
        from wordsight.embeddings.pipeline import one_thread_products

        async with contextlib.AsyncExitStack() as stack:
            one_thread_products.enter()  # many small products in several threads
            stack.callback(one_thread_products.leave)
            stack.push_async_callback(self.models.close)
            stack.push_async_callback(self.libraries.close)
            first = await self.models.named()
            await asyncio.to_thread(self.libraries.open, first)
            await self.models.warm_up()
            await asyncio.to_thread(trim)  # what opening has freed, up to half of what a graph takes
            await stack.enter_async_context(self.memory.watched(self.models.relieve))
            await stack.enter_async_context(self._resting())
            self._inside = stack.pop_all()
        self.ready = True
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.ready = False
        await self._inside.aclose()

    @contextlib.asynccontextmanager
    async def _resting(self) -> AsyncIterator[None]:
        """Let models go that nobody asks, if that is wanted."""
        seconds = self.settings.idle_unload
        if not seconds:
            yield
            return

        async def watch() -> None:
            while True:
                await asyncio.sleep(min(seconds / 4, 5.0))
                self.models.rest(seconds)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
