"""The results of a query as a download: JSON, CSV, keys, or the files themselves in a ZIP archive."""

import asyncio
import contextlib
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import StreamingResponse

from wordsight.base.errors import InputError, NotFound
from wordsight.base.reading import open_regular
from wordsight.search.about import described_columns
from wordsight.search.cells import cell
from wordsight.search.extract import safe_name
from wordsight.search.originals import images_of
from wordsight.serve.answering import encoded
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import require_own
from wordsight.serve.own.hits import hit_answer
from wordsight.serve.own.querying import QueryRequest, mark_of, query_of
from wordsight.serve.own.searching import DEEPEST, Pager, SearchRequest
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.search.hits import Hit
    from wordsight.search.library import Library
    from wordsight.search.ranking import Ranking

ExportKind = Literal["json", "csv", "paths", "zip"]
WINDOW = 500  # hits that are read at once
FILES = 1000  # of one archive
PART = 1 << 18  # bytes that are sent at once
HEAD = ("rank", "score", "match", "key")  # of every CSV row
MISSING = "missing.txt"  # in an archive: what is not in it, and why
MEDIA = {"json": "application/json", "csv": "text/csv", "paths": "text/plain", "zip": "application/zip"}
ENDINGS = {"paths": "txt"}


class ExportRequest(QueryRequest, forbid_unknown_fields=True):
    """A query, how many of its results, and the form.

    `form`: "json", an array of hits; "csv", a table; "paths", their keys, one a line (in quotes, as JSON, where
    it has a break of line or begins with a quote); "zip", the files themselves.
    `k`: how many at most; null is all that there are up to 100,000, of files up to 1,000.  `rest`: whether less likely
    images come behind the others, as for a search.  `keys`: keys of results, where only these are wanted.
    """

    form: ExportKind = "json"
    k: int | None = None
    rest: bool = False
    keys: list[str] = msgspec.field(default_factory=list)


