"""Numbers for the images of a library that stay theirs: for clients that know images by numbers alone.

    number = id_of("dogs/a.jpg")              # the same in every process, whatever else comes and goes
    entries_of(index, [number])               # {number: the entry}

A number is 53 bits of the key's SHA-256, so that JavaScript holds it.  Two of a million images share one with
probability 6e-5; the first by key is then meant.  Which key a number has is looked up among those answered lately,
then among all.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wordsight.base.errors import NotFound
from wordsight.index.index import pages_of

if TYPE_CHECKING:
    from wordsight.index.index import Index, IndexEntry

BITS = 53
LATELY = 1 << 17  # numbers that are remembered
_PAGE = 10_000  # keys read at once

_known: "OrderedDict[int, str]" = OrderedDict()  # number -> key, of all libraries
_lock = threading.Lock()


def id_of(key: str) -> int:
    """Return the number of a key, and remember it."""
    number = _numbered(key)
    with _lock:
        _known[number] = key
        _known.move_to_end(number)
        if len(_known) > LATELY:
            _known.popitem(last=False)
    return number


def entries_of(index: "Index", numbers: Iterable[int]) -> "dict[int, IndexEntry]":
    """Return the entries of those numbers that images of the library have."""
    wanted = set(numbers)
    with _lock:
        lately = {number: _known[number] for number in wanted if number in _known}
    entries = _entries(index, lately)
    missing = wanted - entries.keys()
    return entries | _entries(index, _all_keys(index, missing)) if missing else entries


def _all_keys(index: "Index", wanted: set[int]) -> dict[int, str]:
    keys: dict[int, str] = {}
    for states in pages_of(index.files, _PAGE):
        for key in states:
            number = _numbered(key)
            if number in wanted:
                keys.setdefault(number, key)
        if len(keys) == len(wanted):
            break
    return keys


def _entries(index: "Index", keys: dict[int, str]) -> "dict[int, IndexEntry]":
    entries = {}
    for number, key in keys.items():
        try:
            entries[number] = index.entries([key])[0]
        except NotFound:  # of another library, or gone
            continue
    return entries


def _numbered(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> (64 - BITS)
