"""What stands between two spaces of a text, for thousands of captions at once: split, hashed, looked up.

    terms = split_terms(["a dog, running", "two cats"])   # Terms: the bytes, and where each term begins and ends
    table = TermTable([b"dog", b"cats"])
    table.numbers(terms)                                  # int64 (T,): the number of each, -1 for what the table lacks

A term is a run of bytes of UTF-8, also an empty one, between two spaces; `,` `.` `;` `:` `?` `!` and a backtick are
terms of their own, and tab, line feed and carriage return count as spaces (the spacing rule of Xu et al. 2023,
"Demystifying CLIP Data").  Bytes are taken eight at a time as one number, so that all of it is NumPy's work; what a
hash brings together is compared byte by byte.  Knows no entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Hashes = NDArray[np.uint64]

MARKS = ",.;:?!`"  # each becomes a term of its own
BLANKS = "\t\n\r"  # each counts as a space
UNKNOWN = -1
_SPACED = {**{mark: f" {mark} " for mark in MARKS}, "\t": " ", "\r": " ", "\n": " \n "}
_STEP = 8  # bytes of one number
_SHORT = 7  # bytes of a term that fit into a key with their count
_LONG = np.uint64(0xFF << 56)  # the last byte of a longer term's key
_FIRST, _SECOND, _THIRD = (np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_KEPT = np.array([(1 << 8 * count) - 1 for count in range(_STEP)] + [2**64 - 1], np.uint64)  # masks of 0 to 8 bytes


@dataclass(frozen=True, slots=True)
class Terms:
    """T terms in the order of the captions.  `words` are the bytes in eights, little end first, with zeros behind.

    `starts` and `lengths` (T,) are in bytes, `captions` (T,) the number of each term's caption.  Between captions
    stands a term that is a line feed, which no caption has; it counts to neither.
    """

    words: Hashes
    starts: IntArray
    lengths: IntArray
    captions: IntArray

    def eight(self, step: int) -> Hashes:
        """Return bytes 8 * step to 8 * step + 7 of the terms as one number each, zeros behind their ends, (T,)."""
        at = self.starts + _STEP * step
        first, shift = at >> 3, ((at & 7) << 3).astype(np.uint64)
        low = self.words.take(first, mode="clip") >> shift
        following = self.words.take(first + 1, mode="clip") << np.uint64(
            1
        )  # in two steps: a shift by 64 has no meaning
        kept: Hashes = _KEPT.take(self.lengths - _STEP * step, mode="clip")
        return (low | following << (np.uint64(63) - shift)) & kept

    def some(self, which: IntArray) -> "Terms":
        """Return those of the terms."""
        return Terms(self.words, self.starts[which], self.lengths[which], self.captions[which])


def spaced(captions: Sequence[str]) -> str:
    """Return captions as one text: spaces around each, and marks; a line feed between spaces parts two captions."""
    block = "\n".join(captions)
    if block.count("\n") >= len(captions):
        block = "\n".join([caption.replace("\n", " ") for caption in captions])
    block = f" {block} "
    for letter, in_spaces in _SPACED.items():
        if letter in block:  # quicker than replacing nothing
            block = block.replace(letter, in_spaces)
    return block


def split_terms(captions: Sequence[str]) -> Terms:
    """Split captions into terms."""
    data = spaced(captions).encode("utf-8", "surrogatepass")
    letters = np.frombuffer(data, np.uint8)
    spaces = np.flatnonzero(letters == ord(" "))
    starts = spaces[:-1] + 1
    ends = letters[starts] == ord("\n")
    return Terms(_words(data), starts, spaces[1:] - starts, np.cumsum(ends))


def packed(texts: Sequence[bytes]) -> Terms:
    """Return byte strings as terms, all of caption 0, so that they can be hashed."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.cumsum(lengths) - lengths
    return Terms(_words(b"".join(texts)), starts, lengths, np.zeros(len(texts), np.int64))


def hashes(terms: Terms, *, seed: int = 0) -> Hashes:
    """Return 64 bits for each term, (T,), the same on every machine."""
    values = mixed(terms.eight(0) ^ (terms.lengths.astype(np.uint64) * _THIRD) ^ mixed(np.array([seed], np.uint64)))
    step, longer = 1, np.flatnonzero(terms.lengths > _STEP)
    while len(longer):
        values[longer] = mixed(values[longer] ^ terms.some(longer).eight(step))
        step += 1
        longer = longer[terms.lengths[longer] > _STEP * step]
    return values


