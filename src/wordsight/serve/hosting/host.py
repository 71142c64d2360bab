"""Everything that one process serves: settings, models, libraries.

async with Host(settings) as host: ...
"""

import asyncio

from wordsight.serve.hosting.libraries import HostedLibraries
from wordsight.serve.hosting.maps import HostedMaps
from wordsight.serve.hosting.models import HostedModels
from wordsight.serve.settings import ServeSettings


class Host:
    """Use it as an asynchronous context manager: what is served is opened, and closed when what runs has ended."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.models = HostedModels(settings)
        self.libraries = HostedLibraries(settings)
        self.maps = HostedMaps(self.libraries)
        self.ready = False  # whether requests are answered without waiting for models

    async def __aenter__(self) -> "Host":
        first = await self.models.named()
        await asyncio.to_thread(self.libraries.open, first.model)
        self.ready = True
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.ready = False
        await self.maps.close()
        await self.models.close()
        await asyncio.to_thread(self.libraries.close)
