"""The words of an index's entries beside it, `keywords.db`: made when words are first asked for, and disposable.

    words = KeywordFile(folder, entries)
    words.bring_up_to_date(facts)
    words.ranked(["nike", "fury"])              # ids, best first

It is brought up to date when the library's `version` is later than the one it was made for: entries whose checksum is
another are read again.  A damaged one is made again; where nothing may be written it is made in memory.  SQLite's
FTS5 ranks.  Knows the entries of an index, and no embeddings.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wordsight.base import disk
from wordsight.base.progress import notice
from wordsight.index.database import KEYWORDS, PATIENCE, delete_database, select_in
from wordsight.index.entries import EntryTable, group_checksums, group_sums
from wordsight.index.index import IndexEntry, Neighbour
from wordsight.index.keywords import share, weights, words_of, words_of_entry

FORMAT = "1"
MANY = 50_000  # entries: reading their words takes about a second
_SCHEMA = (
    "create table fact (name text primary key, value text not null) without rowid",
    "create table known (id integer primary key, checksum int not null)",
    "create virtual table word using fts5(text, tokenize = 'unicode61 remove_diacritics 0')",
    "create virtual table frequency using fts5vocab(word, row)",
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class KeywordFile:
    """The words of the index in `folder`, whose `entries` are read."""

    def __init__(self, folder: Path, entries: EntryTable) -> None:
        self._path = folder / KEYWORDS
        self._entries = entries
        self._connection: sqlite3.Connection | None = None

    def bring_up_to_date(self, facts: Mapping[str, str], *, unsaved: bool = False) -> None:
        """Read the words of entries that are new or changed; what is not saved yet goes no further than memory."""
        if not unsaved:
            with contextlib.suppress(sqlite3.DatabaseError, OSError):
                return self._bring(str(self._path), facts)
            self.close()
            with contextlib.suppress(sqlite3.DatabaseError, OSError):
                if self._is_damaged():
                    delete_database(self._path.parent, KEYWORDS)
                return self._bring(str(self._path), facts)
        self.close()
        return self._bring(":memory:", facts)

    def _is_damaged(self) -> bool:
        """Return whether it is not what this file writes, rather than busy or not to be written."""
        with contextlib.closing(sqlite3.connect(self._path.absolute())) as connection:
            try:
                (answer,) = connection.execute("pragma quick_check").fetchone()
                facts = dict(connection.execute("select name, value from fact"))
            except sqlite3.DatabaseError as error:
                return getattr(error, "sqlite_errorcode", 0) & 0xFF in (*_DAMAGED, sqlite3.SQLITE_ERROR)
            return bool(answer != "ok" or facts.get("format") != FORMAT)

    def _bring(self, name: str, facts: Mapping[str, str]) -> None:
        if self._connection is None:
            disk.announce("create", self._path)
            self._connection = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        connection = self._connection
        if _is_of(connection, facts):
            return
        connection.execute("begin immediate")
        try:
            if not _is_of(connection, facts):  # another process may have been at it
                self._update(connection, facts)
            disk.execute(connection, "commit", self._path)
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise

    def _update(self, connection: sqlite3.Connection, facts: Mapping[str, str]) -> None:
        if _facts(connection).get("identity") != facts["identity"]:
            for table in _tables(connection) & {"fact", "known", "frequency", "word"}:
                connection.execute(f"drop table {table}")
            for statement in _SCHEMA:
                connection.execute(statement)
        sums, own = self._entries.sums(), group_sums(connection, "known")
        groups = sorted(group for group in sums.keys() | own.keys() if sums.get(group) != own.get(group))
        known, there = group_checksums(connection, "known", groups), self._entries.checksums(groups)
        changed = [number for number, checksum in there.items() if known.get(number) != checksum]
        outdated = [(number,) for number, checksum in known.items() if there.get(number) != checksum]
        if len(changed) > MANY:
            notice(f"reading the words of {len(changed):,} images, once")
        connection.executemany("delete from word where rowid = ?", outdated)
        connection.executemany("delete from known where id = ?", outdated)
        rows = ((number, _plain(text)) for number, text in self._entries.texts(changed))
        connection.executemany("insert into word (rowid, text) values (?, ?)", rows)
        connection.executemany("insert into known values (?, ?)", [(number, there[number]) for number in changed])
        state = [("format", FORMAT), *((name, facts[name]) for name in ("identity", "version"))]
        connection.executemany("insert or replace into fact values (?, ?)", state)

    def weights(self, words: Sequence[str]) -> dict[str, float]:
        """Return how much each of these words counts."""
        assert self._connection is not None
        having = dict(select_in(self._connection, "select term, doc from frequency where term in", list(set(words))))
        (count,) = self._connection.execute("select count(*) from known").fetchone()
        return weights(dict.fromkeys(words), having, count)

    def neighbours(self, entries: Sequence[IndexEntry], words: Sequence[str]) -> list[Neighbour]:
        """Return these entries with the share that each has of the words."""
        weight_of = self.weights(words) if entries else {}
        return [one.near(share(words_of_entry(one.meta), weight_of)) for one in entries]

    def ranked(self, words: Sequence[str]) -> Iterator[int]:
        """Yield the ids of the entries that have any of the words, best first by BM25."""
        assert self._connection is not None
        asked = " OR ".join('"' + word.replace('"', '""') + '"' for word in dict.fromkeys(words))
        if asked:
            statement = "select rowid from word where word match ? order by rank, rowid"
            yield from (number for (number,) in self._connection.execute(statement, (asked,)))

    def close(self) -> None:
        """Let go of the database; it is opened again when used."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def _plain(text: str) -> str:
    """Return a text whose words SQLite takes apart as `words_of` does: it does so with ASCII."""
    return text if text.isascii() else " ".join(words_of(text))


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")}


def _facts(connection: sqlite3.Connection) -> dict[str, str]:
    if "fact" not in _tables(connection):
        return {}
    facts = dict(connection.execute("select name, value from fact"))
    return facts if facts.get("format") == FORMAT else {}


def _is_of(connection: sqlite3.Connection, facts: Mapping[str, str]) -> bool:
    """Return whether the words are of the save with these facts, or a later one."""
    own = _facts(connection)
    return own.get("identity") == facts["identity"] and int(own["version"]) >= int(facts["version"])
