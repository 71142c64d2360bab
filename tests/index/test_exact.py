"""What is particular to the index on disk: it comes back, it survives, it refuses."""

import contextlib
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, StorageError
from wordsight.index import exact
from wordsight.index.exact import ExactIndex
from wordsight.index.index import FileState
from wordsight.index.lock import LibraryBusy, writing
from wordsight.index.where import parse

WIDTH = 4


def unit(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)  # half precision is what a store has to keep


@pytest.fixture
def opened():
    """Open indexes as the writer unless told otherwise; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def opening(folder, **options):
            options = {"fingerprint": "f", "width": WIDTH, "writable": True, **options}
            return stack.enter_context(ExactIndex.open(folder, **options))

        yield opening


def test_comes_back_as_it_was_saved(opened, tmp_path):
    index = opened(tmp_path)
    index.add(["a", "b"], unit(2), [{"x": 1}, {"y": "z"}])
    index.files.record({"a.jpg": FileState(10, 20, "hash"), "bad.jpg": FileState(1, 2, "h2", "broken")})
    index.save()
    index.close()
    again = opened(tmp_path, writable=False)
    assert [hit.key for hit in again.search(unit(2)[1:], 1)[0]] == ["b"]


@pytest.mark.parametrize("at_once", [True, False])
def test_more_columns_than_sqlite_has_are_kept_and_can_be_asked_for(opened, tmp_path, at_once):
    many = [{f"c{n}": n + entry for n in range(2100)} for entry in range(3)]
    many[0] |= {
        "c2000": "text",
        "C2000": True,
        "c2001": None,
        "odd": "\udcff",
        "endless": float("inf"),
        "least": -(2**63),
    }
    keys = ["a", "b", "c"]
    index = opened(tmp_path)
    if at_once:
        index.add(keys, unit(3), many)
    else:
        for entry, key in enumerate(keys):
            index.add([key], unit(3)[entry : entry + 1], many[entry : entry + 1])
    index.save()
    again = opened(tmp_path, writable=False)
    kept = {**many[0], "C2000": 1}
    del kept["c2001"]
    assert [entry.meta for entry in again.entries(keys)] == [kept, *many[1:]]
    for condition, met in (
        ("c2050 = 2051", ["b"]),
        ("c5 < 7 and c2099 > 2099", ["b"]),
        ("c2000 = text", ["a"]),
        ("c2000 > 5", ["b", "c"]),
        ("C2000 = true", ["a"]),
        ("c2001 is null", ["a"]),
        ("not c2002 = 2002", ["b", "c"]),
    ):
        assert sorted(hit.key for hit in again.search(unit(1), 3, parse(condition))[0]) == met, condition
    assert len(again.columns()) == 2104


SPILLING = """
import os, signal, sys
from pathlib import Path
import numpy as np
from wordsight.index.exact import ExactIndex
index = ExactIndex.open(Path(sys.argv[1]), fingerprint="f", width=4, writable=True)
index._connection.execute("pragma cache_size = 1")
index.remove(["a"])
index.add([str(i) for i in range(5000)], np.full((5000, 4), 0.5, np.float32), [{"i": i} for i in range(5000)])
assert Path(sys.argv[1], "library.db-wal").stat().st_size > 4096
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_the_middle_of_writing_the_database(opened, tmp_path):
    index = opened(tmp_path)
    index.add(["a"], unit(1), [{"x": 1}])
    index.save()
    index.close()
    subprocess.run([sys.executable, "-c", SPILLING, tmp_path])
    reader = opened(tmp_path, writable=False)
    assert [hit.key for hit in reader.search(unit(1), 9)[0]] == ["a"]
    assert list(reader.columns()) == ["x"]


