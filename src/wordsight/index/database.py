"""The SQLite file of an index: its schema, its connection, and its errors in our words.

Opened for reading it makes nothing and a library on a read-only disk can be searched; but what a killed process left
half written is undone, for which SQLite opens the file for writing where it may.  Knows no embeddings and no images.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.files import storage_errors
from wordsight.index.values import restored

_AT_ONCE = 500  # values in one statement; SQLite's own limit has been 999
NAME = "library.db"
FORMAT = "1"
PATIENCE = 30.0  # seconds to wait for another process to finish a save, which takes milliseconds
_SCHEMA = """
create table fact (name text primary key, value text not null) without rowid;
create table entry (slot integer primary key, key unique not null);
create table dead (slot integer primary key);
create table meta_column (name text primary key, place text not null, numbers int not null, texts int not null);
create table file (
    path primary key, size int not null, mtime_ns int not null, sha256 text not null, error text not null
) without rowid;
create index file_content on file (sha256);
"""


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors at `path` into ours: full or read-only disk, busy, damaged."""
    try:
        with storage_errors(path):
            yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        problem = f"{path}: {error}"
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageError(f"{path} is in use by another process", cure="try again when it is done") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise FormatError(problem, cure=f"delete {path.parent} and index again") from error
        if code == sqlite3.SQLITE_FULL:
            raise StorageError(problem, cure="free room; what was finished before is kept") from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            raise StorageError(
                problem, cure="choose a place you may write to; what was finished before is kept"
            ) from error
        raise


def connect(folder: Path, *, writable: bool) -> sqlite3.Connection:
    """Open the database in `folder`; `writable` makes it if absent, otherwise a missing one raises `NotFound`."""
    path = folder / NAME
    if not writable and not path.is_file():
        raise NotFound(f"no library in {folder}", cure="make it with wordsight index")
    with database_errors(path):
        if writable:
            folder.mkdir(parents=True, exist_ok=True)
        mode = "rwc" if writable else "rw"  # "rw" falls back to reading where writing is not allowed
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, writable=writable)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    names = {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}
    if not names and writable:
        connection.executescript(f"begin immediate; {_SCHEMA} insert into fact values ('format', '{FORMAT}'); commit;")
        return
    if not names:  # killed before its first save
        raise NotFound(f"no library in {path.parent}", cure="make it with wordsight index")
    version = read_facts(connection).get("format") if "fact" in names else None
    if version != FORMAT:
        raise FormatError(
            f"{path} has library format {version}, this program reads {FORMAT}",
            cure=f"delete {path.parent} and index again, or update wordsight",
        )


def read_facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the facts about the library: format, fingerprint, width, generation of the embeddings and so on."""
    return {name: str(restored(value)) for name, value in connection.execute("select name, value from fact")}


def select_in(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `statement`, which ends in "where column in", for these values, however many."""
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        yield from connection.execute(f"{statement} ({marks})", part)