async def export(call: HttpCall[ExportRequest]) -> StreamingResponse:
    """Return the results of a query as a download."""
    asked, host, name = call.asked, call.host, call.path["library"]
    most = FILES if asked.form == "zip" else DEEPEST
    if asked.k is not None and not 1 <= asked.k <= most:
        raise Refused(422, f"k = {asked.k}", cure=f"ask for 1 to {most}")
    library = host.libraries.named(name)
    query = await query_of(asked, host, library)
    fields = {one: getattr(asked, one) for one in QueryRequest.__struct_fields__}
    search = SearchRequest(**fields, rest=asked.rest)
    pager = Pager(library, (name, mark_of(search), search.k, search.rest), search, query, host.rankings)
    ranking, _ = await pager.ranking()
    if asked.keys:
        ranking = await host.libraries.run(ranking.only, asked.keys)
    hits = _Hits(pager, ranking, min(asked.k or most, len(ranking)), is_scored=query is not None)
    writers: dict[str, Callable[[], Iterator[bytes]]] = {
        "json": hits.as_json,
        "csv": lambda: hits.as_csv([one.name for one in described_columns(library)]),
        "paths": hits.as_keys,
        "zip": lambda: _zipped(hits, library),
    }
    headers = {
        "content-disposition": f'attachment; filename="{name}.{ENDINGS.get(asked.form, asked.form)}"',
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    return StreamingResponse(_streamed(writers[asked.form]), media_type=MEDIA[asked.form], headers=headers)


class _Hits:
    """The results that are exported, a window at a time."""

    def __init__(self, pager: Pager, ranking: "Ranking", count: int, *, is_scored: bool) -> None:
        self._pager = pager
        self._ranking = ranking
        self._count = count
        self._is_scored = is_scored

    def windows(self) -> "Iterator[list[Hit]]":
        """Yield the hits, some at a time."""
        for start in range(0, self._count, WINDOW):
            yield self._pager.hits(self._ranking, start, min(WINDOW, self._count - start))

    def as_json(self) -> Iterator[bytes]:
        """Yield an array of hits."""
        before = b"["
        for hit in (hit for window in self.windows() for hit in window):
            yield before + encoded(hit_answer(hit, is_scored=self._is_scored))
            before = b",\n"
        yield b"[]" if before == b"[" else b"]"

    def as_keys(self) -> Iterator[bytes]:
        """Yield the keys, one a line, as the names of files have them."""
        for window in self.windows():
            yield b"".join(_line(hit.key) for hit in window)

    def as_csv(self, columns: Sequence[str]) -> Iterator[bytes]:
        """Yield the rows of a table, its head first."""
        columns = tuple(name for name in columns if name != "path")
        yield _row([*HEAD, *(f"meta_{name}" if name in HEAD else name for name in columns)])
        for rank, hit in enumerate((hit for window in self.windows() for hit in window), start=1):
            known = hit_answer(hit, is_scored=self._is_scored)
            yield _row([rank, known.score, known.match, hit.key, *(hit.meta.get(name) for name in columns)])


def _line(key: str) -> bytes:
    """Return a key as a line; as a JSON string where it has a break of line itself, or looks like such a string."""
    is_plain = key.splitlines() == [key] and not key.startswith('"')
    return (key if is_plain else json.dumps(key)).encode("utf-8", "surrogateescape") + b"\n"


def _row(values: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([cell(value) for value in values])
    return text.getvalue().encode("utf-8", "backslashreplace")


class _Sink(io.RawIOBase):
    """What an archive writes, to be taken away as it comes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self.size += len(data)
        return len(data)

    def take(self) -> bytes:
        """Return what has come, and forget it."""
        parts, self._parts, self.size = self._parts, [], 0
        return b"".join(parts)


def _zipped(hits: _Hits, library: "Library") -> Iterator[bytes]:
    """Yield an archive of the files; what cannot be read is named in one of them, with why."""
    sink, missing = _Sink(), list[str]()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        number = 0
        for window in hits.windows():
            own = list(_own(window, library, missing))
            for position, image in images_of(own):
                number += 1
                hit = own[position]
                try:
                    if isinstance(image, InputError):
                        raise image
                    if isinstance(image, Path):
                        require_own(replace(hit, path=image), library)
                    yield from _one(archive, sink, f"{number:04}-{safe_name(hit.key, image)}", image)
                except (InputError, NotFound) as error:
                    missing.append(f"{hit.key}: {error.problem}")
                except OSError as error:
                    missing.append(f"{hit.key}: {error.strerror or error}")
        if missing:
            archive.writestr(MISSING, "\n".join([*missing, ""]).encode("utf-8", "backslashreplace"))
    yield sink.take()


def _own(hits: "Sequence[Hit]", library: "Library", missing: list[str]) -> "Iterator[Hit]":
    """Yield the hits whose files may be read; the others are noted as missing."""
    for hit in hits:
        try:
            require_own(hit, library)
        except NotFound as error:
            missing.append(f"{hit.key}: {error.problem}")
        else:
            yield hit


def _one(archive: zipfile.ZipFile, sink: _Sink, name: str, image: Path | bytes) -> Iterator[bytes]:
    """Write one file into an archive, and yield what has become ready."""
    source = io.BytesIO(image) if isinstance(image, bytes) else open_regular(image)
    with closing(source), archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
        while part := source.read(PART):
            target.write(part)
            if sink.size >= PART:
                yield sink.take()
    yield sink.take()


async def _streamed(write: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """Yield what a writer yields in a thread, joined to parts of some size; it waits for who reads."""
    loop = asyncio.get_running_loop()
    parts = write()
    try:
        while part := await loop.run_in_executor(None, _joined, parts):
            yield part
    finally:
        with contextlib.suppress(ValueError):  # it is at work: it ends when that is done
            parts.close()  # type: ignore[attr-defined]


def _joined(parts: Iterator[bytes]) -> bytes:
    """Return the next parts, as many as make some size; b"" at the end."""
    some, size = [], 0
    for part in parts:
        some.append(part)
        size += len(part)
        if size >= PART:
            break
    return b"".join(some)
