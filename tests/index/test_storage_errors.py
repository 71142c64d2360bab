"""What SQLite and the disk refuse, said in the words of this program; keys that are no text; one writer at a time."""

import sqlite3
from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, StorageError, UsageError
from wordsight.index.database import database_errors, select_in
from wordsight.index.lock import LibraryBusy, writing
from wordsight.index.values import restored, stored

REBUILD = "the library is damaged: make it again with wordsight index PLACE --rebuild"
PATH = Path("/libraries/mine/library.db")


def failing(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it said so")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (sqlite3.SQLITE_BUSY, StorageError, f"{PATH} is in use by another process; try again when it is done"),
        (sqlite3.SQLITE_LOCKED, StorageError, f"{PATH} is in use by another process; try again when it is done"),
        (
            sqlite3.SQLITE_BUSY | 1 << 8,
            StorageError,
            f"{PATH} is in use by another process; try again when it is done",
        ),
        (sqlite3.SQLITE_CORRUPT, FormatError, f"{PATH}: it said so; {REBUILD}"),
        (sqlite3.SQLITE_NOTADB, FormatError, f"{PATH}: it said so; {REBUILD}"),
        (sqlite3.SQLITE_FULL, StorageError, f"{PATH}: it said so; free room; what was finished before is kept"),
        *(
            (
                code,
                StorageError,
                f"{PATH}: it said so; choose a place you may write to; what was finished before is kept",
            )
            for code in (
                sqlite3.SQLITE_READONLY,
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_IOERR,
                sqlite3.SQLITE_PERM,
                sqlite3.SQLITE_IOERR_FSYNC,
            )
        ),
    ],
)
def test_errors_of_the_database(code, kind, message):
    with pytest.raises(kind) as caught, database_errors(PATH):
        raise failing(code)
    assert type(caught.value) is kind
    assert str(caught.value) == message


@pytest.mark.parametrize("statement", ["select m0 from entry", "select 1 from change", "select z from a"])
def test_a_table_or_column_that_is_not_there_is_damage(statement):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table entry (id)")
    connection.execute("create table a (b)")
    with pytest.raises(FormatError, match=rf"{PATH}: no such (table|column): .*{REBUILD}"), database_errors(PATH):
        connection.execute(statement)
    connection.close()


def test_names_that_are_no_text_are_damage():
    with pytest.raises(FormatError, match=REBUILD), database_errors(PATH):
        b"\xac0".decode()


def test_a_database_that_was_cut_while_it_was_open_is_not_taken_for_a_full_disk():
    with pytest.raises(FormatError, match=r"was cut.*open it again.*--rebuild"), database_errors(PATH):
        raise failing(sqlite3.SQLITE_IOERR_SHORT_READ)


def test_a_mistake_in_a_statement_is_ours_and_keeps_its_traceback():
    for error in (failing(sqlite3.SQLITE_ERROR), sqlite3.ProgrammingError("closed")):
        with pytest.raises(sqlite3.Error) as caught, database_errors(PATH):
            raise error
        assert caught.value is error
    with pytest.raises(UsageError), database_errors(PATH):
        raise UsageError("ours")


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1001])
def test_any_number_of_values_is_selected(count):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (k int)")
    connection.executemany("insert into t values (?)", [(n,) for n in range(1200)])
    found = [k for (k,) in select_in(connection, "select k from t where k in", list(range(count)))]
    assert sorted(found) == list(range(count))
    connection.close()


@pytest.mark.parametrize("value", ["", "ü", "a\0b", 5, 2.5, True, None])
def test_values_that_are_kept_as_they_are(value):
    assert stored(value) == value and type(stored(value)) is type(value)
    assert restored(stored(value)) == value


@pytest.mark.parametrize("value", ["\udcff.jpg", "a\udc80"])
def test_names_of_files_that_are_no_text_are_kept_as_bytes(value):
    assert isinstance(stored(value), bytes)
    assert restored(stored(value)) == value


def test_the_right_to_write_is_given_back(tmp_path):
    folder = tmp_path / "not" / "there"
    with writing(folder):
        with pytest.raises(LibraryBusy) as caught, writing(folder):
            pass
        assert str(caught.value) == (
            f"another process is writing the library in {folder}; wait until it is done, then try again"
        )
    with pytest.raises(RuntimeError), writing(folder):
        raise RuntimeError("on the way")
    with writing(folder), writing(tmp_path / "another"):
        pass


def test_a_lock_that_is_no_database(tmp_path):
    (tmp_path / "lock.db").write_bytes(b"something else" * 100)
    with pytest.raises(FormatError, match="lock.db"), writing(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"), writing(tmp_path / "file" / "library"):
        pass
