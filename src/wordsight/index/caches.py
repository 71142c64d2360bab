"""What lies beside an index on disk to make it quick, and may be lost at any time: the scan, the columns, the words.

    caches = SearchCaches(folder, entries)
    nearest = caches.nearest(seen, queries, k, allowed=caches.matching(seen, condition))

All are of one state of the index, and are brought up to date or made again where they are of another.  Knows the parts
of an index.
"""

import contextlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import FormatError, NotFound
from wordsight.base.value import Value
from wordsight.index.cache_file import cache_files
from wordsight.index.embedding_file import EmbeddingFile
from wordsight.index.entries import EntryTable
from wordsight.index.halves import Mask, nearest_halves
from wordsight.index.index import Footprint, RankedKeys
from wordsight.index.layout import FileLayout, SeenIndex
from wordsight.index.topk import Nearest

if TYPE_CHECKING:
    from wordsight.index.columns_cache import ColumnsCache
    from wordsight.index.rows import EntryRows
    from wordsight.index.scan import ScanKernel
    from wordsight.index.where import Condition
    from wordsight.index.words_cache import AskedWords, WordsCache

SMALL = 20_000  # entries that are compared one and all in milliseconds: for fewer no file is kept
_STALE = 0.02  # of the embeddings: where more are new, the scan's file is written again


class _OpenedScan(NamedTuple):
    """The kernel for the save that `of` names, None where there is none to be used, and why that is."""

    of: str
    kernel: "ScanKernel | None"
    damaged: bool = False  # there was a file, which is no good
    stamp: tuple[int, int] | None = None  # of the file
    key: int = 0  # of the embeddings in the file
    rows: int = 0  # how many these are


