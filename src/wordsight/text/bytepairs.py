"""Byte pairs: the alphabet of 256 bytes, and merging the pairs of a pre-token by rank.

    merge(letters_of("dog"), ranks)   # -> token ids of one pre_token

Token ids, as in CLIP: 0..255 a byte inside a pre-token, 256..511 a byte that ends one, from 512 on one id for
each merge in the order in which it was learned.  Does not know cleaning or special tokens.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

END_OF_WORD = "</w>"
FIRST_MERGE = 512

# Bytes that print as themselves come first, the others after them, both in order (GPT-2's table).
_PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in set(_PRINTING)]
BYTE_OF_ID = bytes(_PRINTING + _OTHERS)
SIGN_OF_ID = [chr(byte) for byte in _PRINTING] + [chr(256 + n) for n in range(len(_OTHERS))]
ID_OF_BYTE = [BYTE_OF_ID.index(byte) for byte in range(256)]


def letters_of(pre_token: str) -> list[int]:
    """Return the ids of the UTF-8 bytes of a pre-token (at least one letter); the last one is that of its end."""
    ids = [ID_OF_BYTE[byte] for byte in pre_token.encode("utf-8")]
    ids[-1] += 256
    return ids


def merge(ids: list[int], ranks: Mapping[tuple[int, int], int]) -> list[int]:
    """Merge pairs, lowest rank first, until none is left; `ranks` gives the id that a pair becomes.

    Ids of merges grow with their rank, so the id serves as rank.  All positions of a pair are merged from left
    to right before the next pair is chosen.
    """
    if len(ids) > _SHORT:
        return _merge_long(ids, ranks)
    while len(ids) > 1:
        best, pair = min((ranks.get(pair, _NEVER), pair) for pair in pairwise(ids))
        if best == _NEVER:
            break
        ids = join_pairs(ids, pair, best)
    return ids


_NEVER = 1 << 60
_SHORT = 64  # above this many letters the quadratic loop is slower than the one with a heap


def join_pairs(items: list[T], pair: tuple[T, T], joined: T) -> list[T]:
    """Return the items with every occurrence of the pair, from the left, as one."""
    result: list[T] = []
    position, last = 0, len(items) - 1
    while position <= last:
        if position < last and items[position] == pair[0] and items[position + 1] == pair[1]:
            result.append(joined)
            position += 2
        else:
            result.append(items[position])
            position += 1
    return result


def _merge_long(ids: list[int], ranks: Mapping[tuple[int, int], int]) -> list[int]:
    """The same in n log n: positions of every pair in lists, pairs in a heap, letters in a linked list."""
    ids = list(ids)
    following = [*range(1, len(ids)), -1]
    previous = list(range(-1, len(ids) - 1))
    positions: dict[int, list[int]] = {}
    heap: list[int] = []

    def note(left: int, right: int) -> None:
        merged = ranks.get((ids[left], ids[right]))
        if merged is None:
            return
        if merged not in positions:
            positions[merged] = []
            heappush(heap, merged)
        positions[merged].append(left)

    for left in range(len(ids) - 1):
        note(left, left + 1)
    heapify(heap)
    while heap:
        merged = heappop(heap)
        fresh = []
        for left in sorted(positions.pop(merged)):
            right = following[left]
            if right < 0 or ids[left] < 0 or ranks.get((ids[left], ids[right])) != merged:
                continue
            ids[left], ids[right] = merged, -1
            following[left] = after = following[right]
            if after >= 0:
                previous[after] = left
            fresh.append(left)
        for left in fresh:
            if previous[left] >= 0:
                note(previous[left], left)
            if following[left] >= 0:
                note(left, following[left])
    return [token for token in ids if token >= 0]
