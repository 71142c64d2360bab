"""Which entries were written again in their places, save by save: what caches of an earlier save have to read again.

    log = ChangeLog(connection)
    log.add([5, 9]); log.write(version=8)       # with the save that makes version 8
    log.since(6, now=8)                         # ids, or None: not known, all may have changed

New entries are those behind the last, and removed ones are marked in the layout, so both need no record.  Only the
last saves are kept.  A save without a record (by an earlier program), and a damaged record, make all before it unknown.
"""

import sqlite3
from collections.abc import Iterable

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.index.values import checksum_of

KEPT_IDS, KEPT_SAVES = 100_000, 1000  # beyond these, caches are sooner made again than brought up to date
_TABLE = "create table if not exists change (version integer primary key, ids blob not null, checksum int not null)"


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
        ids = np.array(sorted(set(self._unsaved)), "<i8").tobytes()
        self._connection.execute(_TABLE)
        row = (version, ids)
        self._connection.execute("insert or replace into change values (?, ?, ?)", (*row, checksum_of(*row)))
        oldest, room = version - KEPT_SAVES, 8 * KEPT_IDS
        for number, size in self._connection.execute("select version, length(ids) from change order by version desc"):
            room -= size
            if room < 0:
                oldest = max(oldest, number)
                break
        self._connection.execute("delete from change where version <= ?", (oldest,))
        self._unsaved.clear()

    def since(self, version: int, now: int) -> RowIds | None:
        """Return the ids of entries written again after `version`, up to `now` and unsaved; None where unknown."""
        rows: list[tuple[int, bytes, int]] = []  # version, ids, checksum
        if version < now:
            if not self._connection.execute("select 1 from sqlite_schema where name = 'change'").fetchone():
                return None
            select = "select version, ids, checksum from change where version > ? and version <= ? order by version"
            rows = self._connection.execute(select, (version, now)).fetchall()
        if [row[0] for row in rows] != list(range(version + 1, now + 1)):
            return None
        if any(checksum_of(number, ids) != checksum for number, ids, checksum in rows):
            return None
        saved = np.frombuffer(b"".join(ids for _, ids, _ in rows), "<i8")
        return np.concatenate([saved, np.array(self._unsaved, np.int64)])
