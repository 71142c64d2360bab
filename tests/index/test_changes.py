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


def since(log, version, now):
    return log.since(version, log.mark(version), now)


def test_the_changes_of_all_saves_since_one(log):
    assert since(log, 2, 5).tolist() == [1, 5, 2]
    assert since(log, 2, 3).tolist() == [1, 5]
    assert since(log, 3, 5).tolist() == [2]
    assert since(log, 5, 5).tolist() == []
    log.add([9])
    assert since(log, 5, 5).tolist() == [9]  # not saved yet


def test_a_save_without_a_record_makes_all_before_it_unknown(log, connection):
    assert since(log, 1, 5) is None
    log.write(7)
    assert since(log, 5, 7) is None
    assert since(log, 6, 7).tolist() == []
    assert since(ChangeLog(sqlite3.connect(":memory:")), 1, 2) is None


def test_a_save_that_was_undone_is_not_taken_for_another_of_its_number(log, connection):
    mark = log.mark(4)
    assert mark == log.mark(4) != log.mark(5)
    connection.execute("delete from change where version >= 4")  # as a backup has it
    log.write(4)
    log.write(5)
    assert log.since(4, mark, now=5) is None
    assert log.since(4, mark, now=4) is None
    assert since(log, 4, 5).tolist() == []


@pytest.mark.parametrize("damage", ["ids = zeroblob(16)", "checksum = checksum + 1", "version = 6", "mark = 7"])
def test_a_damaged_record_is_none(log, connection, damage):
    connection.execute(f"update change set {damage} where version = 5")
    assert since(log, 2, 5) is None
    assert since(log, 2, 4).tolist() == [1, 5]


def test_only_the_last_saves_are_kept(log, monkeypatch):
    monkeypatch.setattr(changes, "KEPT_SAVES", 3)
    log.write(7)
    log.write(6)
    log.write(7)
    assert log.mark(3) == 0 != log.mark(4)
    assert since(log, 4, 7).tolist() == [2]
    monkeypatch.setattr(changes, "KEPT_IDS", 4)
    for version, ids in {8: [1, 2, 3], 9: [4, 5]}.items():
        log.add(ids)
        log.write(version)
    assert log.mark(7) == 0 != log.mark(8)
    assert since(log, 8, 9).tolist() == [4, 5]


def test_a_save_of_too_many_changes_makes_all_before_it_unknown(log, monkeypatch):
    monkeypatch.setattr(changes, "KEPT_IDS", 4)
    log.add([1, 2, 3, 4, 5])
    log.write(6)
    assert since(log, 5, 6) is None
    log.write(7)
    assert since(log, 6, 7).tolist() == []
