"""The libraries that are served, under their names, each with the threads that read it.

    library = libraries.named("photos")
    hits = await libraries.answer(library, query, HitLimits(k=20))         # joined with what others ask
    columns = await libraries.run(library.columns)                         # anything else, in a thread

A library is of the first model that is served: the texts of queries go through its queue, and what is searched at the
same time is answered from one scan.  Whatever reads or computes runs in a thread.  That a library was replaced while it
was open is noticed where it is read (`wordsight.search.open_index`), by whatever asks it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.suggest import suggest
from wordsight.search.limits import HitLimits
from wordsight.search.query import Query
from wordsight.serve.batching import BatchQueue
from wordsight.serve.errors import Overloaded
from wordsight.serve.hosting.heard import listened
from wordsight.serve.settings import ServeSettings
from wordsight.serve.watched.figures import note_call
from wordsight.serve.watched.notes import clock, note_stage

if TYPE_CHECKING:
    from wordsight.search.hits import Hits
    from wordsight.search.library import Library
    from wordsight.serve.hosting.models import HostedModel

log = logging.getLogger("wordsight.serve")
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
        self._queues: dict[Library, BatchQueue[EmbeddedQuery, Hits]] = {}
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
        since, begun = clock(), 0

        def timed() -> T:
            nonlocal begun
            begun = clock()
            return work(*arguments, **options)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, timed)
        finally:
            self._inside -= 1
            ended = clock()
            begun = begun or ended  # it may be given up before a thread has it
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

    async def close(self) -> None:
        """Let what runs end, and close all."""
        for queue in self._queues.values():
            await queue.close()
        await asyncio.to_thread(self._threads.shutdown)
        for library in self._open.values():
            await asyncio.to_thread(library.close)


class LibraryReader:
    """Answers the queries of one library; where it is exchanged in the middle of that, once more."""

    def __init__(self, library: "Library") -> None:
        self._library = library

    def answered(self, asked: Sequence[EmbeddedQuery]) -> "Sequence[Hits | Exception]":
        """Return the hits of each query, or its error."""
        try:
            return self._answers(asked)
        except (FormatError, StorageError, NotFound):  # another one since it was opened
            self._library.close()
            return self._answers(asked)

    def _answers(self, asked: Sequence[EmbeddedQuery]) -> "Sequence[Hits | Exception]":
        known = {text: embedding for one in asked for text, embedding in one.texts.items()}
        queries = [(one.query, one.limits) for one in asked]

        def answered() -> "Sequence[Hits | Exception]":
            return self._library.answer_all(queries, embed=lambda texts: np.array([known[text] for text in texts]))

        hits, notices = listened(answered)
        for notice in notices:
            log.info("%s", notice)
        return hits
