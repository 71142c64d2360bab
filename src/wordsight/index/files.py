"""The states of the files, in the same database as the entries, so that both agree.

Knows paths as text, no images: `error` is "" for a file whose embedding is in the index, else why it has none.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from wordsight.index.database import DAMAGED_TOO, database_errors, select_in
from wordsight.index.index import FileState
from wordsight.index.values import Stored, checksum_of, restored, stored


class FileTable:
    """The `FileStates` of one database.

    `begin` starts the index's transaction, to which changes belong; `hide` is told which keys are absent from now on
    and which are not.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        begin: Callable[[], None],
        hide: Callable[[Sequence[str], bool], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self._begin = begin
        self._hide = hide

    def stamps(self) -> dict[str, tuple[int, int]]:
        """See `FileStates`."""
        with database_errors(self._path):
            self._connection.text_factory = str  # faster: this is done for every file at every search
            try:
                return self._stamps()
            except sqlite3.OperationalError:  # text that rotted
                self._connection.text_factory = DAMAGED_TOO
                return self._stamps()
            finally:
                self._connection.text_factory = DAMAGED_TOO

    def _stamps(self) -> dict[str, tuple[int, int]]:
        rows = self._connection.execute("select path, size, mtime_ns from file where not absent")
        return {path if isinstance(path, str) else str(restored(path)): (size, t) for path, size, t in rows}

    def states(self) -> dict[str, FileState]:
        """See `FileStates`; a row that is not what was written is left out, so that its file is read again."""
        return {path: state for path, state in self._read() if state is not None}

    def states_after(self, path: str | None, count: int) -> dict[str, FileState]:
        """See `FileStates`; a row that is not what was written is left out."""
        with database_errors(self._path):
            while True:
                rows = self._rows_after(path, count)
                read = [(str(restored(row[0])), _state(row)) for row in rows]
                states = {one: state for one, state in read if state is not None}
                if states or not read:
                    return states
                path = read[-1][0]

    def of(self, paths: Iterable[str]) -> dict[str, FileState]:
        """See `FileStates`; a row that is not what was written is left out."""
        with database_errors(self._path):
            rows = list(select_in(self._connection, "select * from file where path in", [*map(stored, paths)]))
        return {str(restored(row[0])): state for row in rows if (state := _state(row)) is not None}

    def _rows_after(self, path: str | None, count: int) -> list[tuple[Stored, ...]]:
        after, values = ("", ()) if path is None else (" where path > ?", (stored(path),))
        return self._connection.execute(f"select * from file{after} order by path limit ?", (*values, count)).fetchall()

    def damaged(self) -> list[str]:
        """Return the paths of the rows that are not what was written."""
        return [path for path, state in self._read() if state is None]

    def absent(self, paths: Sequence[str]) -> list[str]:
        """Return which of these files are absent."""
        wanted = [stored(path) for path in paths]
        rows = select_in(self._connection, "select path from file where absent and path in", wanted)
        return [str(restored(path)) for (path,) in rows]

    def _read(self) -> list[tuple[str, FileState | None]]:
        with database_errors(self._path):
            rows = self._connection.execute("select * from file order by path").fetchall()
        return [(str(restored(row[0])), _state(row)) for row in rows]

    def record(self, states: Mapping[str, FileState]) -> None:
        """See `FileStates`."""
        rows = [_row(path, state) for path, state in states.items()]
        with database_errors(self._path):
            self._begin()
            self._connection.executemany("insert or replace into file values (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for absent in (True, False):
                self._hide([path for path, state in states.items() if state.absent == absent], absent)

    def forget(self, paths: Iterable[str]) -> None:
        """See `FileStates`."""
        paths = list(paths)
        with database_errors(self._path):
            self._begin()
            self._connection.executemany("delete from file where path = ?", [(stored(path),) for path in paths])
            self._hide(paths, False)


def _row(path: str, state: FileState) -> tuple[Stored, ...]:
    error, file = stored(state.error), stored(state.file)
    row = (stored(path), state.size, state.mtime_ns, state.sha256, error, int(state.absent), file)
    return (*row, checksum_of(*row))


def _state(row: tuple[Stored, ...]) -> FileState | None:
    if checksum_of(*row[:-1]) != row[-1]:
        return None
    _, size, mtime_ns, sha256, error, absent, file, _ = row
    assert isinstance(size, int)
    assert isinstance(mtime_ns, int)
    return FileState(size, mtime_ns, str(sha256), str(restored(error)), bool(absent), str(restored(file)))
