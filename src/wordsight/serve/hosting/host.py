"""Everything that one process serves: settings, models, libraries, and the memory that they may take.

async with Host(settings) as host: ...
"""

import asyncio
import contextlib
from typing import Any

from wordsight.base.cache import cache_folder
from wordsight.search.ranking import Ranking
from wordsight.search.suggesting import Suggestions
from wordsight.serve.hosting.jobs import Jobs
from wordsight.serve.hosting.kept import KeptAnswers
from wordsight.serve.hosting.libraries import HostedLibraries
from wordsight.serve.hosting.long_work import LongWork
from wordsight.serve.hosting.maps import HostedMaps
from wordsight.serve.hosting.models import ROOM, HostedModels
from wordsight.serve.hosting.thumbnails import Beforehand, Thumbnails
from wordsight.serve.memory import ServerMemory, default_ceiling, trim
from wordsight.serve.repeating import repeated
from wordsight.serve.safety.admission import Admission
from wordsight.serve.settings import MIB, ServeSettings

SUGGESTIONS = 64 * MIB  # of what may follow what is typed
COUNTS = 16 * MIB  # of what matches can be narrowed to
RANKINGS = 256 * MIB  # of results that are paged through


class Host:
    """Use it as an asynchronous context manager: what is served is opened, and closed when what runs has ended."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.safety = Admission(settings)
        self.memory = ServerMemory(default_ceiling(settings.workers) if settings.memory is None else settings.memory)
        self.models = HostedModels(settings, room=min(ROOM, self.memory.ceiling // 8))
        self.libraries = HostedLibraries(settings)
        self.thumbnails = Thumbnails(cache_folder() / "thumbnails", most=settings.thumbnail_bytes)
        self.beforehand = Beforehand(self.thumbnails, self.libraries)
        self.jobs = Jobs()
        self.long_work = LongWork()
        run = self.libraries.run
        self.suggestions: KeptAnswers[Suggestions] = KeptAnswers("suggestions", SUGGESTIONS, run)
        self.counts: KeptAnswers[Any] = KeptAnswers("counts", COUNTS, run)
        self.rankings: KeptAnswers[tuple[Ranking, list[str]]] = KeptAnswers("rankings", RANKINGS, run)
        self.maps = HostedMaps(self.libraries)
        self.ready = False  # whether requests are answered without waiting for models
        self._inside = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "Host":
        from wordsight.embeddings.pipeline import one_thread_products

        async with contextlib.AsyncExitStack() as stack:
            one_thread_products.enter()  # many small products in several threads
            stack.callback(one_thread_products.leave)
            stack.push_async_callback(self.libraries.close)
            stack.push_async_callback(asyncio.to_thread, self.thumbnails.close)
            stack.push_async_callback(asyncio.to_thread, self.long_work.close)
            stack.push_async_callback(self.models.close)
            stack.push_async_callback(self.maps.close)
            stack.push_async_callback(self.jobs.close)
            stack.push_async_callback(asyncio.to_thread, self.beforehand.close)
            first = await self.models.named()
            await asyncio.to_thread(self.libraries.open, first)
            await self.models.warm_up()
            await asyncio.to_thread(trim)  # what opening has freed, up to half of what a graph takes
            await stack.enter_async_context(self.memory.watched(self.relieve))
            if seconds := self.settings.idle_unload:
                resting = repeated(min(seconds / 4, 5.0), lambda: self.models.rest(seconds))
                await stack.enter_async_context(resting)
            self._inside = stack.pop_all()
        if self.settings.thumbnails:
            self.beforehand.start()
        self.ready = True
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.ready = False
        await self._inside.aclose()

    def relieve(self) -> None:
        """Give back what can be made again: rankings, suggestions, embeddings of texts, models that rest."""
        self.rankings.clear()
        self.suggestions.clear()
        self.models.relieve()

    def public(self, text: str) -> str:
        """Return a text for those who ask, without where on the server anything lies."""
        return self.safety.without_paths(self.libraries.public(text))
