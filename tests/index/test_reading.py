"""What a reader of an index on disk sees: one save a query, whatever a writer does, also where it may write nothing."""

import sqlite3
import subprocess
import sys
import threading

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, FormatError
from wordsight.index import database, exact
from wordsight.index.database import NAME
from wordsight.index.exact import ExactIndex
from wordsight.index.index import FileState
from wordsight.index.layout import read_layout
from wordsight.index.where import parse

WIDTH = 8


def opened(folder, **options):
    return ExactIndex.open(folder, **{"fingerprint": "f", "width": WIDTH, **options})


def unit(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def fill(index, count=20):
    index.add([f"k{i}" for i in range(count)], unit(count), [{"number": i} for i in range(count)])
    index.save()


@pytest.mark.parametrize("seed", range(4))
def test_a_record_brought_up_to_date_is_the_one_read_whole(tmp_path, seed):
    draw = np.random.default_rng(seed)
    with opened(tmp_path, writable=True) as writer, opened(tmp_path) as reader:
        fill(writer, 600)
        for step in range(8):
            chosen = [f"k{n}" for n in draw.choice(700, 40, replace=False)]
            writer.add(chosen, unit(40, step), [{}] * 40)
            writer.remove(chosen[:9])
            hidden = {key: FileState(1, 1, "h", absent=bool(draw.random() < 0.5)) for key in chosen[9:20]}
            writer.files.record(hidden)
            writer.save()
            before = reader._layout and reader._layout[1]
            layout, whole = reader._seen().layout, read_layout(reader._connection)
            assert layout is before or not step
            assert (layout.blocks, layout.count) == (whole.blocks, whole.count)
            for name in ("ids", "dead", "absent", "damaged"):
                np.testing.assert_array_equal(getattr(layout, name), getattr(whole, name))
        writer._connection.execute("update block set checksum = checksum + 1 where start = 256")
        writer.note({"a": "b"})
        writer.save()
        with pytest.raises(FormatError, match="the record of the embeddings from 256 on is damaged"):
            reader._seen()


@pytest.mark.parametrize("lost", ["start = 256", "start >= 512"])
def test_a_record_of_fewer_embeddings_is_read_whole(tmp_path, lost):
    with opened(tmp_path, writable=True) as writer, opened(tmp_path) as reader:
        fill(writer, 600)
        assert reader._seen().layout.count == 600
        writer._connection.execute(f"delete from block where {lost}")
        writer.note({"a": "b"})
        writer.save()
        if lost == "start = 256":
            with pytest.raises(FormatError, match="the record of the embeddings before 512 is lost"):
                reader._seen()
        else:
            assert reader._seen().layout.count == 512


LEFT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from wordsight.index.exact import ExactIndex
index = ExactIndex.open(Path(sys.argv[1]), fingerprint="f", width=8, writable=True)
index.add(["late"], np.eye(1, 8, dtype=np.float32), [{}])
index.save()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL])
@pytest.mark.parametrize("log", [False, True])
def test_where_nothing_can_be_written_it_is_read_as_it_lies(tmp_path, monkeypatch, code, log):
    """Also what a killed process had saved, and SQLite had not yet moved from its log into the database."""
    with opened(tmp_path, writable=True) as index:
        fill(index)
    if log:
        subprocess.run([sys.executable, "-c", LEFT, tmp_path])
        assert (tmp_path / f"{NAME}-wal").stat().st_size
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".db-shm"}
    opening = database._opened

    def unwritable(path, options):
        if path.parent == tmp_path and options == "mode=rw":
            error = sqlite3.OperationalError("no")
            error.sqlite_errorcode = code
            raise error
        return opening(path, options)

    monkeypatch.setattr(database, "_opened", unwritable)
    with opened(tmp_path) as index:
        assert len(index) == 20 + log
        assert {hit.key for hit in index.search(unit(1), 99)[0]} == {f"k{i}" for i in range(20)} | {"late"} - {
            "" if log else "late"
        }
        assert index.verify() == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix != ".db-shm"} == before


