"""How good and how quick the searches of one library are: recall against exact search, latency, memory.

    figures = benchmark(library, ["red shoes", "a dog on a beach"], k=10, where="price < 50")
    figures.rounds[0].recall, figures.rounds[0].index.median       # a share, milliseconds

Exact search compares every embedding.  It is the truth for recall, and the bound for latency.  A hit is right when its
exact score is not below that of the k-th hit of exact search, so equal scores are no misses.  Ordinary and exact
search are compared within one state of the library.  Nothing is synced: no more is written than a search writes.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.base.processor import cores, processor
from wordsight.base.progress import bar
from wordsight.base.records import environment
from wordsight.embeddings.items import text_list
from wordsight.index.index import Footprint, Index, Neighbour, spread_evenly
from wordsight.index.where import Condition, check, parse
from wordsight.search import background
from wordsight.search.library import Library
from wordsight.search.nearest import Scope
from wordsight.search.query import Part, Query, embed_parts
from wordsight.search.questions import Questions, questions_of

USUAL = 100  # queries where none are given: a recall of 0.99 is then of 1,000 hits at k = 10
MOST = 1000  # queries that are asked of those given
ROUNDING = 1e-6  # of a score: another order of sums moves it by less
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # variables that NumPy heeds
STATUS = Path("/proc/self/status")  # of this process, where the system is Linux


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds a query: of half of the queries at most `median`, of 95 % at most `p95`, of all at most `most`."""

    median: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class MissedQuery:
    """A query of whose `wanted` hits only `right` were answered."""

    text: str
    right: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Round:
    """All queries under one condition, "" for none: hits over all queries, and the latency of each kind of search.

    `index`: the index alone; `exact`: the same, compared with everything; `whole`: `Library.search`, text tower and all
    that comes after the index.  They are None where nothing satisfies the condition.  `missed`: the worst first.
    """

    where: str
    right: int
    wanted: int
    missed: tuple[MissedQuery, ...]
    index: Latency | None = None
    exact: Latency | None = None
    whole: Latency | None = None

    @property
    def recall(self) -> float | None:
        """The share of the wanted hits that were answered; None where there are none."""
        return self.right / self.wanted if self.wanted else None

    @property
    def speedup(self) -> float | None:
        """How many times as long exact search takes, by the medians."""
        return self.exact.median / self.index.median if self.exact and self.index else None