class SearchCaches:
    """The caches of one index, as far as this process has them open."""

    def __init__(self, folder: Path, entries: EntryTable) -> None:
        self._folder = folder
        self._entries = entries
        self._words: WordsCache | None = None
        self._scan: _OpenedScan | None = None
        self._columns: ColumnsCache | None = None

    def is_exact(self, seen: SeenIndex) -> bool:
        """Return whether all embeddings are read for a query."""
        return self._kernel(seen) is None

    def nearest(self, seen: SeenIndex, queries: Embeddings, k: int, allowed: Mask, *, exact: bool = False) -> Nearest:
        """Return the k nearest embeddings among those that are `allowed` (N,) to queries (Q, width).

        `exact`: all are compared, whether there is a scan or not.
        """
        kernel, wanted = None if exact else self._kernel(seen), None if allowed.all() else allowed
        if kernel is None:
            return nearest_halves(queries, seen.halves, k, allowed=wanted)
        from wordsight.index.scan import search_scan

        kernel.extend(seen.halves)
        return search_scan(kernel, seen.halves, queries, k, allowed=wanted)

    def ranked(self, seen: SeenIndex, query: Embeddings, k: int, allowed: Mask) -> RankedKeys:
        """Return the keys of the k nearest of those that are `allowed` (N,) to a query (width,), and their number."""
        if not k:
            return RankedKeys([], np.empty(0, np.float32), int(allowed.sum()))
        nearest = self.nearest(seen, query[None], k, allowed[: len(seen.halves)])
        keys, there = self._entries.keys(seen.layout.ids[nearest.row_ids[0]].tolist())
        return RankedKeys(keys, nearest.scores[0][there], int(allowed.sum()))

    def allowed(self, seen: SeenIndex, where: "Condition | None", *, absent: bool) -> Mask:
        """Return which positions may be answered under a condition (N,)."""
        return seen.layout.answerable(absent=absent) & (where is None or self.matching(seen, where))

    def values(self, seen: SeenIndex, columns: Sequence[str], allowed: Mask) -> list[tuple[str, Sequence[Value]]]:
        """Return key and values of columns at the positions that are `allowed` (N,)."""
        return self._entries.keyed_values(columns, None if allowed.all() else seen.layout.ids[allowed])

    def matching(self, seen: SeenIndex, where: "Condition") -> Mask:
        """Return which positions hold an entry that satisfies a condition (N,)."""
        from wordsight.index.where import check

        check(where, self._entries.columns.kinds())
        if seen.saved and seen.layout.count > SMALL:
            from wordsight.index.columns_cache import ColumnsCache

            self._columns = self._columns or ColumnsCache(self._folder)
            if (mask := self._columns.mask(where, self._rows(seen))) is not None:
                return mask
        from wordsight.index.sql import matching_ids

        ids = matching_ids(self._entries.connection, where, self._entries.columns.expressions())
        matching: Mask = np.zeros(seen.layout.count, bool)
        matching[seen.layout.positions(np.array(ids, np.int64))] = True
        return matching

    def asked(self, seen: SeenIndex, words: Sequence[str]) -> "AskedWords":
        """Return what these words find."""
        return self._opened_words().asked(words, self._rows(seen))

    def wants_upkeep(self, seen: SeenIndex) -> bool:
        """Return whether `upkeep` pays: a cache is missing, or much is new since it was made."""
        return self._wants_scan(seen) or self._wants_words(seen)

    def upkeep(self, seen: SeenIndex) -> None:
        """Make the caches that are missing or stale anew, and write them."""
        if self._wants_scan(seen):
            self.make_scan(seen)
        if self._wants_words(seen):
            self._opened_words().make(self._rows(seen))

    def _wants_words(self, seen: SeenIndex) -> bool:
        """Return whether the words are to be read: not before they are asked for, unless many entries have captions."""
        if seen.layout.count <= SMALL:
            return False
        stale = self._opened_words().is_stale(self._rows(seen))
        return self._entries.columns.has_captions() if stale is None else stale

    def _rows(self, seen: SeenIndex) -> "EntryRows":
        from wordsight.index.rows import EntryRows

        return EntryRows(self._entries, seen)

    def _opened_words(self) -> "WordsCache":
        from wordsight.index.words_cache import WordsCache

        self._words = self._words or WordsCache(self._folder)
        return self._words

    def footprint(self, seen: SeenIndex, database: Path, embeddings: Path) -> Footprint:
        """Return what an index with these files takes on the disk, and which scan answers."""
        kernel = self._kernel(seen)
        return Footprint(
            database=_size(database, *_beside(database)),
            embeddings=_size(embeddings),
            caches=_size(*cache_files(self._folder)),
            scan="" if kernel is None else kernel.name,
        )

    def _wants_scan(self, seen: SeenIndex) -> bool:
        """Return whether `make_scan` pays: there is none, much is new since it was made, or it was met damaged.

        It cannot be made where a folder has its name.
        """
        if seen.layout.count <= SMALL:
            return False
        from wordsight.index.cache_file import read_header
        from wordsight.index.scan import SCAN, known

        if (self._folder / SCAN).is_dir():
            return False
        last = self._scan
        if last is not None and last.damaged and (last.of, last.stamp) == (_state_of_file(seen), self._stamp()):
            return True
        try:
            header = read_header(self._folder / SCAN)
        except (NotFound, FormatError):
            return True
        of_these = known(header) and header.generation == _key_of_scan(seen, header.rows)
        return not of_these or header.rows < (1 - _STALE) * seen.layout.count

    def make_scan(self, seen: SeenIndex) -> None:
        """Make the scan of all embeddings and write it."""
        from wordsight.index.scan import SCAN, build_scan, save_scan

        kernel = build_scan(seen.halves, allowed=seen.layout.answerable(absent=False))
        save_scan(kernel, self._folder / SCAN, generation=_key_of_scan(seen, len(kernel)))
        self._scan = None  # to be read from there

    def make_scan_of_next(self, old: SeenIndex, layout: FileLayout, file: EmbeddingFile) -> None:
        """Make the scan of the file that takes the place of the old one; called before the exchange.

        So a reader that sees the other file finds its scan, and need not compare all until one is made.
        """
        if layout.count > SMALL:
            facts = {**old.facts, "generation": str(file.generation)}
            self.make_scan(SeenIndex(facts, layout, file.mapped(layout.count), saved=True))

    def _kernel(self, seen: SeenIndex) -> "ScanKernel | None":
        """Return the scan, None where there is none to be used."""
        if len(seen.halves) < seen.layout.count or seen.layout.count <= SMALL:
            return None
        last, of = self._scan, _state_of_file(seen)
        if last is not None and last.of != of and last.key == _key_of_scan(seen, last.rows):
            last = self._scan = last._replace(of=of)  # what was saved since is behind it
        if last is None or last.of != of or (last.kernel is None and last.stamp != self._stamp()):
            last = self._scan = self._open_scan(seen, of)
        kernel = last.kernel
        return kernel if kernel is None or len(kernel) <= seen.layout.count else None

    def _open_scan(self, seen: SeenIndex, of: str) -> _OpenedScan:
        from wordsight.index.cache_file import read_header
        from wordsight.index.scan import SCAN, load_scan

        stamp = self._stamp()
        try:
            rows = read_header(self._folder / SCAN).rows
            key = _key_of_scan(seen, rows)
            kernel = load_scan(self._folder / SCAN, seen.halves, generation=key)
        except NotFound:  # not made yet
            return _OpenedScan(of, None, stamp=stamp)
        except FormatError:  # or of other embeddings
            return _OpenedScan(of, None, damaged=True, stamp=stamp)
        return _OpenedScan(of, _quick(kernel), stamp=stamp, key=key, rows=rows)

    def _stamp(self) -> tuple[int, int] | None:
        """Return what changes when another scan is written."""
        from wordsight.index.scan import SCAN

        try:
            state = (self._folder / SCAN).stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_ino


def _quick(kernel: "ScanKernel") -> "ScanKernel | None":
    """Return a kernel if it is quicker than comparing everything."""
    from wordsight.index.scan import ExactScan

    return None if isinstance(kernel, ExactScan) else kernel


def _beside(database: Path) -> list[Path]:
    """Return what SQLite may keep beside a database."""
    return [database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm")]


def _size(*paths: Path) -> int:
    """Return how many bytes files have, those that are there."""
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _state_of_file(seen: SeenIndex) -> str:
    """Return what names a save of a file of embeddings."""
    return f"{seen.facts['identity']} {seen.facts['generation']} {seen.facts['version']}"


def _key_of_scan(seen: SeenIndex, rows: int) -> int:
    """Return a number that the first rows of another file do not have, nor of this one before it was put back."""
    return zlib.crc32(f"{seen.facts['identity']} {seen.facts['generation']} {seen.layout.digest(rows)}".encode())
