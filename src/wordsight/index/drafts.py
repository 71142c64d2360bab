"""The databases of a library's folder: the library itself, and a draft that becomes it in one transaction.

A draft, `next.db`, is an index of its own in the same folder: the old one is asked until the new one is whole.  `adopt`
puts the draft's tables in the place of the library's.  The files of embeddings are numbered for the whole folder, and
one that neither database names belongs to nobody.
"""

import contextlib
import os
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base import disk
from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import abandoned, sweep
from wordsight.base.progress import notice
from wordsight.index.cache_file import delete_caches
from wordsight.index.database import (
    EARLIER_EMBEDDINGS,
    NAME,
    connect,
    connect_to_write,
    database_errors,
    delete_database,
    read_facts,
)
from wordsight.index.embedding_file import generations
from wordsight.index.index import EarlierFormat

if TYPE_CHECKING:
    from wordsight.index.exact import ExactIndex

DRAFT = "next.db"
DAMAGED = "library.db.damaged"  # what is left of a library that was made again because it was damaged
_EARLIER_WORDS = "keywords.db"


def facts_of_new(folder: Path, fingerprint: str, width: int) -> dict[str, str]:
    """Return the facts that an index begins with, its file of embeddings numbered behind all others."""
    return {
        "fingerprint": fingerprint,
        "width": str(width),
        "generation": str(max([-1, *generations(folder)]) + 1),
        "version": "0",
        "identity": os.urandom(16).hex(),
    }


def adopt(folder: Path, *, damaged: bool = False) -> None:
    """See `Backend`; what cannot even be replaced is damaged."""
    draft = connect(folder, name=DRAFT)
    with database_errors(folder / DRAFT):
        facts = read_facts(draft)
        draft.close()
    try:
        if damaged:
            _set_aside(folder)
        _replace(folder, facts)
    except FormatError:
        _set_aside(folder)
        _replace(folder, facts)
    with database_errors(folder / DRAFT):
        delete_database(folder, DRAFT)
        drop_unused(folder)


def _set_aside(folder: Path) -> None:
    """Keep the damaged database, and the log that belongs to it, under another name; the one before it goes."""
    with database_errors(folder / NAME):
        for ending in ("-wal", ""):
            path = folder / f"{NAME}{ending}"
            if path.exists() and path.stat().st_size:  # of an empty one nothing is left
                disk.replace(path, folder / f"{DAMAGED}{ending}")
                notice(f"the damaged {NAME}{ending} is kept as {folder / DAMAGED}{ending}")
        delete_database(folder)


def _replace(folder: Path, facts: dict[str, str]) -> None:
    """Put the draft's tables in the place of the library's, of whatever format."""
    path = folder / NAME
    try:
        connection = connect_to_write(folder, facts)
    except EarlierFormat:
        connection = sqlite3.connect(path.absolute(), isolation_level=None)
    with contextlib.closing(connection), database_errors(path):
        disk.execute(connection, "pragma journal_mode = wal", path)
        connection.execute("attach ? as draft", (str((folder / DRAFT).absolute()),))
        connection.execute("begin immediate")
        for (name,) in connection.execute(f"select name from main.{_TABLES}").fetchall():
            connection.execute(f"drop table main.{name}")
        for name, statement in connection.execute(f"select name, sql from draft.{_TABLES}").fetchall():
            connection.execute(statement)
            connection.execute(f"insert into main.{name} select * from draft.{name}")
        disk.execute(connection, "commit", path)


_TABLES = "sqlite_schema where type = 'table' and name not like 'sqlite_%'"


def facts_in(folder: Path) -> dict[str, str]:
    """See `Backend`."""
    try:
        connection = connect(folder)
    except EarlierFormat:
        connection = sqlite3.connect((folder / NAME).absolute(), isolation_level=None)
    with database_errors(folder / NAME):
        try:
            return read_facts(connection)
        finally:
            connection.close()


def delete(folder: Path, *, draft: bool = False) -> None:
    """See `Backend`."""
    with database_errors(folder / NAME):
        for name in (DRAFT,) if draft else (NAME, DRAFT, DAMAGED):
            delete_database(folder, name)
        if not draft:
            delete_caches(folder)
        drop_unused(folder)


def drop_unused(folder: Path) -> None:
    """Delete the files of embeddings that no database of the folder names, and drafts: killed processes leave such.

    The words that earlier versions kept go too.
    Where a database is damaged nobody knows what it named, and no embeddings are deleted.
    """
    sweep(folder)
    try:
        named = {_generation(folder, name) for name in (NAME, DRAFT)}
    except FormatError:
        return
    for path in _unnamed(folder, named):
        disk.unlink(path, missing_ok=True)
    delete_database(folder, _EARLIER_WORDS)
    if EARLIER not in named and folder.is_dir():
        for path in folder.glob(EARLIER_EMBEDDINGS):
            disk.unlink(path, missing_ok=True)


def has_unused(folder: Path, facts: Mapping[str, str]) -> bool:
    """Return whether there is what `drop_unused` deletes beside the file of embeddings that an index's facts name."""
    if abandoned(folder):
        return True
    own = int(facts["generation"])
    try:
        return bool(_unnamed(folder, {own}) and _unnamed(folder, {own, _generation(folder, DRAFT)}))
    except FormatError:
        return False


def _unnamed(folder: Path, named: Collection[int | None]) -> list[Path]:
    return [path for generation, path in generations(folder).items() if generation not in named]


EARLIER = -1  # for the generation of a library of an earlier format


def _generation(folder: Path, name: str) -> int | None:
    try:
        connection = connect(folder, name=name)
    except NotFound:
        return None
    except EarlierFormat:
        return EARLIER
    with database_errors(folder / name):
        try:
            return int(read_facts(connection)["generation"])
        finally:
            connection.close()


def renewed(folder: Path, index: "type[ExactIndex]") -> None:
    """Bring a library of an earlier format into this one; nothing happens to others."""
    try:
        connect(folder).close()
    except NotFound:
        delete_database(folder)  # what a process left that was killed before its first save
    except EarlierFormat:
        from wordsight.index.renew import renew

        renew(folder, index)
        adopt(folder)