def test_a_library_replaced_by_one_of_another_model_is_not_compared_with_the_old_queries(tmp_path):
    with opened(tmp_path, writable=True) as index:
        fill(index)
    with opened(tmp_path) as reader:
        reader.search(unit(1), 1)
        with opened(tmp_path, fingerprint="g", writable=True, draft=True) as draft:
            fill(draft, 3)
        assert len(reader.search(unit(1), 99)[0]) == 20
        ExactIndex.adopt(tmp_path)
        with pytest.raises(FingerprintMismatch, match="model g"):
            reader.search(unit(1), 1)
    with opened(tmp_path, fingerprint="g") as reader:
        assert len(reader.search(unit(1), 99)[0]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings-1.f16", NAME]


def test_every_query_is_of_one_save_while_a_writer_adds_removes_hides_and_compacts(tmp_path, monkeypatch):
    """Save n holds the keys n to n + 19, every third absent; each entry's metadata and embedding name its save."""
    monkeypatch.setattr(exact, "DEAD_LEAST", 5)
    writer = opened(tmp_path, writable=True)
    embeddings = unit(4000)

    def write(save):
        first = 0 if save == 0 else 19
        keys = [str(save + i) for i in range(first, 20)]
        numbers = [int(key) for key in keys]
        writer.add(keys, embeddings[numbers], [{"number": number} for number in numbers])
        if save:
            writer.remove([str(save - 1)])
        writer.files.record({key: FileState(1, 1, "h", absent=int(key) % 3 == 0) for key in keys})
        writer.note({"save": str(save)})
        writer.save()
        if writer.wants_upkeep():
            writer.upkeep()

    write(0)
    wrong, saves = [], set()

    def read():
        with opened(tmp_path) as reader:
            while len(saves) < 60 and not wrong:
                hits = reader.search(embeddings[:2], 99, parse("number >= 0"))
                numbers = [sorted(int(hit.key) for hit in some) for some in hits]
                first = numbers[0][0] - (numbers[0][0] % 3 == 1)  # the first of a save may be absent
                expected = [[n for n in range(begin, begin + 20) if n % 3] for begin in (first, numbers[0][0])]
                same = all(
                    hit.meta["number"] == int(hit.key) and np.array_equal(hit.embedding, embeddings[int(hit.key)])
                    for some in hits
                    for hit in some
                )
                if numbers[0] != numbers[1] or numbers[0] not in expected or not same:
                    wrong.append(numbers)
                saves.add(tuple(numbers[0]))

    thread = threading.Thread(target=read)
    thread.start()
    save = 0
    while thread.is_alive() and save < 3900:
        save += 1
        write(save)
    thread.join(60)
    writer.close()
    assert wrong == []
    assert len(saves) >= 60
    assert max(int(path.stem.rpartition("-")[2]) for path in tmp_path.glob("*.f16")) > 3  # it was compacted on the way


def test_a_save_while_an_index_is_opened_is_no_damage(tmp_path, monkeypatch):
    """The facts and their checksum are read by several statements: here a writer saves between two of them."""
    read, calls = database.read_facts, []
    with opened(tmp_path, writable=True) as writer:
        fill(writer)

        def read_then_save(connection):
            facts = read(connection)
            calls.append(facts)
            if len(calls) == 2:
                writer.note({"a": "b"})
                writer.save()
            return facts

        monkeypatch.setattr(database, "read_facts", read_then_save)
        with opened(tmp_path) as reader:
            assert len(calls) >= 2
            assert reader.facts()["a"] == "b"


def test_an_error_that_ends_the_look_is_the_one_that_is_said(tmp_path, monkeypatch):
    """SQLite itself ends a transaction in which a page of a file put in the place of another cannot be read."""

    def cut(connection):
        connection.execute("rollback")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHORT_READ
        raise error

    with opened(tmp_path, writable=True) as writer:
        fill(writer)
    with opened(tmp_path) as reader:
        for module, name in [(exact, "facts_of_index"), (exact.EntryTable, "rows")]:
            with monkeypatch.context() as patched, pytest.raises(FormatError, match="open it again"):
                patched.setattr(module, name, lambda *_: cut(reader._connection))
                reader.search(unit(1), 1)
        assert len(reader.search(unit(1), 1)[0]) == 1
