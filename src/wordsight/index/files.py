"""The states of the files, in the same database as the entries, so that both agree.

Knows paths as text, no images: `error` is "" for a file whose embedding is in the index, else why it has none.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from wordsight.index.database import database_errors
from wordsight.index.index import FileState
from wordsight.index.values import restored, stored


class FileTable:
    """The `FileStates` of one database; `begin` starts the index's transaction, to which changes belong."""

    def __init__(self, connection: sqlite3.Connection, path: Path, begin: Callable[[], None]) -> None:
        self._connection = connection
        self._path = path
        self._begin = begin

    def stamps(self) -> dict[str, tuple[int, int]]:
        """See `FileStates`."""
        with database_errors(self._path):
            rows = self._connection.execute("select path, size, mtime_ns from file")
            # Written out, for it is done for every file at every search.
            return {
                path if isinstance(path, str) else str(restored(path)): (size, mtime_ns)
                for path, size, mtime_ns in rows
            }

    def states(self) -> dict[str, FileState]:
        """See `FileStates`."""
        with database_errors(self._path):
            rows = self._connection.execute("select path, size, mtime_ns, sha256, error from file order by path")
            return {str(restored(p)): FileState(size, t, sha, str(restored(error))) for p, size, t, sha, error in rows}

    def record(self, states: Mapping[str, FileState]) -> None:
        """See `FileStates`."""
        rows = [(stored(path), s.size, s.mtime_ns, s.sha256, stored(s.error)) for path, s in states.items()]
        with database_errors(self._path):
            self._begin()
            self._connection.executemany("insert or replace into file values (?, ?, ?, ?, ?)", rows)

    def forget(self, paths: Iterable[str]) -> None:
        """See `FileStates`."""
        with database_errors(self._path):
            self._begin()
            self._connection.executemany("delete from file where path = ?", [(stored(path),) for path in paths])