def test_what_was_not_saved_is_dropped(opened, tmp_path):
    index = opened(tmp_path)
    index.add(["a"], unit(1), [{}])
    index.save()
    index.remove(["a"])
    index.add(["b"], unit(1, seed=5), [{"new column": 1}])
    index.close()
    again = opened(tmp_path)
    assert [hit.key for hit in again.search(unit(1), 9)[0]] == ["a"]
    assert again.columns() == {}
    again.add(["c"], unit(1, seed=6), [{}])  # written over the rows that were left behind
    assert [hit.score for hit in again.search(unit(1, seed=6), 1)[0]] == [pytest.approx(1, abs=1e-4)]


def test_a_reader_sees_the_last_save_while_another_writes(opened, tmp_path):
    writer = opened(tmp_path)
    writer.add(["a"], unit(1), [{}])
    writer.save()
    reader = opened(tmp_path, writable=False)
    writer.add(["b"], unit(1), [{}])
    assert [hit.key for hit in reader.search(unit(1), 9)[0]] == ["a"]
    writer.save()
    assert [hit.key for hit in reader.search(unit(1), 9)[0]] == ["a", "b"]


def test_compaction_keeps_every_answer_and_lets_readers_finish(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(exact, "DEAD_LEAST", 5)
    index = opened(tmp_path)
    rows = unit(40)
    index.add([str(i) for i in range(40)], rows, [{"i": i} for i in range(40)])
    index.save()
    reader = opened(tmp_path, writable=False)
    before = reader.search(rows[:3], 10, parse("i >= 20"))
    assert not index.wants_upkeep()
    index.remove([str(i) for i in range(20)])
    index.save()
    assert index.wants_upkeep()
    index.upkeep()
    assert not index.wants_upkeep()
    assert [path.name for path in tmp_path.glob("*.f16")] == ["embeddings-1.f16"]
    assert (tmp_path / "embeddings-1.f16").stat().st_size == 20 * WIDTH * 2
    assert reader.search(rows[:3], 10, parse("i >= 20")) == before
    assert index.search(rows[:3], 10) == before
    index.add(["new"], rows[:1], [{}])
    index.save()
    assert opened(tmp_path).search(rows[:1], 1)[0][0].key == "new"


def test_files_of_embeddings_left_by_a_killed_process_are_cleared(opened, tmp_path):
    opened(tmp_path).close()
    for name in ("embeddings-7.f16", "rows-7.f32"):
        (tmp_path / name).write_bytes(b"half")
    opened(tmp_path).close()
    assert [path.name for path in tmp_path.iterdir()] == ["library.db"]


def test_another_model_is_refused_with_both_names_and_the_cure(opened, tmp_path):
    index = opened(tmp_path)
    index.note({"model": "small"})
    index.save()
    with pytest.raises(FingerprintMismatch, match=r"model f \(small\).* is g; .*--rebuild"):
        opened(tmp_path, fingerprint="g")
    with pytest.raises(FormatError, match="width 4"):
        opened(tmp_path, width=5)


def test_no_library_to_read(opened, tmp_path):
    with pytest.raises(NotFound, match="wordsight index"):
        opened(tmp_path, writable=False)
    assert list(tmp_path.iterdir()) == []


def test_a_library_of_a_later_format_is_refused(opened, tmp_path):
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / "library.db") as connection:
        connection.execute("update fact set value = '99' where name = 'format'")
    connection.close()
    with pytest.raises(FormatError, match="format 99, this program reads 2"):
        opened(tmp_path)


def test_one_writer_at_a_time(tmp_path):
    with writing(tmp_path / "x"), pytest.raises(LibraryBusy, match="another process"), writing(tmp_path / "x"):
        pass
    with writing(tmp_path / "x"):
        pass


