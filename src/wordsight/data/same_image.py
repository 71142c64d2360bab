"""Which rows of a table are of one image, found out without keeping the rows: tables with one row per caption.

    members = repeated(names)            # numbers of the rows whose name (a hash) another row has too
    rows = SharedRows(members)
    for ...: rows.note(name, Stated(captions, label))      # once for each member, in order
    rows.settle()
    rows.owner(7)                        # the first row of the image of row 7
    rows.stated(rows.owner(7))             # what each row of that image says, in order

Rows are counted over all tables.  What they say lies in a temporary file, so that it takes some 100 bytes of memory a
row at most, however far the rows of an image lie apart.  Knows no table.
"""

import json
import os
import tempfile
import weakref
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.files import storage_errors

NO_NAME = 0  # the name of a row that is of no image, or of one that no other row can name


@dataclass(frozen=True, slots=True)
class Stated:
    """What one row says of its image."""

    captions: tuple[str, ...] = ()
    label: str | None = None
    labels: tuple[str, ...] = ()


def repeated(names: "array[int]") -> NDArray[np.int64]:
    """Return the numbers of the rows whose name another row has too, ascending."""
    values = np.frombuffer(names, np.int64)
    order = np.argsort(values, kind="stable")
    values = values[order]
    same = values[1:] == values[:-1]
    shared = np.zeros(len(values), bool)
    shared[1:] |= same
    shared[:-1] |= same
    shared &= values != NO_NAME
    return np.sort(order[shared])


class SharedRows:
    """The rows of the images that have several."""

    def __init__(self, members: NDArray[np.int64]) -> None:
        self._members = _packed(members)
        self._names = array("q")
        self._ends = array("q", [0])
        self._folder = Path(tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # open as long as this lives
        weakref.finalize(self, self._file.close)
        self._owners = self._members
        self._by_owner = array("q")  # positions of the members, those of one image together
        self._owners_sorted = array("q")

    def note(self, name: int, stated: Stated) -> None:
        """Note what the next member says; `NO_NAME` leaves it alone, another name is compared with those noted."""
        line = json.dumps([stated.captions, stated.label, stated.labels]).encode()
        with storage_errors(self._folder):
            self._file.write(line)
        self._names.append(name)
        self._ends.append(self._ends[-1] + len(line))

    def settle(self) -> None:
        """Find the first row of each image; called when all members are noted."""
        with storage_errors(self._folder):
            self._file.flush()
        names, members = (np.frombuffer(numbers, np.int64) for numbers in (self._names, self._members))
        _, first, image = np.unique(names, return_index=True, return_inverse=True)
        owners = np.where(names == NO_NAME, members, members[first[image]])
        by_owner = np.argsort(owners, kind="stable")
        self._owners, self._by_owner, self._owners_sorted = map(_packed, (owners, by_owner, owners[by_owner]))
        self._names = array("q")

    def owner(self, number: int) -> int:
        """Return the first row of the image of a row; of most rows that is itself."""
        position = bisect_left(self._members, number)
        known = position < len(self._members) and self._members[position] == number
        return self._owners[position] if known else number

    def stated(self, owner: int) -> Iterator[Stated]:
        """Yield what each row of an image says, by its first row; nothing for one that shares its image with none."""
        first = bisect_left(self._owners_sorted, owner)
        for position in self._by_owner[first : bisect_right(self._owners_sorted, owner)]:
            start, end = self._ends[position], self._ends[position + 1]
            captions, label, labels = json.loads(os.pread(self._file.fileno(), end - start, start).decode())
            yield Stated(tuple(captions), label, tuple(labels))


def _packed(numbers: NDArray[np.int64]) -> "array[int]":
    """Return numbers in a form that is quick to look at one by one."""
    packed = array("q")
    packed.frombytes(numbers.astype(np.int64, copy=False).tobytes())
    return packed
