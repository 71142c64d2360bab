"""The maps of the libraries that are served: made in the background when first asked for, and kept.

    state = await maps.of("photos")          # MadeMap, or MapInTheMaking while it is being made

One map is made at a time, in a thread of its own.  A map that is there answers at once; whether the library has changed
since is looked up behind it, at most every `FRESH` seconds.  With several workers each makes its own first map.
"""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wordsight.base.files import sha256_bytes
from wordsight.search.mapping.library_map import LibraryMap, library_map

if TYPE_CHECKING:
    from wordsight.serve.hosting.libraries import HostedLibraries

FRESH = 15.0  # seconds
AGAIN = 30.0  # seconds in which a map that could not be made is not begun again, as long as the library is the same
SOON = 1.5  # seconds that a request waits for a map before it is told how far it is


@dataclass(frozen=True, slots=True)
class MadeMap:
    """A map, and a version that is another for every other map."""

    map: LibraryMap
    version: str


@dataclass(frozen=True, slots=True)
class MapInTheMaking:
    """How far a map is: what is being done, and which share of all is done."""

    stage: str
    share: float


class _Ended(Exception):
    """The server ends: what is being made is given up."""


@dataclass(frozen=True, slots=True)
class _FailedMap:
    """Why a map could not be made, when, and of which state of the library."""

    error: Exception
    when: float
    state: str


class _HostedMap:
    """The map of one library."""

    def __init__(self) -> None:
        self.made: MadeMap | None = None
        self.looked = -FRESH  # when it was last compared with the library
        self.at = MapInTheMaking("waiting", 0.0)
        self.job: Future[None] | None = None
        self.failed: _FailedMap | None = None


class HostedMaps:
    """The maps by the names of their libraries."""

    def __init__(self, libraries: "HostedLibraries") -> None:
        self._libraries = libraries
        self._maps: dict[str, _HostedMap] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="map")
        self._ends = False

    async def of(self, name: str) -> MadeMap | MapInTheMaking:
        """Return the map of a library, or how far it is; raises why it cannot be made, once where there is one."""
        self._libraries.named(name)
        hosted = self._maps.setdefault(name, _HostedMap())
        failed = hosted.failed
        if hosted.job is None and failed is not None and await self._fails(name, failed):
            if hosted.made is None:
                raise failed.error.with_traceback(None)
            return hosted.made
        if hosted.job is None and time.monotonic() - hosted.looked >= FRESH:
            hosted.at, hosted.failed = MapInTheMaking("waiting", 0.0), None
            hosted.job = self._thread.submit(self._make, name, hosted)
        if hosted.job is not None:
            job = hosted.job
            waiting = asyncio.wrap_future(job)
            waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # raised below, for one
            done, _ = await asyncio.wait([waiting], timeout=0 if hosted.made else SOON)
            if done and hosted.job is job:
                hosted.job = None
                job.result()
        return hosted.made or hosted.at

    async def _fails(self, name: str, failed: _FailedMap) -> bool:
        """Return whether a map would fail again as it did a moment ago."""
        if time.monotonic() - failed.when >= AGAIN:
            return False
        return await self._libraries.run(self._libraries.named(name).state) == failed.state

    def known(self, name: str, version: str) -> MadeMap | None:
        """Return the map of this version, if it is the one that is given out."""
        hosted = self._maps.get(name)
        return hosted.made if hosted is not None and hosted.made and hosted.made.version == version else None

    def _make(self, name: str, hosted: _HostedMap) -> None:
        def watch(stage: str, share: float) -> None:
            if self._ends:
                raise _Ended
            hosted.at = MapInTheMaking(stage, share)

        library, state = self._libraries.named(name), ""
        try:
            state = library.state()
            made = library_map(library, progress=watch)
        except _Ended:
            return
        except Exception as error:
            hosted.failed = _FailedMap(error, time.monotonic(), state)
            raise
        if hosted.made is None or made is not hosted.made.map:
            hosted.made = MadeMap(made, _version(made))
        hosted.looked = time.monotonic()

    async def close(self) -> None:
        """Give up what is being made."""
        self._ends = True
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)


def _version(made: LibraryMap) -> str:
    names = "\0".join((*made.keys, *(cluster.name for cluster in made.clusters)))
    return sha256_bytes(made.positions.tobytes(), made.numbers.tobytes(), names.encode("utf-8", "surrogatepass"))[:16]