WRITER = """
import sys
from pathlib import Path
import numpy as np
from wordsight.index import exact
from wordsight.index.exact import ExactIndex
exact.DEAD_LEAST = 30
exact.DEAD_SHARE = 0.1
index = ExactIndex.open(Path(sys.argv[1]), fingerprint="f", width=16, writable=True)
for batch in range(int(index.facts().get("batches", 0)), 10**6):
    first = batch * 20
    angles = np.arange(first, first + 20) / 8192
    rows = np.zeros((20, 16), np.float32)
    rows[:, 0], rows[:, 1] = np.sin(angles), np.cos(angles)
    index.add([str(i) for i in range(first, first + 20)], rows, [{"i": i} for i in range(first, first + 20)])
    if batch % 3 == 2:
        index.remove([str(i) for i in range(first - 20, first)])
    index.note({"batches": str(batch + 1)})
    index.save()
    if index.wants_upkeep():
        index.upkeep()
    print(batch + 1, flush=True)
"""


def test_kill_at_any_time_leaves_the_last_save(tmp_path):
    said = 0
    for lines in (1, 4, 6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(lines):
            said = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        said = max([said, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        index = ExactIndex.open(tmp_path, fingerprint="f", width=16)
        batches = int(index.facts()["batches"])
        assert batches >= said  # what was reported as saved is there
        keys = {
            str(i) for b in range(batches) for i in range(b * 20, b * 20 + 20) if not (b % 3 == 1 and b + 1 < batches)
        }
        hits = index.search(np.eye(16, dtype=np.float32)[:1], 10**6)[0]
        assert {hit.key for hit in hits} == keys
        assert all(hit.score == pytest.approx(np.sin(int(hit.key) / 8192), abs=1e-3) for hit in hits)
        assert all(hit.meta["i"] == int(hit.key) for hit in hits)
        assert index.verify() == []
        index.close()


LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
from wordsight.base.errors import StorageError
from wordsight.index.exact import ExactIndex
index = ExactIndex.open(Path(sys.argv[1]), fingerprint="f", width=8192, writable=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
try:
    for i in range(1000):
        index.add([str(i)], np.roll(np.eye(1, 8192, dtype=np.float32), i, axis=1), [{}])
        index.save()
except StorageError as error:
    print(i, error)
"""


def test_a_disk_that_fills_up_keeps_what_was_saved(tmp_path):
    run = subprocess.run([sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True)
    saved = int(run.stdout.split()[0])
    assert saved > 10
    assert "embeddings-0.f16" in run.stdout or "library.db" in run.stdout
    index = ExactIndex.open(tmp_path, fingerprint="f", width=8192)
    assert len(index) == saved


def test_an_unwritable_place_is_named(opened, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((StorageError, OSError)):
        opened(tmp_path / "file" / "library")


def test_a_deleted_index_leaves_nothing_that_would_spoil_the_next_one(opened, tmp_path):
    """A journal beside a new database would be played back into it."""
    index = opened(tmp_path)
    index.add(["a"], unit(1), [{}])
    index.save()
    index.close()
    for name in ("library.db-journal", "library.db-wal", "next.db", "embeddings-4.f16"):
        (tmp_path / name).write_bytes(b"left behind")
    (tmp_path / "lock.db").write_bytes(b"")
    (tmp_path / "embeddings-of-mine.f16").write_bytes(b"")
    ExactIndex.delete(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings-of-mine.f16", "lock.db"]


def test_damage_of_one_file_of_embeddings_is_not_that_of_the_next(opened, tmp_path):
    keys, embeddings = [f"k{i}" for i in range(300)], unit(300)
    index = opened(tmp_path)
    index.add(keys, embeddings, [{}] * 300)
    index.save()
    index.close()
    content = bytearray((tmp_path / "embeddings-0.f16").read_bytes())
    content[0] ^= 1
    (tmp_path / "embeddings-0.f16").write_bytes(content)
    reader = opened(tmp_path, writable=False)
    assert len(reader.search(unit(1), 300)[0]) == 300 - 256 and reader.noticed()
    draft = opened(tmp_path, draft=True)
    draft.add(keys, embeddings, [{}] * 300)
    draft.save()
    draft.close()
    ExactIndex.adopt(tmp_path)
    assert len(reader.search(unit(1), 300)[0]) == 300 and not reader.noticed()
