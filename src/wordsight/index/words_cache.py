"""The words of an index's entries beside it, `words.cache`: made when words are first asked for, and disposable.

    cache = WordsCache(folder)
    asked = cache.asked(["nike", "fury"], rows)
    asked.best(10, allowed)                # positions (n,), best first by BM25

What was added or written again since the file was written is read from `rows` and held beside it.  Ranks as
`keywords.ranked` says, bit for bit.  Knows the entries of an index by their positions, and no embeddings.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.progress import notice
from wordsight.index.cache_file import CacheHeader, read_cache, read_header, write_cache
from wordsight.index.halves import Mask
from wordsight.index.index import IndexEntry, Neighbour
from wordsight.index.keywords import LENGTH, SATURATION, share, weights, words_of_entry
from wordsight.index.postings import Postings, postings_of
from wordsight.index.rows import EntryRows, SavedState

WORDS = "words.cache"
MANY = 250_000  # entries: reading their words takes about a second
STALE_LEAST, STALE_SHARE = 1000, 0.01  # of the entries: where more have changed, upkeep writes the file again
_STALE_AT_ONCE = 0.05  # of the entries: where more have changed, a query does
_PARTS = 16  # beside the file: beyond, they are read again as one
_SPARSE = 16  # where fewer than one position in so many has any of the words, the others are not looked at
_VERSION = 1


class _Words(NamedTuple):
    """The words of one save: those of the file, and of what has changed since, part by part.

    `part_of` int32 (N,): which part holds the words of a position; `lengths` int32 (N,): how many it has.
    """

    state: SavedState
    parts: tuple[Postings, ...]
    part_of: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @property
    def changed(self) -> int:
        """How many entries are not in the file as they are."""
        return int(np.count_nonzero(self.part_of))

    def updated(self, changed: RowIds, rows: EntryRows) -> "_Words":
        """Return the words with those of `changed` positions read again."""
        parts, before = self.parts, len(self.part_of)
        part_of = np.zeros(rows.count, np.int32)
        part_of[:before] = self.part_of
        part_of[changed] = len(parts)
        if len(parts) > _PARTS:
            changed = np.flatnonzero(part_of)
            parts, part_of[changed] = parts[:1], 1
        postings, lengths = postings_of(rows.texts(changed), rows.count)
        as_they_were = part_of[:before] != len(parts)
        lengths[:before][as_they_were] = self.lengths[as_they_were]
        return _Words(rows.state, (*parts, postings), part_of, lengths)


class _Totals(NamedTuple):
    """How many entries there are, and how many words they have on average."""

    entries: int
    average: float

    @classmethod
    def of(cls, words: _Words, alive: Mask) -> "_Totals":
        """Return those of the entries that are alive (N,)."""
        count = int(np.count_nonzero(alive))
        return cls(count, int(words.lengths[alive].sum()) / max(count, 1) or 1.0)


class AskedWords:
    """Some words asked of one state of an index."""

    def __init__(self, asked: Sequence[str], words: _Words, alive: Mask, totals: _Totals) -> None:
        self._lengths = words.lengths
        self._average = totals.average
        self._times = {word: _times(word, words, alive) for word in dict.fromkeys(asked)}
        having = {word: len(rows) for word, (rows, _) in self._times.items()}
        self._weight_of = weights(self._times, having, totals.entries)

    def __bool__(self) -> bool:
        """Return whether any entry has any of the words."""
        return any(len(rows) for rows, _ in self._times.values())

    def best(self, k: int, allowed: Mask) -> RowIds:
        """Return the positions of the k best by BM25 among those `allowed` (N,) that have any of the words."""
        all_rows = [rows for rows, _ in self._times.values()]
        few = _SPARSE * sum(map(len, all_rows)) < len(allowed)
        having = np.unique(np.concatenate(all_rows)) if few and all_rows else np.arange(len(allowed))
        scores = np.zeros(len(having))
        for word, (rows, times) in self._times.items():
            held_back = SATURATION * (1 - LENGTH + LENGTH * self._lengths[rows] / self._average)
            at = np.searchsorted(having, rows) if few else rows
            scores[at] += self._weight_of[word] * times * (SATURATION + 1) / (times + held_back)
        kept = np.flatnonzero(allowed[having] & (scores > 0) if few else allowed & (scores > 0))
        if len(kept) > k:
            least = np.partition(scores[kept], len(kept) - k)[len(kept) - k]
            kept = kept[scores[kept] >= least]
        order = np.argsort(-scores[kept], kind="stable")
        chosen: RowIds = having[kept[order]][:k]
        return chosen

    def neighbours(self, entries: Sequence[IndexEntry]) -> list[Neighbour]:
        """Return these entries with the share that each has of the words."""
        return [one.near(share(words_of_entry(one.meta), self._weight_of)) for one in entries]


class WordsCache:
    """The words of the index in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / WORDS
        self._held: _Words | None = None
        self._totals: _Totals | None = None  # of these

    def asked(self, words: Sequence[str], rows: EntryRows) -> AskedWords:
        """Return what these words find; what is not saved yet goes no further than this answer."""
        held = self._held or self._read(rows)
        current = held and self._updated(held, rows)
        if current is None:
            current = _made(rows)
            with contextlib.suppress(StorageError):  # where nothing may be written the next process makes it again
                self._write(current, saved=rows.saved)
        alive = rows.alive
        if not rows.saved:
            return AskedWords(words, current, alive, _Totals.of(current, alive))
        if self._held is not current or self._totals is None:
            self._held, self._totals = current, _Totals.of(current, alive)
        return AskedWords(words, current, alive, self._totals)

    def make(self, rows: EntryRows) -> None:
        """Make the words of a saved state anew and write them; raises `StorageError`."""
        self._held, self._totals = _made(rows), None
        self._write(self._held, saved=rows.saved)

    def is_stale(self, rows: EntryRows) -> bool | None:
        """Return whether the file is worth being made again, None where there is none; a folder in its place stays."""
        if self._path.is_dir():
            return False
        try:
            header = read_header(self._path)
        except NotFound:
            return None
        except FormatError:
            return True
        changed = rows.changed(_state_of(header, rows.state.key)) if header.kind == _kind(rows.state.key) else None
        return changed is None or len(changed) > max(STALE_LEAST, STALE_SHARE * rows.count)

    def _read(self, rows: EntryRows) -> _Words | None:
        try:
            header, parts = read_cache(self._path)
        except (NotFound, FormatError):  # not made yet, or damaged: it is made from what is true
            return None
        if header.kind != _kind(rows.state.key) or header.version != _VERSION:
            return None
        postings = Postings(parts["words"], parts["starts"], parts["rows"])
        part_of = np.zeros(header.rows, np.int32)
        return _Words(_state_of(header, rows.state.key), (postings,), part_of, parts["lengths"])

    def _updated(self, held: _Words, rows: EntryRows) -> _Words | None:
        """Return the words with what has changed since; None where that is not known, or is much."""
        if held.state == rows.state and rows.saved:
            return held
        changed = rows.changed(held.state)
        if changed is None or held.changed + len(changed) > max(STALE_LEAST, _STALE_AT_ONCE * rows.count):
            return None
        return held.updated(changed, rows)

    def _write(self, words: _Words, *, saved: bool) -> None:
        if saved:
            postings, state = words.parts[0], words.state
            header = CacheHeader(_kind(state.key), _VERSION, state.version, rows=state.count, width=state.mark)
            arrays = {name: getattr(postings, name) for name in Postings._fields} | {"lengths": words.lengths}
            write_cache(self._path, header, arrays)


def _made(rows: EntryRows) -> _Words:
    if rows.count > MANY:
        notice(f"reading the words of {rows.count:,} images, once")
    postings, lengths = postings_of(rows.texts(), rows.count)
    return _Words(rows.state, (postings,), np.zeros(rows.count, np.int32), lengths)


def _kind(key: str) -> str:
    """Return what the header of a file calls the words: those of another library are not these."""
    return f"words {key}"


def _state_of(header: CacheHeader, key: str) -> SavedState:
    return SavedState(key, header.generation, mark=header.width, count=header.rows)


def _times(word: str, words: _Words, alive: Mask) -> tuple[RowIds, NDArray[np.int64]]:
    """Return the positions (n,) that have a word, each once, and how often each has it (n,)."""
    whole = []
    for number, part in enumerate(words.parts):
        rows = part.of(word)
        whole.append(rows[(words.part_of[rows] == number) & alive[rows]])
    rows = np.concatenate(whole)  # each position is in one part
    begins = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]])) if len(rows) else np.empty(0, np.int64)
    return rows[begins].astype(np.int64), np.diff(begins, append=len(rows))
