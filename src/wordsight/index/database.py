"""The SQLite file of an index: its schema, its connection, and its errors in our words.

It is kept with a write-ahead log: a reader sees the last save for as long as it reads, whatever a writer does.  Opened
for reading it makes no library; where nothing may be written, or the disk is full, it is read as it lies.  Knows no
embeddings and no images.
"""

import contextlib
import operator
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.files import storage_errors
from wordsight.index.changes import TABLE as CHANGES
from wordsight.index.embedding_file import generations
from wordsight.index.index import EarlierFormat
from wordsight.index.values import checksum_of, restored

_AT_ONCE = 500  # values in one statement; SQLite's own limit has been 999
NAME = "library.db"
FORMAT = "2"
PATIENCE = 30.0  # seconds to wait for another process to finish a save, which takes milliseconds
EARLIER_EMBEDDINGS = "rows-*.f32"  # the files of embeddings of format 1
CHECKSUM = "checksum"  # the fact that is the checksum of the other facts and of the names of the columns
_REBUILD = "make it again with wordsight index PLACE --rebuild"
REST = "rest"  # the column of `entry` for metadata that has no column of its own
_BESIDE = ("", "-wal", "-shm", "-journal")  # SQLite's files of one database
_SCHEMA = (
    "create table fact (name text primary key, value text not null) without rowid",
    "create table entry (id integer primary key, key unique not null, checksum int not null)",
    """create table block (
        start integer primary key, count int not null, first_id int not null, ids blob, dead blob, absent blob,
        crc32 int not null, fingerprint text not null, checksum int not null
    )""",
    "create table meta_column (name text primary key, place text not null, numbers int not null, texts int not null)",
    """create table file (
        path primary key, size int not null, mtime_ns int not null, sha256 text not null, error text not null,
        absent int not null, file not null, checksum int not null
    ) without rowid""",
)
_LOST = ("no such ", "unsupported file format")  # how SQLite begins to say that the record of the tables has rotted
DAMAGED_TOO = operator.methodcaller("decode", "utf-8", "surrogateescape")  # text that rotted is read, to be compared
_UNWRITABLE = (
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_FULL,
)


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors at `path` into ours: full or read-only disk, busy, damaged.

    A table or column that is not there is damage, for what is asked of a database is the same each time.
    """
    try:
        with storage_errors(path):
            yield
    except UnicodeDecodeError as error:  # the name of a column, or SQLite's message about one
        raise FormatError(f"{path}: a name in it is not text", cure=f"the library is damaged: {_REBUILD}") from error
    except sqlite3.Error as error:
        code = _code(error)
        problem = f"{path}: {error}"
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StorageError(f"{path} is in use by another process", cure="try again when it is done") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith(_LOST):
            raise FormatError(problem, cure=f"the library is damaged: {_REBUILD}") from error
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise FormatError(
                f"{path} was cut, or put in the place of another while it was open",
                cure=f"open it again; if that does not help, {_REBUILD}",
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise StorageError(problem, cure="free room; what was finished before is kept") from error
        if code in _UNWRITABLE:
            raise StorageError(
                problem, cure="choose a place you may write to; what was finished before is kept"
            ) from error
        raise


def connect(folder: Path, *, name: str = NAME) -> sqlite3.Connection:
    """Open the database `name` in `folder` for reading; `NotFound` where there is none."""
    path = folder / name
    if not path.is_file():
        raise NotFound(f"no library in {folder}", cure="make it with wordsight index")
    with database_errors(path):
        try:
            connection = _opened(path, "mode=rw")  # falls back to reading where writing is not allowed
        except sqlite3.OperationalError as error:
            if _code(error) not in _UNWRITABLE:
                raise
            connection = _as_it_lies(path)
        try:
            _check_format(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_to_write(folder: Path, facts: Mapping[str, str], *, name: str = NAME) -> sqlite3.Connection:
    """Open the database `name` in `folder` for writing; where there is none, it is made with these facts."""
    path = folder / name
    with database_errors(path):
        disk.make_folder(folder)
        disk.announce("create", path)
        connection = _opened(path, "mode=rwc")
        try:
            if not _tables(connection):
                disk.execute(connection, "pragma journal_mode = wal", path)
                connection.execute("begin immediate")
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.executemany("insert into fact values (?, ?)", list({"format": FORMAT, **facts}.items()))
                seal(connection)
                disk.execute(connection, "commit", path)
                disk.flush_folder(folder)
            _check_format(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def delete_database(folder: Path, name: str = NAME) -> None:
    """Delete a database and what SQLite keeps beside it, which is worth nothing without it."""
    for ending in _BESIDE:
        path = folder / f"{name}{ending}"
        if path.exists():
            disk.unlink(path, missing_ok=True)


def _opened(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    connection.text_factory = DAMAGED_TOO
    try:
        _tables(connection)  # SQLite opens its files at the first statement
    except BaseException:
        connection.close()
        raise
    return connection


def _as_it_lies(path: Path) -> sqlite3.Connection:
    """Open a database beside which nothing can be written; where a killed process left a log, a copy of both."""
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file() or log.stat().st_size == 0:
        return _opened(path, "mode=ro&immutable=1")
    import shutil  # here, for most searches do without
    import tempfile

    with tempfile.TemporaryDirectory(prefix="wordsight-") as folder:
        for source in (path, log):
            shutil.copyfile(source, Path(folder) / source.name)
        copy = _opened(Path(folder) / path.name, "mode=rw")
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        memory.text_factory = DAMAGED_TOO
        try:
            copy.backup(memory)
        finally:
            copy.close()
    return memory


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    folder = path.parent  # looked at first: who makes a library makes its tables before the first embedding
    embeddings = path.name == NAME and (bool(generations(folder)) or any(folder.glob(EARLIER_EMBEDDINGS)))
    connection.execute("begin")  # so that all is of one moment: somebody else may be writing
    try:
        _check_facts(connection, path, embeddings=embeddings)
    finally:
        connection.rollback()


def _check_facts(connection: sqlite3.Connection, path: Path, *, embeddings: bool) -> None:
    names = _tables(connection)
    facts = read_facts(connection) if "fact" in names else {}
    version = facts.get("format")
    if not names and embeddings:
        raise FormatError(f"{path} is empty, and embeddings lie beside it", cure=f"the library is damaged: {_REBUILD}")
    if not names or (version == "1" and "fingerprint" not in facts):  # killed before its first save
        raise NotFound(f"no library in {path.parent}", cure="make it with wordsight index")
    if version == "1":
        raise EarlierFormat(
            f"the library in {path.parent} was made by an earlier version",
            cure="wordsight index PLACE renews it; nothing is encoded again",
        )
    if version != FORMAT:
        raise FormatError(
            f"{path} has library format {version}, this program reads {FORMAT}",
            cure=f"update wordsight, or {_REBUILD}",
        )
    if not is_sealed(connection):
        raise FormatError(f"the facts about the library in {path} are damaged", cure=_REBUILD)


def read_facts(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the facts about the library: format, fingerprint, width, generation of the embeddings and so on."""
    return {name: str(restored(value)) for name, value in connection.execute("select name, value from fact")}


