"""The libraries that are served, under their names, each with the threads that read it.

    library = libraries.named("photos")
    hits = await libraries.run(library.answer, query, k=20)        # in a thread

A library is of the first model that is served.  Whatever reads or computes runs in a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from wordsight.base.errors import NotFound
from wordsight.base.suggest import suggest
from wordsight.serve.errors import Overloaded
from wordsight.serve.settings import ServeSettings
from wordsight.serve.watched.figures import note_call
from wordsight.serve.watched.notes import clock, note_stage

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.search.library import Library

T = TypeVar("T")
P = ParamSpec("P")
THREADS, ROOM = 8, 256  # that read; calls that may wait for them


class HostedLibraries:
    """The libraries by name."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._open: dict[str, Library] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="library")
        self._inside = 0

    def open(self, model: "Model") -> None:
        """Open all libraries with their model; one that was never made is an error that names the command."""
        from wordsight.search.library import open_library
        from wordsight.search.nearest import require_made

        for served in self._settings.libraries:
            library = open_library(served.location, model=model, library_dir=served.folder)
            require_made(library, "serve")
            self._open[served.name] = library

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all libraries, the first is the default."""
        return tuple(served.name for served in self._settings.libraries)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return self._inside > 0

    def named(self, name: str = "") -> "Library":
        """Return a library by its name; "" is the first."""
        if not name and self._open:
            return self._open[self.names[0]]
        if name not in self._open:
            raise NotFound(f"no library {name!r} is served", cure=suggest(name, self.names))
        return self._open[name]

    def public(self, text: str) -> str:
        """Return a text for those who ask, without where on the server the libraries lie."""
        for served in self._settings.libraries:
            library = self._open.get(served.name)
            folders = () if library is None else (library.folder, served.location)
            for path in folders:
                name = served.name if path == served.location else f"the folder of {served.name}"
                for written in dict.fromkeys((str(path.absolute()), str(path.resolve()))):
                    text = text.replace(written, name)
        return text

    async def run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what a function returns that reads or computes, run in a thread of the libraries."""
        if self._inside >= ROOM:
            raise Overloaded(f"{self._inside} calls of libraries wait already")
        self._inside += 1
        since = begun = clock()

        def timed() -> T:
            nonlocal begun
            begun = clock()
            return work(*arguments, **options)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        finally:
            self._inside -= 1
            ended = clock()
            note_stage("queue", since, begun)
            note_stage("library", begun, ended)
            note_call("libraries", waited=(begun - since) / 1e9, seconds=(ended - begun) / 1e9)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread."""
        return max(self._inside - THREADS, 0)

    def counts(self) -> dict[str, int]:
        """Return how many images each library has; reads them."""
        return {name: len(library) for name, library in self._open.items()}

    def close(self) -> None:
        """Let what runs end, and close all."""
        self._threads.shutdown()
        for library in self._open.values():
            library.close()
