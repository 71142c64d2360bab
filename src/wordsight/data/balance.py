"""The balance of training pairs of CLIP and MetaCLIP: at most about t for each entry of a list of words and phrases.

    for verdict in balance(pairs, entries, 20_000, seed=0): ...     # pairs: (key, captions); each a PairVerdict

    matcher = EntryMatcher(entries)                                 # or in steps, over several machines
    counts = count_entries(match_pairs(pairs, matcher), matcher.count)
    for block in draw(match_pairs(pairs, matcher), Draw(entries, counts, at_most=20_000, seed=0)): ...

The rule (Xu et al. 2023, "Demystifying CLIP Data"): an entry that n pairs have is drawn with probability
p = t / max(n, t); a pair is kept if any entry that it has is drawn, so with probability 1 - Π(1 - p); a pair without an
entry is dropped.  A pair has the entries of all its captions, each once.  Whether an entry is drawn for a pair follows
from the pair's key, the entry and the seed alone: not from the order, the blocks, the threads or the shards.  What is
kept in memory does not grow with the number of pairs; `Spool` keeps matches on disk between counting and drawing.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.base.files import storage_errors
from wordsight.base.threads import ordered_map
from wordsight.data.entries import sound_entries
from wordsight.data.entry_matcher import EntryMatcher
from wordsight.data.terms import UNKNOWN, Hashes, IntArray, hashes, mixed, packed

Captioned = tuple[str, Sequence[str]]  # a pair: its key, and its captions
BLOCK = 8192  # pairs matched together
LETTERS = 1_000_000  # of the captions of a block, where one alone has not more
_AHEAD = 2  # blocks under way for each thread
_UNIT = 2.0**-53


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """A block of n pairs: keys, the number of entries of each (n,), and those entries one after the other, sorted."""

    keys: list[str]
    counts: IntArray
    entries: IntArray


class PairVerdict(NamedTuple):
    """Whether a pair is kept, and why.

    `entry` is the first in the list that was drawn; of a pair that is dropped the rarest, "" if it has none.
    `entry_probability` is that of this entry, `probability` that of the pair; `matches` counts its entries.
    """

    key: str
    kept: bool
    entry: str
    entry_probability: float
    probability: float
    matches: int


@dataclass(frozen=True, slots=True)
class VerdictBlock:
    """The verdicts of n pairs, (n,) each; `entries` are numbers, -1 for none."""

    keys: list[str]
    kept: NDArray[np.bool_]
    entries: IntArray
    entry_probabilities: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    matches: IntArray

    def verdicts(self, entries: Sequence[str]) -> Iterator[PairVerdict]:
        """Yield them one by one, with the entries of this list."""
        yield from map(PairVerdict, *self.columns(entries))

    def columns(self, entries: Sequence[str], *, kept: type = bool) -> tuple[Any, ...]:
        """Return the values of `PairVerdict`, a list each, `kept` as this type."""
        names = [entries[number] if number != UNKNOWN else "" for number in self.entries.tolist()]
        columns = (self.entry_probabilities, self.probabilities, self.matches)
        return (self.keys, self.kept.astype(kept).tolist(), names, *(column.tolist() for column in columns))


def balance(
    pairs: Iterable[Captioned], entries: Iterable[str], at_most: int, seed: int = 0, *, threads: int | None = None
) -> Iterator[PairVerdict]:
    """Yield a verdict for each pair, in order; the pairs are read once, their matches spooled to a temporary file.

    Raises `UsageError` for entries of which none is left and for `at_most` below 1, `StorageError` for a full disk.
    """
    sound = sound_entries(entries)
    matcher = EntryMatcher(sound)
    with Spool() as spool:
        counts = count_entries(spool.through(match_pairs(pairs, matcher, threads=threads)), matcher.count)
        for block in draw(spool, Draw(sound, counts, at_most=at_most, seed=seed)):
            yield from block.verdicts(sound)


def match_pairs(
    pairs: Iterable[Captioned], matcher: EntryMatcher, *, threads: int | None = None, block: int = BLOCK
) -> Iterator[MatchedPairs]:
    """Yield blocks of pairs with their entries, in order, matched in several threads (None: one a core)."""

    def match(some: list[Captioned]) -> MatchedPairs:
        numbers = np.fromiter((len(captions) for _, captions in some), np.int64, len(some))
        matches = matcher.match([caption for _, captions in some for caption in captions])
        owners = np.repeat(np.arange(len(some)), numbers)[matches.captions]
        entries = matches.entries
        if numbers.max() > 1:  # several captions may have the same entry
            both = np.sort((owners << 32) | entries)
            both = both[np.flatnonzero(np.diff(both, prepend=-1))]
            owners, entries = both >> 32, both & 0xFFFFFFFF
        return MatchedPairs([key for key, _ in some], np.bincount(owners, minlength=len(some)), entries)

    ahead = _AHEAD * threads if threads else None
    return ordered_map(match, _blocks(pairs, block), threads=threads, ahead=ahead)


def _blocks(pairs: Iterable[Captioned], most: int) -> Iterator[list[Captioned]]:
    block: list[Captioned] = []
    letters = 0
    for pair in pairs:
        block.append(pair)
        letters += sum(map(len, pair[1]))
        if len(block) >= most or letters >= LETTERS:
            yield block
            block, letters = [], 0
    if block:
        yield block


def count_entries(blocks: Iterable[MatchedPairs], entries: int) -> IntArray:
    """Return how many pairs have each entry, (entries,)."""
    counts = np.zeros(entries, np.int64)
    for block in blocks:
        numbers, times = np.unique(block.entries, return_counts=True)
        counts[numbers] += times
    return counts


@dataclass(frozen=True)
class Draw:
    """What is drawn: entries (E), how many pairs have each (E,), `at_most` (t) and a seed."""

    entries: Sequence[str]
    counts: IntArray
    at_most: int
    seed: int = 0
    probabilities: NDArray[np.float64] = field(init=False)  # (E,)

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise UsageError(f"at most {self.at_most} pairs an entry", cure="give 1 or more")
        object.__setattr__(self, "probabilities", self.at_most / np.maximum(self.counts, self.at_most))


def draw(blocks: Iterable[MatchedPairs], drawing: Draw) -> Iterator[VerdictBlock]:
    """Yield the verdicts of each block.  An entry that is met and was never counted raises `UsageError`."""
    salts = hashes(packed([entry.encode("utf-8", "surrogatepass") for entry in drawing.entries]))
    for block in blocks:
        uncounted = np.flatnonzero(drawing.counts[block.entries] == 0)
        if len(uncounted):
            entry = drawing.entries[block.entries[uncounted[0]]]
            raise UsageError(f"the counts say that no pair has {entry!r}, and one has", cure="count this source, too")
        yield _drawn(block, drawing, salts)


def _drawn(block: MatchedPairs, drawing: Draw, salts: Hashes) -> VerdictBlock:
    count = len(block.keys)
    owners = np.repeat(np.arange(count), block.counts)
    probabilities = drawing.probabilities[block.entries]
    uniforms = (mixed(key_hashes(block.keys, drawing.seed)[owners] ^ salts[block.entries]) >> np.uint64(11)) * _UNIT
    drawn = np.flatnonzero(uniforms < probabilities)
    some = np.flatnonzero(block.counts)  # pairs with an entry
    starts = (np.cumsum(block.counts) - block.counts)[some]
    kept = np.zeros(count, bool)
    kept[owners[drawn]] = True
    pair, rarest = np.zeros(count), np.zeros(count)
    if len(some):
        pair[some] = 1 - np.multiply.reduceat(1 - probabilities, starts)  # one after the other, whatever the block
        rarest[some] = np.maximum.reduceat(probabilities, starts)
    deciding = np.full(count, UNKNOWN, np.int64)
    for rows in (np.flatnonzero(probabilities == rarest[owners]), drawn):
        deciding[owners[rows[::-1]]] = rows[::-1]  # the first of each pair is written last
    has = deciding != UNKNOWN
    entries, own = np.full(count, UNKNOWN, np.int64), np.zeros(count)
    entries[has], own[has] = block.entries[deciding[has]], probabilities[deciding[has]]
    return VerdictBlock(block.keys, kept, entries, own, pair, block.counts)


def key_hashes(keys: Sequence[str], seed: int) -> Hashes:
    """Return 64 random bits for each key and this seed, (n,)."""
    return hashes(packed([key.encode("utf-8", "surrogatepass") for key in keys]), seed=seed % 2**64)


class Spool:
    """Matched pairs in a temporary file: written once, then read from the beginning as often as wanted.

    It takes 8 bytes a pair, 4 for each of its entries, and its key.  Nothing is left of it when the process ends.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir())
        with storage_errors(self._folder):
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by `close`

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file, which is gone then."""
        with contextlib.suppress(OSError):  # of a full disk `through` has told
            self._file.close()

    def through(self, blocks: Iterable[MatchedPairs]) -> Iterator[MatchedPairs]:
        """Yield the blocks, each written to the end of the file."""
        for block in blocks:
            keys = [key.encode("utf-8", "surrogatepass") for key in block.keys]
            lengths = np.fromiter(map(len, keys), np.uint32, len(keys))
            with storage_errors(self._folder):
                self._file.seek(0, 2)
                self._file.write(np.array([len(keys), len(block.entries), lengths.sum()], np.int64).tobytes())
                for array in (block.counts, lengths, block.entries):
                    self._file.write(array.astype(np.uint32).tobytes())
                self._file.write(b"".join(keys))
            yield block

    def __iter__(self) -> Iterator[MatchedPairs]:
        with storage_errors(self._folder):
            self._file.flush()
            end = self._file.seek(0, 2)
        at = 0
        while at < end:
            self._file.seek(at)
            pairs, entries, letters = self._numbers(np.int64, 3).tolist()
            counts, lengths, numbers = (self._numbers(np.uint32, size) for size in (pairs, pairs, entries))
            keys = _split(self._file.read(letters), lengths)
            at = self._file.tell()
            yield MatchedPairs(keys, counts, numbers)

    def _numbers(self, kind: type[np.int64 | np.uint32], count: int) -> IntArray:
        return np.frombuffer(self._file.read(count * np.dtype(kind).itemsize), kind).astype(np.int64)


def _split(keys: bytes, lengths: IntArray) -> list[str]:
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    return [keys[start:end].decode("utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True)]
