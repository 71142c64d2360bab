"""What a process that was stopped left undone is done beside the next search, if anybody may."""

import os
import sqlite3
import subprocess
import sys

import pytest

from wordsight.base import disk, files
from wordsight.index import exact
from wordsight.index.lock import writing
from wordsight.search.library import open_library
from wordsight.search.open_index import OpenIndex


@pytest.fixture
def untended(photos, model, monkeypatch):
    """A library of which a fourth is dead, whose process was stopped before it compacted."""
    monkeypatch.setattr(exact, "DEAD_LEAST", 0)
    monkeypatch.setattr(exact, "DEAD_SHARE", 0.1)
    with open_library(photos, model=model) as library, monkeypatch.context() as stopped:
        stopped.setattr(OpenIndex, "_compact_beside", lambda *_, **__: None)
        library.sync()
        (photos / "b" / "green.png").unlink()
        assert library.sync(accept_removal=True).removed
    return photos


def is_tended(photos, model):
    with open_library(photos, model=model) as library, library._index.reading() as index:
        return not index.wants_upkeep()


def test_the_next_search_does_it(untended, model):
    assert not is_tended(untended, model)
    with open_library(untended, model=model) as library:
        assert not library.sync()
        assert not library.sync()  # while the first may still be at it
        assert library.search("red")
    assert is_tended(untended, model)


@pytest.fixture
def ended():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("name", ["embeddings-7.f16", ".scan.cache.{}-{}-0.part", ".column-1.cache.{}-{}-3.part"])
def test_what_a_killed_process_left_goes(photos, model, ended, name):
    with open_library(photos, model=model) as library:
        library.sync()
        left = library.folder / name.format(files._system(), ended)
        left.write_bytes(b"of a process that was killed")
        assert not library.sync()
        library.close()
        assert not left.exists()
        assert library.search("red")


def test_what_another_process_is_writing_stays(photos, model):
    with open_library(photos, model=model) as library:
        library.sync()
        draft = library.folder / f".scan.cache.{files._system()}-{os.getpid()}-0.part"
        draft.write_bytes(b"not finished yet")
        with library._index.reading() as index:
            assert not index.wants_upkeep()
        with library._index.writing():
            pass
        assert draft.exists()


def test_beside_another_writer_nothing_is_done_or_said(untended, model, capsys):
    with open_library(untended, model=model) as library, writing(library.folder):
        assert not library.sync()
        library.close()
    assert "upkeep" not in capsys.readouterr().err
    assert not is_tended(untended, model)


@pytest.mark.parametrize("name", [".wordsight", "library.db", "lock.db"])
def test_where_nobody_may_write_nothing_is_done_or_said(untended, model, monkeypatch, capsys, name):
    folder = untended / ".wordsight"
    with monkeypatch.context() as patched:
        may = os.access
        patched.setattr("os.access", lambda path, mode: os.path.basename(path) != name and may(path, mode))
        before = sorted(path.name for path in folder.iterdir())
        with open_library(untended, model=model) as library:
            assert not library.sync()
            assert library.search("red")
        assert sorted(path.name for path in folder.iterdir()) == before
    assert capsys.readouterr().err == ""
    assert not is_tended(untended, model)


def test_a_compaction_that_fails_leaves_no_file_behind(untended, model, capsys):
    def fail(call, path):
        if call == "commit" and path.name == "library.db":
            error = sqlite3.OperationalError("attempt to write a readonly database")
            error.sqlite_errorcode = sqlite3.SQLITE_READONLY
            raise error

    with open_library(untended, model=model) as library, disk.watched(fail):
        assert not library.sync()
        library.close()
    assert "the upkeep of the library in " in capsys.readouterr().err
    assert [path.name for path in (untended / ".wordsight").glob("*.f16")] == ["embeddings-0.f16"]
    with open_library(untended, model=model) as library:
        assert len(library.search("red")) == 4
