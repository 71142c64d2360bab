"""Which rows of a table are of one image, found out without keeping the rows: tables with one row per caption.

    members = repeated(names)            # numbers of the rows whose name (a hash) another row has too
    rows = SharedRows(members)
    for ...: rows.note(name, Stated(captions, label))      # once for each member, in order
    rows.settle()
    rows.owner(7)                        # the first row of the image of row 7
    rows.stated(rows.owner(7))             # what each row of that image says, in order

Rows are counted over all tables.  What they say lies in a temporary file, so that it takes some 50 bytes of memory a
row however far the rows of an image lie apart.  Knows no table.
"""

import json
import os
import tempfile
import weakref
from array import array
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
        self._members = members
        self._names = array("q")
        self._ends = array("q", [0])
        self._folder = Path(tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # open as long as this lives
        weakref.finalize(self, self._file.close)
        self._owners = members
        self._by_owner = np.empty(0, np.int64)  # positions of the members, those of one image together
        self._owners_sorted = np.empty(0, np.int64)

    def note(self, name: int, stated: Stated) -> None:
        """Note what the next member says; `NO_NAME` leaves it alone, another name is compared with those noted."""
        line = json.dumps([stated.captions, stated.label]).encode()
        with storage_errors(self._folder):
            self._file.write(line)
        self._names.append(name)
        self._ends.append(self._ends[-1] + len(line))

    def settle(self) -> None:
        """Find the first row of each image; called when all members are noted."""
        with storage_errors(self._folder):
            self._file.flush()
        names = np.frombuffer(self._names, np.int64)
        _, first, image = np.unique(names, return_index=True, return_inverse=True)
        self._owners = np.where(names == NO_NAME, self._members, self._members[first[image]])
        self._by_owner = np.argsort(self._owners, kind="stable")
        self._owners_sorted = self._owners[self._by_owner]

    def owner(self, number: int) -> int:
        """Return the first row of the image of a row; of most rows that is itself."""
        position = int(np.searchsorted(self._members, number))
        known = position < len(self._members) and self._members[position] == number
        return int(self._owners[position]) if known else number

    def stated(self, owner: int) -> list[Stated]:
        """Return what the rows of an image say, by its first row; nothing for a row that shares its image with none."""
        first = int(np.searchsorted(self._owners_sorted, owner))
        after = int(np.searchsorted(self._owners_sorted, owner, side="right"))
        return [self._read(int(position)) for position in self._by_owner[first:after]]

    def _read(self, position: int) -> Stated:
        start, end = self._ends[position], self._ends[position + 1]
        captions, label = json.loads(os.pread(self._file.fileno(), end - start, start))
        return Stated(tuple(captions), label)