@dataclass(frozen=True, slots=True)
class FirstQuery:
    """Milliseconds of what only the first query pays: opening and asking the text tower, then the library."""

    text: float
    search: float


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Bytes this process has held at most, until all ordinary searches were done, and until the exact ones were.

    `mapped`: of these, pages of files at the end of the ordinary searches, which the system takes back when it needs
    them.  None where the system does not tell.
    """

    ordinary: int | None
    exact: int | None
    mapped: int | None


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """All that was measured.  `given`: how many queries there were to choose `questions` from; None where none were.

    `machine`: processor, versions, and what of both decides how quick a search is.
    """

    entries: int
    absent: int
    width: int
    k: int
    footprint: Footprint
    questions: Questions
    given: int | None
    first: FirstQuery
    text: Latency
    rounds: tuple[Round, ...]
    memory: PeakMemory
    machine: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """Return every number, for JSON."""
        derived = [{"recall": one.recall, "speedup": one.speedup} for one in self.rounds]
        fields = asdict(self)
        rounds = [{**one, **more} for one, more in zip(fields["rounds"], derived, strict=True)]
        return {**fields, "rounds": rounds}


def benchmark(
    library: Library | Scope,
    queries: Sequence[str] | None = None,
    *,
    k: int = 10,
    where: str | None = None,
    most: int = MOST,
) -> SearchFigures:
    """Ask a library each query in each way; what the first pays is measured apart, for the library is closed before.

    `queries`: texts, of which at most `most` are asked; None for up to 100 that `questions_of` chooses.  With `where`
    there is a second round under this condition.  Raises what `Library.search` does, and `NotFound` for a library that
    has not been made.
    """
    scope = library if isinstance(library, Scope) else Scope(library, library.location)
    conditions = _conditions(scope, where)
    if k < 1:
        raise UsageError(f"k = {k}", cure="ask for at least one hit")
    given = None if queries is None else [text for text in text_list(queries, "query") if text.strip()]
    if given == []:
        raise UsageError("no query", cure="give at least one text, or none at all for texts of the library")
    scope.library.close()
    first = _first(scope.library, (given or background.usual_phrases())[0], conditions[0][1])
    with scope.library.reading() as index, index.one_look():
        if conditions[-1][1] is not None:
            check(conditions[-1][1], index.columns())
        questions = _questions(index, given, most, conditions[-1][1])
    runner = _Runner(scope.library, questions.texts, k)
    with runner.progress(1 + 3 * len(conditions)):
        text = runner.embed()
        rounds, memory, footprint = runner.rounds(conditions)
    with scope.library.reading() as index:
        entries = len(index)
    return SearchFigures(
        entries=entries,
        absent=len(scope.library.absent()),
        width=scope.library.model.spec.width,
        k=k,
        footprint=replace(footprint, caches=footprint.caches + background.size(scope.library.folder)),
        questions=questions,
        given=None if given is None else len(given),
        first=first,
        text=text,
        rounds=rounds,
        memory=memory,
        machine=_machine(),
    )


def _questions(index: Index, given: Sequence[str] | None, most: int, where: Condition | None) -> Questions:
    if given is None:
        return questions_of(index, min(USUAL, most), where)
    return Questions(tuple(given[int(i)] for i in spread_evenly(len(given), most)), 0)


def _conditions(scope: Scope, where: str | None) -> list[tuple[str, Condition | None]]:
    """Return the conditions of the rounds, as they are written and as an index is asked."""
    asked = [("", None), *([(where, parse(where))] if where is not None else [])]
    return [(text, scope.narrowed(Query((), where=condition)).where) for text, condition in asked]


def _first(library: Library, text: str, where: Condition | None) -> FirstQuery:
    query = Query((Part(1.0, text),), where=where)
    tower = _seconds(lambda: embed_parts(query.parts, library.model))
    return FirstQuery(1000 * tower, 1000 * _seconds(lambda: library.answer(query)))


_Answers = tuple[list[NDArray[np.float32]], Latency | None]  # the scores of the hits of each query, and the latency


class _Runner:
    """The queries of one measurement, asked in passes: one kind of search for all queries, then the next."""

    def __init__(self, library: Library, texts: Sequence[str], k: int) -> None:
        self._library = library
        self._texts = texts
        self._k = k
        self._embeddings = np.empty((len(texts), library.model.spec.width), np.float32)
        self._moved: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def progress(self, passes: int) -> Iterator[None]:
        """Move a bar by one for each query of each pass."""
        with bar(passes * len(self._texts), unit="query", desc="measuring") as shown:
            self._moved = shown.update
            yield

    def embed(self) -> Latency:
        """Return the latency of the text tower, one text at a time, and keep what it gives."""

        def one(i: int) -> None:
            self._embeddings[i] = embed_parts([Part(1.0, self._texts[i])], self._library.model)

        return self._timed(one)

    def rounds(
        self, conditions: Sequence[tuple[str, Condition | None]]
    ) -> tuple[tuple[Round, ...], PeakMemory, Footprint]:
        """Return the rounds of all conditions, peaks of memory, and the index's footprint.

        Exact searches come last, for they map all embeddings.
        """
        wholes = [self._whole(where) for _, where in conditions]
        with self._library.reading() as index, index.one_look():
            ordinary = [self._searched(index, where, exact=False) for _, where in conditions]
            peak, mapped, footprint = _peak(), _status("RssFile"), index.footprint()
            exact = [self._searched(index, where, exact=True) for _, where in conditions]
        asked = zip(conditions, ordinary, exact, wholes, strict=True)
        rounds = tuple(self._compared(text, given, true, whole) for (text, _), given, true, whole in asked)
        return rounds, PeakMemory(peak, _peak(), mapped), footprint

    def _whole(self, where: Condition | None) -> Latency | None:
        def one(i: int) -> None:
            self._library.answer(Query((Part(1.0, self._texts[i]),), where=where), k=self._k)

        with self._library.reading() as index:
            if not index.search(self._embeddings[:1], 1, where)[0]:
                one(0)  # which says why nothing matches
                return None
        return self._timed(one)

    def _searched(self, index: Index, where: Condition | None, *, exact: bool) -> _Answers:
        """Return what the index answers, and how quickly."""
        scores: list[NDArray[np.float32]] = []
        answers: list[Neighbour] = []

        def one(i: int) -> None:
            answers[:] = index.search(self._embeddings[i : i + 1], self._k, where, exact=exact)[0]

        def keep(i: int) -> None:
            scores.append(_scores(self._embeddings[i], answers))

        one(0)  # what the first exact search reads and checks is not measured
        if not answers:
            return [np.empty(0, np.float32)] * len(self._texts), None
        return scores, self._timed(one, keep)

    def _timed(self, one: Callable[[int], None], after: Callable[[int], None] | None = None) -> Latency:
        seconds = []
        for i in range(len(self._texts)):
            seconds.append(_seconds(lambda: one(i)))  # noqa: B023 - called here and now
            if after is not None:
                after(i)
            self._moved()
        return Latency(*(1000 * float(np.percentile(seconds, share)) for share in (50, 95, 100)))

    def _compared(self, where: str, ordinary: _Answers, exact: _Answers, whole: Latency | None) -> Round:
        wanted = [len(scores) for scores in exact[0]]
        right = [right_hits(given, true) for given, true in zip(ordinary[0], exact[0], strict=True)]
        short = [MissedQuery(*one) for one in zip(self._texts, right, wanted, strict=True) if one[1] < one[2]]
        missed = tuple(sorted(short, key=lambda one: one.right - one.wanted))
        return Round(where, sum(right), sum(wanted), missed, index=ordinary[1], exact=exact[1], whole=whole)


def right_hits(given: NDArray[np.float32], exact: NDArray[np.float32]) -> int:
    """Return how many of the answered hits, by their exact scores (n,), are as good as the last of `exact` (K,)."""
    if not len(exact):
        return 0
    return min(len(exact), int(np.count_nonzero(given >= exact.min() - ROUNDING)))


def _scores(query: Embeddings, hits: Sequence[Neighbour]) -> NDArray[np.float32]:
    """Return the exact scores (n,) of hits, each entry once, from the embeddings that they carry."""
    embeddings = {one.key: one.embedding for one in hits}.values()
    return np.array([one @ query for one in embeddings], np.float32)


def _machine() -> dict[str, Any]:
    """Return what figures depend on besides the library: processor, its units, threads, versions."""
    units = [name for name, there in asdict(processor()).items() if there]
    threads = {name: os.environ[name] for name in THREADS if name in os.environ}
    return {**environment(), "usable_cores": cores(), "units": units, "threads": threads}


def _seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _peak() -> int | None:
    """Return the most bytes this process has held.

    `ru_maxrss` counts what was held before the program was started in this process, Linux's own figure does not.
    """
    peak = _status("VmHWM")
    if peak is None:
        with contextlib.suppress(ImportError):  # not on Windows
            import resource

            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak = most if sys.platform == "darwin" else 1024 * most
    return peak


def _status(name: str) -> int | None:
    """Return an amount of memory that Linux tells of this process, in bytes."""
    if not STATUS.is_file():
        return None
    lines = (line.split() for line in STATUS.read_text(encoding="utf-8").splitlines())
    return next((1024 * int(line[1]) for line in lines if line[:1] == [f"{name}:"]), None)
