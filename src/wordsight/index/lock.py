"""One writer at a time: a lock that the system gives back when its process dies.

It is an exclusive transaction on an empty SQLite file: the one lock in the standard library that works the same on
every system and cannot be left behind by `kill -9`.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import InUse
from wordsight.base.files import storage_errors
from wordsight.index.database import database_errors

NAME = "lock.db"


class LibraryBusy(InUse):
    """Another process is writing this library."""


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the right to write the library in `folder` (made if absent); `LibraryBusy` if another process has it."""
    path = folder / NAME
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with database_errors(path):
        connection = sqlite3.connect(path.absolute(), timeout=0, isolation_level=None, check_same_thread=False)
        try:
            _lock(connection, folder)
        except BaseException:
            connection.close()
            raise
    try:
        yield
    finally:
        connection.close()


def may_write(folder: Path) -> bool:
    """Return whether this user may take the right to write the library in `folder`."""
    path = folder / NAME
    return os.access(folder, os.W_OK) and (os.access(path, os.W_OK) or not path.exists())


def _lock(connection: sqlite3.Connection, folder: Path) -> None:
    try:
        connection.execute("begin exclusive")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise LibraryBusy(
            f"another process is writing the library in {folder}", cure="wait until it is done, then try again"
        ) from error