def mixed(values: Hashes) -> Hashes:
    """Return 64 bits in which every bit of a value counts, (N,); different values stay different (splitmix64)."""
    values = values + _FIRST
    values = (values ^ (values >> np.uint64(30))) * _SECOND
    values = (values ^ (values >> np.uint64(27))) * _THIRD
    return values ^ (values >> np.uint64(31))


def _words(data: bytes) -> Hashes:
    """Return bytes in eights, with room behind them for two more."""
    return np.frombuffer(data + bytes(3 * _STEP - len(data) % _STEP), "<u8")


class TermTable:
    """Different terms and their numbers, 0 to n - 1 in the order given.

    The key of a term of up to seven bytes is those and their count, of a longer one a hash: that is compared.
    """

    def __init__(self, terms: Sequence[bytes]) -> None:
        own = packed(terms)
        steps = -(-own.lengths // _STEP)
        self._lengths = own.lengths
        self._longest = int(own.lengths.max(initial=0))
        self._offsets = np.cumsum(steps) - steps
        self._words = np.zeros(int(steps.sum()), np.uint64)
        for step in range(-(-self._longest // _STEP)):
            here = np.flatnonzero(steps > step)
            self._words[self._offsets[here] + step] = own.some(here).eight(step)
        self._seed = 0
        while len(np.unique(keys := _keys(own, self._seed))) < len(terms):  # two hashes are equal: as good as never
            self._seed += 1
        self._table = KeyTable(keys)

    def numbers(self, terms: Terms) -> IntArray:
        """Return the number of each term, (T,), `UNKNOWN` for one that is not there."""
        numbers = self._table.numbers(_keys(terms, self._seed, longest=self._longest))
        long = np.flatnonzero((terms.lengths > _SHORT) & (numbers != UNKNOWN))
        right = self._lengths[numbers[long]] == terms.lengths[long]
        step = 0
        while len(long):
            numbers[long[~right]] = UNKNOWN
            long = long[right & (terms.lengths[long] > _STEP * step)]
            right = self._words[self._offsets[numbers[long]] + step] == terms.some(long).eight(step)
            step += 1
        return numbers


def _keys(terms: Terms, seed: int, *, longest: int | None = None) -> Hashes:
    """Return a key for each term, (T,), none of them 0; those above the `longest` get the key of no term."""
    keys = terms.eight(0) | (terms.lengths.astype(np.uint64) + np.uint64(1)) << np.uint64(56)
    long = np.flatnonzero(terms.lengths > _SHORT)
    if longest is not None:
        keys[long] = _LONG
        long = long[terms.lengths[long] <= longest]
    keys[long] = _LONG | (hashes(terms.some(long), seed=seed) >> np.uint64(8))
    return keys


class KeyTable:
    """IntArray 0 to n - 1 under different keys, 64 bits each, none of them 0.  Linear probing, at most a third full."""

    def __init__(self, keys: Hashes) -> None:
        bits = max(4, (3 * len(keys)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._last = (1 << bits) - 1
        self._keys = np.zeros(1 << bits, np.uint64)
        self._numbers = np.full(1 << bits, UNKNOWN, np.int32)
        waiting, slots = np.arange(len(keys)), self._home(keys)
        while len(waiting):
            free = self._keys[slots] == 0
            self._keys[slots[free]] = keys[waiting[free]]  # of several for one slot the last one stays
            right = self._keys[slots] == keys[waiting]
            self._numbers[slots[right]] = waiting[right]
            waiting, slots = waiting[~right], (slots[~right] + 1) & self._last

    def numbers(self, keys: Hashes) -> IntArray:
        """Return the number of each key, (N,), `UNKNOWN` for one that is not there."""
        slots = self._home(keys)
        there = self._keys.take(slots, mode="clip")  # which is quicker, and no slot is beyond the last
        numbers = self._numbers.take(slots, mode="clip").astype(np.int64)
        asked = np.flatnonzero((there != keys) & (there != 0))
        slots = slots[asked]
        while len(asked):
            slots = (slots + 1) & self._last
            there = self._keys[slots]
            numbers[asked] = self._numbers[slots]
            more = np.flatnonzero((there != keys[asked]) & (there != 0))
            asked, slots = asked[more], slots[more]
        return numbers

    def _home(self, keys: Hashes) -> IntArray:
        return (((keys ^ (keys >> np.uint64(32))) * _FIRST) >> self._shift).astype(np.int64)
