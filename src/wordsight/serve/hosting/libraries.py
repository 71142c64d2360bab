"""The libraries that are served, under their names, each with the threads that read it.

    library = libraries.named("photos")
    hits = await libraries.answer(library, query, HitLimits(k=20))         # joined with what others ask
    columns = await libraries.run(library.columns)                         # anything else, in a thread

A library is of the first model that is served: the texts of queries go through its queue, and what is searched at the
same time is answered from one scan.  Whatever reads or computes runs in a thread.  A library that was replaced while it
was open is opened again.
"""

import asyncio
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.suggest import suggest
from wordsight.index.database import NAME
from wordsight.search.limits import HitLimits
from wordsight.search.query import Query
from wordsight.serve.batching import BatchQueue
from wordsight.serve.errors import Overloaded
from wordsight.serve.settings import ServeSettings

if TYPE_CHECKING:
    from wordsight.search.hits import Hits
    from wordsight.search.library import Library
    from wordsight.serve.hosting.models import HostedModel

T = TypeVar("T")
P = ParamSpec("P")
THREADS, ROOM = 8, 256  # that read; calls that may wait for them
QUERIES_AT_ONCE = 64  # of one scan


class EmbeddedQuery(NamedTuple):
    """A query with the embeddings (width,) of its texts."""

    query: Query
    limits: HitLimits
    texts: dict[str, Embeddings]


class HostedLibraries:
    """The libraries by name."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._open: dict[str, Library] = {}
        self._queues: weakref.WeakKeyDictionary[Library, BatchQueue[EmbeddedQuery, Hits]] = weakref.WeakKeyDictionary()
        self._model: HostedModel | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="library")
        self._inside = 0

    def open(self, hosted: "HostedModel") -> None:
        """Open all libraries with their model; one that was never made is an error that names the command."""
        from wordsight.search.library import open_library
        from wordsight.search.nearest import require_made

        self._model = hosted
        for served in self._settings.libraries:
            library = open_library(served.location, model=hosted.model, library_dir=served.folder)
            require_made(library, "serve")
            self._open[served.name] = library

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all libraries, the first is the default."""
        return tuple(served.name for served in self._settings.libraries)

    def named(self, name: str = "") -> "Library":
        """Return a library by its name; "" is the first."""
        if not name and self._open:
            return self._open[self.names[0]]
        if name not in self._open:
            raise NotFound(f"no library {name!r} is served", cure=suggest(name, self.names))
        return self._open[name]

    async def answer(self, library: "Library", query: Query, limits: HitLimits) -> "Hits":
        """Return the hits of a query that has been read, as `library.answer` does."""
        assert self._model is not None
        parts = (*query.parts, *query.without)
        texts = list(dict.fromkeys(part.text for part in parts if part.image is None))
        embeddings = dict(zip(texts, await self._model.embed_texts(texts), strict=True)) if texts else {}
        (hits,) = await self.queue(library).ask([EmbeddedQuery(query, limits, embeddings)])
        return hits

    def queue(self, library: "Library") -> "BatchQueue[EmbeddedQuery, Hits]":
        """Return the queue of the queries of a library."""
        queue = self._queues.get(library)
        if queue is None:
            work = LibraryReader(library).answered
            queue = BatchQueue("queries", work, most=QUERIES_AT_ONCE, waiting=self._settings.limits.waiting)
            self._queues[library] = queue
        return queue

    async def run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what a function returns that reads or computes, run in a thread of the libraries."""
        if self._inside >= ROOM:
            raise Overloaded(f"{self._inside} calls of libraries wait already")
        self._inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, partial(work, *arguments, **options))
        finally:
            self._inside -= 1

    async def close(self) -> None:
        """Let what runs end, and close all."""
        for queue in list(self._queues.values()):
            await queue.close()
        await asyncio.to_thread(self._threads.shutdown)
        for library in self._open.values():
            await asyncio.to_thread(library.close)


class LibraryReader:
    """Answers the queries of one library, from the folder that is there: one that was exchanged is opened anew."""

    def __init__(self, library: "Library") -> None:
        self._library = library
        self._file = self._file_now()

    def answered(self, asked: Sequence[EmbeddedQuery]) -> "Sequence[Hits | Exception]":
        """Return the hits of each query, or its error."""
        file = self._file_now()
        if file is not None and file != self._file:
            self._library.close()
            self._file = file
        try:
            return self._answers(asked)
        except (FormatError, StorageError, NotFound):  # another one since it was opened
            self._library.close()
            return self._answers(asked)

    def _answers(self, asked: Sequence[EmbeddedQuery]) -> "Sequence[Hits | Exception]":
        known = {text: embedding for one in asked for text, embedding in one.texts.items()}
        return self._library.answer_all(
            [(one.query, one.limits) for one in asked], embed=lambda texts: np.array([known[text] for text in texts])
        )

    def _file_now(self) -> tuple[int, int] | None:
        """Return what names the file of the database, None where there is none now."""
        try:
            state = (self._library.folder / NAME).stat()
        except OSError:
            return None
        return state.st_dev, state.st_ino
