"""What was known of each file when it was indexed, in the same database as the entries, so that both agree.

Knows paths as text, no pictures: `error` is "" for a file whose row is in the index, else why it has none.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wordsight.index.database import select_in
from wordsight.index.values import restored, stored


@dataclass(frozen=True, slots=True)
class FileState:
    """Size in bytes, time of change in nanoseconds, SHA-256 of the content, and why it failed ("" if it did not)."""

    size: int
    mtime_ns: int
    sha256: str
    error: str = ""


class FileTable:
    """The file states of one database; changes belong to the index's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return size and time of change of every file: what a quick look compares."""
        rows = self._connection.execute("select path, size, mtime_ns from file")
        # Written out, for it is done for every file at every search.
        return {
            path if isinstance(path, str) else str(restored(path)): (size, mtime_ns) for path, size, mtime_ns in rows
        }

    def states(self, paths: Iterable[str]) -> dict[str, FileState]:
        """Return what is known of these files; unknown ones are left out."""
        wanted = [stored(path) for path in paths]
        rows = select_in(self._connection, "select * from file where path in", wanted)
        return {str(restored(path)): FileState(*state) for path, *state in rows}

    def contents(self) -> dict[str, str]:
        """Return SHA-256 -> path for every file that has a row."""
        rows = self._connection.execute("select sha256, path from file where error = ''")
        return {sha256: str(restored(path)) for sha256, path in rows}

    def failures(self) -> dict[str, str]:
        """Return path -> error for every file that has no row."""
        rows = self._connection.execute("select path, error from file where error != '' order by path")
        return {str(restored(path)): error for path, error in rows}

    def record(self, states: Mapping[str, FileState]) -> None:
        """Note the states of these files."""
        rows = [(stored(path), s.size, s.mtime_ns, s.sha256, s.error) for path, s in states.items()]
        self._connection.executemany("insert or replace into file values (?, ?, ?, ?, ?)", rows)

    def forget(self, paths: Iterable[str]) -> None:
        """Forget these files."""
        self._connection.executemany("delete from file where path = ?", [(stored(path),) for path in paths])
