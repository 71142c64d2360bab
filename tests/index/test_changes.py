"""What each save wrote again is known as long as it is kept and whole; else nobody relies on it."""

import sqlite3

import pytest

from wordsight.index import changes
from wordsight.index.changes import ChangeLog


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("create table entry (id integer primary key)")
    yield connection
    connection.close()


@pytest.fixture
def log(connection):
    log = ChangeLog(connection)
    for version, ids in {3: [5, 1, 5], 4: [], 5: [2]}.items():
        log.add(ids)
        log.write(version)
    return log


def test_the_changes_of_all_saves_since_one(log):
    assert log.since(2, now=5).tolist() == [1, 5, 2]
    assert log.since(2, now=3).tolist() == [1, 5]
    assert log.since(3, now=5).tolist() == [2]
    assert log.since(5, now=5).tolist() == []
    log.add([9])
    assert log.since(5, now=5).tolist() == [9]  # not saved yet


def test_a_save_without_a_record_makes_all_before_it_unknown(log, connection):
    assert log.since(1, now=5) is None
    log.write(7)
    assert log.since(5, now=7) is None
    assert log.since(6, now=7).tolist() == []
    assert ChangeLog(sqlite3.connect(":memory:")).since(1, now=2) is None


@pytest.mark.parametrize("damage", ["ids = zeroblob(16)", "checksum = checksum + 1", "version = 6"])
def test_a_damaged_record_is_none(log, connection, damage):
    connection.execute(f"update change set {damage} where version = 5")
    assert log.since(2, now=5) is None
    assert log.since(2, now=4).tolist() == [1, 5]


def test_only_the_last_saves_are_kept(log, connection, monkeypatch):
    monkeypatch.setattr(changes, "KEPT_SAVES", 3)
    log.write(6)
    assert (log.since(2, now=6), log.since(3, now=6).tolist()) == (None, [2])
    monkeypatch.setattr(changes, "KEPT_IDS", 4)
    log.add([1, 2, 3])
    log.write(7)
    assert (log.since(4, now=7).tolist(), log.since(3, now=7)) == ([2, 1, 2, 3], None)
    log.add([1, 2, 3, 4, 5])
    log.write(8)
    assert (log.since(7, now=8), log.since(8, now=8).tolist()) == (None, [])
