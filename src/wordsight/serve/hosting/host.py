"""Everything that one process serves: settings, models, libraries.

async with Host(settings) as host: ...
"""

import asyncio
from typing import Any

from wordsight.base.cache import cache_folder
from wordsight.search.ranking import Ranking
from wordsight.search.suggesting import Suggestions
from wordsight.serve.hosting.jobs import Jobs
from wordsight.serve.hosting.kept import KeptAnswers
from wordsight.serve.hosting.libraries import HostedLibraries
from wordsight.serve.hosting.long_work import LongWork
from wordsight.serve.hosting.models import HostedModels
from wordsight.serve.hosting.thumbnails import Beforehand, Thumbnails
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
        self.models = HostedModels(settings)
        self.libraries = HostedLibraries(settings)
        self.thumbnails = Thumbnails(cache_folder() / "thumbnails", most=settings.thumbnail_bytes)
        self.beforehand = Beforehand(self.thumbnails, self.libraries)
        self.jobs = Jobs()
        self.long_work = LongWork()
        self.suggestions: KeptAnswers[Suggestions] = KeptAnswers(SUGGESTIONS)
        self.counts: KeptAnswers[Any] = KeptAnswers(COUNTS)
        self.rankings: KeptAnswers[tuple[Ranking, list[str]]] = KeptAnswers(RANKINGS)
        self.ready = False  # whether requests are answered without waiting for models

    async def __aenter__(self) -> "Host":
        first = await self.models.named()
        await asyncio.to_thread(self.libraries.open, first.model)
        if self.settings.thumbnails:
            self.beforehand.start()
        for hosted in await self.models.all():
            await hosted.warm()
        self.ready = True
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.ready = False
        await asyncio.to_thread(self.beforehand.close)
        await self.jobs.close()
        await self.models.close()
        await asyncio.to_thread(self.long_work.close)
        await asyncio.to_thread(self.thumbnails.close)
        await asyncio.to_thread(self.libraries.close)
