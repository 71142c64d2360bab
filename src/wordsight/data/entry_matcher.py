"""Which entries of a list occur in captions, by the published rule of MetaCLIP, for thousands of captions at once.

    matcher = EntryMatcher(["york", "new york", "dog"])
    matches = matcher.match(["a dog in New York", "new york, new york"])
    matches.captions, matches.entries      # [0, 1, 1], [2, 0, 1]: sorted, each pair once

The rule (Xu et al. 2023, "Demystifying CLIP Data"): a caption with a space at both ends and around each of `,.;:?!` and
the backtick, tabs and line ends being spaces, has an entry if it has that entry between two spaces as a substring.
Upper and lower case differ.  As entries begin and end at spaces, the terms between spaces are compared instead of
letters: each term is looked up once, and from each on a tree of the entries' terms is walked.  No hash decides: what
matches has been compared.  An entry in which a mark touches a letter ("st. john") can match nothing: `unmatchable`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.data.terms import BLANKS, MARKS, UNKNOWN, Hashes, IntArray, KeyTable, TermTable, split_terms

_BITS = np.uint64(32)
_SPACED = re.compile(f"[{MARKS}{BLANKS}]")


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of a caption's and an entry's number, (M,) each, sorted by caption and then entry; no pair twice."""

    captions: IntArray
    entries: IntArray


class EntryMatcher:
    """A list of different, non-empty entries."""

    def __init__(self, entries: Sequence[str]) -> None:
        self.count = len(entries)
        self.unmatchable = [number for number, entry in enumerate(entries) if not _matchable(entry)]
        skipped = set(self.unmatchable)
        known: dict[str, int] = {}
        numbers: list[int] = []
        lengths = np.zeros(len(entries), np.int64)
        for number, entry in enumerate(entries):
            if number not in skipped:
                terms = entry.split(" ")
                lengths[number] = len(terms)
                numbers += [known.setdefault(term, len(known)) for term in terms]
        self._terms = TermTable([term.encode("utf-8", "surrogatepass") for term in known])
        self._tree = _Tree(np.array(numbers, np.int64), lengths, len(known))

    def match(self, captions: Sequence[str]) -> Matches:
        """Return which captions have which entries."""
        if not captions:
            return Matches(np.empty(0, np.int64), np.empty(0, np.int64))
        terms = split_terms(captions)
        where, entries = self._tree.walk(self._terms.numbers(terms))
        pairs = np.sort((terms.captions[where] << 32) | entries)
        pairs = pairs[np.flatnonzero(np.diff(pairs, prepend=-1))]
        return Matches(pairs >> 32, pairs & 0xFFFFFFFF)


def _matchable(entry: str) -> bool:
    """Say whether spacing leaves an entry as it is: marks stand alone, and there is no white space but spaces."""
    if _SPACED.search(entry) is None:
        return True
    return not any((len(term) > 1 and _SPACED.search(term)) or term in BLANKS for term in entry.split(" ") if term)


class _Tree:
    """The entries as a tree of numbers of terms.  Node n stands for the first terms of one or more entries."""

    def __init__(self, numbers: IntArray, lengths: IntArray, terms: int) -> None:
        starts = np.cumsum(lengths) - lengths
        self.depth = int(lengths.max(initial=0))
        self._first = np.full(terms + 1, UNKNOWN, np.int32)  # by term; the last one is for `UNKNOWN`
        edges: list[Hashes] = []
        nodes = np.full(len(lengths), UNKNOWN, np.int64)  # of each entry, so far
        ends: list[tuple[IntArray, IntArray]] = []
        count = 0
        for level in range(self.depth):
            here = np.flatnonzero(lengths > level)
            term = numbers[starts[here] + level]
            keys = (nodes[here].astype(np.uint64) << _BITS) | term.astype(np.uint64) if level else term.view(np.uint64)
            different, which = np.unique(keys, return_inverse=True)
            nodes[here] = count + which
            if level:
                edges.append(different)
            else:
                self._first[different.astype(np.int64)] = np.arange(len(different))
            count += len(different)
            done = here[lengths[here] == level + 1]
            ends.append((nodes[done], done))
        self._roots = int((self._first != UNKNOWN).sum())
        self._edges = np.concatenate(edges) if edges else np.empty(0, np.uint64)
        self._table = KeyTable(self._edges + np.uint64(1))
        self._entries = np.full(count, UNKNOWN, np.int32)
        for at, done in ends:
            self._entries[at] = done
        self._more = np.zeros(count, bool)
        self._more[(self._edges >> _BITS).astype(np.int64)] = True

    def walk(self, numbers: IntArray) -> tuple[IntArray, IntArray]:
        """Return where entries begin, and which, for the numbers of a text's terms (T,)."""
        numbers = np.concatenate([numbers, np.full(self.depth, UNKNOWN, np.int64)])
        roots = self._first[numbers]
        at = np.flatnonzero(roots != UNKNOWN)
        nodes = roots[at].astype(np.int64)
        where, which = [], []
        level = 1
        while len(at):
            entries = self._entries[nodes]
            ended = entries != UNKNOWN
            where.append(at[ended])
            which.append(entries[ended])
            further = self._more[nodes] & (numbers[at + level] != UNKNOWN)
            at = at[further]
            nodes = self._next(nodes[further], numbers[at + level])
            at, nodes = at[nodes != UNKNOWN], nodes[nodes != UNKNOWN]
            level += 1
        empty = np.empty(0, np.int64)
        return np.concatenate([empty, *where]), np.concatenate([empty, *which])

    def _next(self, nodes: IntArray, terms: IntArray) -> IntArray:
        """Return the node behind each node with a term, `UNKNOWN` where there is none."""
        edges = self._table.numbers(((nodes << 32 | terms) + 1).view(np.uint64))
        return np.where(edges == UNKNOWN, UNKNOWN, edges + self._roots)