def facts_of_index(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the facts of an index of this format; those of its own that are lost or no numbers are a `FormatError`."""
    facts = read_facts(connection)
    numbers = [facts.get(name, "") for name in ("width", "generation", "version")]
    if not all(number.isdecimal() for number in numbers) or not {"identity", "fingerprint"} <= facts.keys():
        raise FormatError("the facts about the library are damaged", cure=_REBUILD)
    return facts


def seal(connection: sqlite3.Connection) -> None:
    """Write the checksum of the facts and of the columns' names."""
    connection.execute("insert or replace into fact values (?, ?)", (CHECKSUM, _sum_of_facts(connection)))


def is_sealed(connection: sqlite3.Connection) -> bool:
    """Return whether the tables, the facts and the columns' names are what was written."""
    return _has_own_tables(connection) and read_facts(connection).get(CHECKSUM) == _sum_of_facts(connection)


def _has_own_tables(connection: sqlite3.Connection) -> bool:
    """Return whether the tables are those of `_SCHEMA`, with a column in `entry` for all that `meta_column` names."""
    statements = connection.execute("select name, sql from sqlite_schema where type = 'table'")
    tables = {name: _plain(str(sql)) for name, sql in statements}
    expected = {_plain(statement).split()[2]: _plain(statement) for statement in (*_SCHEMA, CHANGES)}
    tables.setdefault("change", expected["change"])  # libraries of earlier programs are without it
    if any(tables.get(name) != statement for name, statement in expected.items() if name != "entry"):
        return False
    sources = connection.execute("select place from meta_column order by rowid")
    columns = dict.fromkeys(REST if "(" in str(source) else source for (source,) in sources)
    return tables.get("entry") == expected["entry"][:-1] + "".join(f", {column}" for column in columns) + ")"


def _plain(statement: str) -> str:
    """Return a statement that makes a table as SQLite keeps it, on one line; whatever its case it means the same."""
    return " ".join(statement.replace("if not exists ", "").split()).lower()


def _sum_of_facts(connection: sqlite3.Connection) -> str:
    facts = connection.execute("select name, value from fact where name != ? order by name", (CHECKSUM,))
    columns = connection.execute("select name, place from meta_column order by rowid")
    return str(checksum_of(*(value for row in (*facts, *columns) for value in row)))


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}


def select_in(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `statement`, which ends in "where column in", for these values, however many."""
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        yield from connection.execute(f"{statement} ({marks})", part)


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
