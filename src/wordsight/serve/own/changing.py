"""One change of a library at a time, of whatever process: asked before the work begins, which may take minutes.

    job = await change(host, "photos", work)       # Refused with 409 while the library is being changed

A lock of the server's own, in the folder of the library, is held until the work has ended, so that the workers of a
server, and several servers, wait for one another.  Whether a command writes the library is asked once, in the
beginning: the work takes that lock itself where it writes.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.index.lock import LibraryBusy, writing
from wordsight.serve.hosting.jobs import Job, under_way

if TYPE_CHECKING:
    from wordsight.serve.hosting.host import Host

CHANGING = "changing"  # in the folder of a library: the lock of the server that changes it


async def change(host: "Host", name: str, work: Callable[[], Any]) -> Job:
    """Start work that changes a library and return its job; `Refused` with 409 while others change the library."""
    host.jobs.require_free(name)
    locking = asyncio.ensure_future(asyncio.to_thread(_held, host.libraries.named(name).folder, name))
    try:
        held = await asyncio.shield(locking)
    except asyncio.CancelledError:  # whoever asked has gone; the thread takes the lock all the same
        locking.add_done_callback(_given_up)
        raise

    def alone() -> Any:
        with held:
            return work()

    try:
        return host.jobs.start(name, alone)
    except BaseException:
        held.close()
        raise


def _given_up(locking: "asyncio.Future[contextlib.ExitStack]") -> None:
    """Give up a lock that nobody wants any more."""
    if not locking.cancelled() and locking.exception() is None:
        locking.result().close()


def _held(folder: Path, name: str) -> contextlib.ExitStack:
    """Return what gives up the lock; a folder that is gone has none, and is not made again."""
    with contextlib.ExitStack() as stack:
        if folder.is_dir():
            try:
                stack.enter_context(writing(folder / CHANGING))
                with writing(folder):
                    pass
            except LibraryBusy:
                raise under_way(name) from None
        return stack.pop_all()
