"""Entries made of captions themselves: frequent words, and pairs of words that stand together more than by chance.

    own = own_entries(lambda: captions(), min_count=5, min_pmi=3.0)      # captions are read twice
    own.entries, own.missed                                              # ("a", "dog", ..., "hot dog"), 0

A word is what stands between spaces, as `terms` splits captions, and has a letter or digit.  The pointwise mutual
information of two neighbouring words is log2(c(a b) * N / (c(a) * c(b))), N being the number of all words.  Memory
is bounded: of more than `capacity` different words, or pairs, the rarest are forgotten now and then, and every count is
low by at most `missed` then (lossy counting, Manku and Motwani 2002); 0 says that all counts are exact.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.data.terms import TermTable, spaced, split_terms

CAPACITY = 1_000_000  # different words, and pairs of words, that are counted: about 150 MB each
BLOCK = 4096  # captions
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class OwnEntries:
    """Words and then pairs of words, the most frequent first; `missed` is by how much a count can be too low."""

    entries: tuple[str, ...]
    counts: tuple[int, ...]
    missed: int = 0


class CappedCounts(Generic[K]):
    """Counts of at most `capacity` things: each is right, or low by at most `missed`."""

    def __init__(self, capacity: int) -> None:
        self.counts: dict[K, int] = {}
        self.missed = 0
        self._capacity = capacity

    def add(self, tallies: Mapping[K, int]) -> None:
        """Add how often things were met; where there are too many, the rarest half is forgotten."""
        counts = self.counts
        for thing, tally in tallies.items():
            counts[thing] = counts.get(thing, 0) + tally
        if len(counts) > self._capacity:
            most = sorted(counts.values())[len(counts) - self._capacity // 2 - 1]
            self.counts = {thing: count for thing, count in counts.items() if count > most}
            self.missed += most

    def at_least(self, least: int) -> dict[K, int]:
        """Return the things with so large a count, the largest first, equal ones in the order in which they came."""
        return dict(sorted(((k, n) for k, n in self.counts.items() if n >= least), key=lambda item: -item[1]))


def own_entries(
    captions: Callable[[], Iterable[str]], *, min_count: int, min_pmi: float, capacity: int = CAPACITY
) -> OwnEntries:
    """Return the words that occur `min_count` times, and the pairs that do with a PMI of `min_pmi`.

    `captions` is called twice and gives the same captions.  Raises `UsageError` where nothing is frequent enough.
    """
    if min_count < 1:
        raise UsageError(f"a least count of {min_count}", cure="give 1 or more")
    words: CappedCounts[str] = CappedCounts(capacity)
    total = 0
    for block in _blocks(captions()):
        tallies = Counter(spaced(block).split(" "))
        kept = {word: count for word, count in tallies.items() if _is_word(word)}
        total += sum(kept.values())
        words.add(kept)
    frequent = words.at_least(min_count)
    if not frequent:
        raise UsageError(f"no word occurs {min_count} times in the captions", cure="lower --min-count")
    pairs = _count_pairs(captions(), list(frequent), capacity)
    names, counts = list(frequent), np.array(list(frequent.values()), np.float64)
    together: dict[str, int] = {}
    for pair, count in pairs.at_least(min_count).items():
        first, second = divmod(pair, len(names))
        if np.log2(count * total / (counts[first] * counts[second])) >= min_pmi:
            together[f"{names[first]} {names[second]}"] = count
    every = frequent | together
    return OwnEntries(tuple(every), tuple(every.values()), max(words.missed, pairs.missed))


def _count_pairs(captions: Iterable[str], names: list[str], capacity: int) -> CappedCounts[int]:
    """Count words of a list next to each other, as first * n + second."""
    pairs: CappedCounts[int] = CappedCounts(capacity)
    table = TermTable([name.encode("utf-8", "surrogatepass") for name in names])
    for block in _blocks(captions):
        numbers = table.numbers(split_terms(block))
        first, second = numbers[:-1], numbers[1:]
        both = (first >= 0) & (second >= 0)
        different, counts = np.unique(first[both] * len(names) + second[both], return_counts=True)
        pairs.add(dict(zip(different.tolist(), counts.tolist(), strict=True)))
    return pairs


def _blocks(captions: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(captions)
    while block := list(itertools.islice(iterator, BLOCK)):
        yield block


def _is_word(term: str) -> bool:
    return any(map(str.isalnum, term))
