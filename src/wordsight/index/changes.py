"""Which entries were written again in their places, save by save: what caches of an earlier save have to read again.

    log = ChangeLog(connection)
    log.add([5, 9]); log.write(version=8)          # with the save that makes version 8
    log.since(6, mark, now=8)                      # ids, or None: not known, all may have changed

New entries are those behind the last, and removed ones are marked in the layout, so both need no record.  Each save has
a random mark: one that was undone, by a database put back from a backup, is not taken for another of its number.  Only
the last saves are kept.  A save without a record, by an earlier program, and a damaged one make all before it unknown.
"""

import os
import sqlite3
from collections.abc import Iterable

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.index.values import checksum_of

KEPT_IDS, KEPT_SAVES = 100_000, 1000  # beyond these, caches are sooner made again than brought up to date
TABLE = """create table if not exists change (
    version integer primary key, mark int not null, ids blob, checksum int not null
)"""


class ChangeLog:
    """The table `change` of one database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._unsaved: list[int] = []

    def add(self, ids: Iterable[int]) -> None:
        """Note that entries were written again."""
        self._unsaved.extend(ids)

    def write(self, version: int) -> None:
        """Write what was noted, as what the save that makes this version changes."""
        ids = np.array(sorted(set(self._unsaved)), "<i8")
        self._connection.execute(TABLE)
        row = (version, int.from_bytes(os.urandom(6), "big"), ids.tobytes() if len(ids) <= KEPT_IDS else None)
        self._connection.execute("insert or replace into change values (?, ?, ?, ?)", (*row, checksum_of(*row)))
        oldest, room = version - KEPT_SAVES, 8 * KEPT_IDS
        for number, size in self._connection.execute("select version, length(ids) from change order by version desc"):
            room -= size or 0
            if room < 0:
                oldest = max(oldest, number)
                break
        self._connection.execute("delete from change where version < ?", (oldest,))
        self._unsaved.clear()

    def mark(self, version: int) -> int:
        """Return the mark of a save, 0 where it is not known."""
        rows = self._rows(version, version)
        return rows[0][1] if rows else 0

    def since(self, version: int, mark: int, now: int) -> RowIds | None:
        """Return the ids of entries written again after a save, up to `now` and unsaved; None where unknown."""
        rows = {row[0]: row for row in self._rows(version, now)}
        if mark != (rows.pop(version)[1] if version in rows else 0) or sorted(rows) != list(
            range(version + 1, now + 1)
        ):
            return None
        saved = [ids for _, _, ids in rows.values() if ids is not None]
        if len(saved) < len(rows):
            return None
        return np.concatenate([np.frombuffer(b"".join(saved), "<i8"), np.array(self._unsaved, np.int64)])

    def _rows(self, first: int, last: int) -> list[tuple[int, int, bytes | None]]:
        """Return the records of these saves, those that are whole."""
        if not self._connection.execute("select 1 from sqlite_schema where name = 'change'").fetchone():
            return []
        select = "select * from change where version between ? and ? order by version"
        rows = self._connection.execute(select, (first, last))
        return [
            (number, mark, ids) for number, mark, ids, checksum in rows if checksum_of(number, mark, ids) == checksum
        ]
