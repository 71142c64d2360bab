"""A caller that goes away before it is answered: what runs for it is stopped.

    async with Leaving(request):
        ...                                # cancelled when the connection ends; raises `ClientDisconnect`

The body has to be read before, for what comes after it on the connection is taken here.
"""

import asyncio
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect, Request


class Leaving:
    """Use it as an asynchronous context manager around the work for one request."""

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self._left = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watching = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._watching.cancel()
        if self._left and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise ClientDisconnect
