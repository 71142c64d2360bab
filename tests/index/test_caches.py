"""An index that is large enough for caches answers what it answers without them, whatever changes or is lost."""

import errno
import shutil

import numpy as np
import pytest

from wordsight.base import disk
from wordsight.base.errors import StorageError
from wordsight.index import cache_file, caches, exact, int8, scan, words_cache
from wordsight.index.exact import ExactIndex
from wordsight.index.index import FileState
from wordsight.index.where import parse
from wordsight.index.words_cache import WORDS

WIDTH, COUNT = 128, 3000


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for module in (caches, scan):
        monkeypatch.setattr(module, "SMALL", 500)
    monkeypatch.setattr(int8, "BLOCK", 512)
    monkeypatch.setattr(exact, "DEAD_LEAST", 10)


def unit(count, seed):
    """Embeddings with few strong directions, as real ones have."""
    draw = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(WIDTH, WIDTH)) * (0.75 ** np.arange(WIDTH))[:, None]
    vectors = (draw.normal(size=(count, WIDTH)) @ basis).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def meta(numbers):
    return [{"number": int(n), "even": n % 2 == 0, "name": f"entry {n % 7}"} for n in numbers]


@pytest.fixture
def filled(tmp_path):
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH, writable=True) as index:
        index.add([f"k{i}" for i in range(COUNT)], unit(COUNT, 0), meta(range(COUNT)))
        index.save()
        assert index.wants_upkeep()
        index.upkeep()
        assert not index.wants_upkeep()
        yield index


class Score(float):
    """Equal to another that a sum in another order may give."""

    def __eq__(self, other):
        return abs(self - other) < 1e-5

    __hash__ = None


def answers(index, **options):
    return [
        [(hit.key, Score(hit.score), hit.meta) for hit in hits] for hits in index.search(unit(20, 5), 10, **options)
    ]


def without_caches(index, monkeypatch, **options):
    with monkeypatch.context() as patched:
        patched.setattr(caches, "SMALL", 10**9)
        return answers(index, **options)


CONDITIONS = [
    "number < 1500",
    "even = true and name = 'entry 3'",
    "number in (5, 6)",
    "not name contains '2'",
    "number > 9e9",
]


def test_answers_are_those_of_comparing_everything(filled, monkeypatch, tmp_path):
    assert (tmp_path / scan.SCAN).is_file()
    reader = ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH)
    for index in (filled, reader):
        assert not index._caches.is_exact(index._seen())
        assert answers(index) == answers(index, exact=True) == without_caches(index, monkeypatch)
        for condition in CONDITIONS:
            where = parse(condition)
            expected = without_caches(index, monkeypatch, where=where)
            assert answers(index, where=where) == answers(index, exact=True, where=where) == expected, condition
    assert list(tmp_path.glob("column-*.cache"))
    reader.close()


def test_an_exact_search_asks_no_scan(filled, monkeypatch):
    expected = without_caches(filled, monkeypatch)
    at_most = int8.Int8Scan.at_most
    monkeypatch.setattr(int8.Int8Scan, "at_most", lambda *asked: -at_most(*asked))  # a scan that is wrong
    assert answers(filled) != expected
    assert answers(filled, exact=True) == expected


def test_the_footprint_has_every_file_once_and_names_the_scan(filled, tmp_path):
    filled.keywords(["entry"], 1)
    answers(filled, where=parse("number < 9"))
    footprint = filled.footprint()
    assert footprint.scan == "int8" and footprint.embeddings == 2 * WIDTH * COUNT
    held = sum(path.stat().st_size for path in tmp_path.iterdir() if not path.name.startswith("lock"))
    assert footprint.database + footprint.embeddings + footprint.caches == held
    caches_alone = list(tmp_path.glob("*.cache"))
    assert len(caches_alone) > 2 and footprint.caches == sum(path.stat().st_size for path in caches_alone)
    for path in tmp_path.glob("*.cache"):
        path.unlink()
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
        assert reader.footprint().scan == ""


def test_what_changes_is_seen_by_the_next_query(filled, monkeypatch, tmp_path):
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
        answers(reader, where=parse("number < 9"))
        query = unit(20, 5)
        filled.add(["new", "k7"], query[:2], [{"number": 1}, {"number": 2}])
        filled.remove(["k8"])
        filled.files.record({"k9": FileState(1, 1, "h", absent=True)})
        filled.save()
        for where in (None, parse("number < 20")):
            for index in (reader, filled):
                given = answers(index, where=where)
                assert (given[0][0][0], given[1][0][0]) == ("new", "k7")
                assert not {"k8", "k9"} & {key for hits in given for key, *_ in hits}
                assert given == without_caches(index, monkeypatch, where=where)


def test_caches_are_made_again_when_they_are_stale_or_lost(filled, monkeypatch, tmp_path):
    filled.remove([f"k{i}" for i in range(0, COUNT, 2)])
    filled.save()
    assert filled.wants_upkeep()
    filled.upkeep()  # another generation of the file
    assert not filled.wants_upkeep()
    assert len(filled._caches._kernel(filled._seen())) == COUNT / 2
    assert not filled._caches.is_exact(filled._seen())
    expected = without_caches(filled, monkeypatch)
    assert answers(filled) == expected
    content = bytearray((tmp_path / scan.SCAN).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / scan.SCAN).write_bytes(content)
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
        assert reader._caches.is_exact(reader._seen())
        assert answers(reader) == expected
        assert reader.wants_upkeep()
    ExactIndex.delete(tmp_path)
    assert not list(tmp_path.glob("*.cache"))


def captions(numbers):
    return [{"number": int(n), "text": f"red shoes {n % 7}" if n % 3 else f"blue bag {n % 5}"} for n in numbers]


@pytest.fixture
def captioned(tmp_path):
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH, writable=True) as index:
        index.add([f"k{i}" for i in range(COUNT)], unit(COUNT, 0), captions(range(COUNT)))
        index.save()
        yield index


def keys(answered):
    return [[key for key, *_ in hits] for hits in answered]


def worded(index):
    return [(hit.key, hit.score) for hit in index.keywords(["blue", "3", "nothing"], 50)]


def test_words_are_made_by_upkeep_where_there_are_captions(captioned, tmp_path, monkeypatch):
    assert captioned.wants_upkeep()
    captioned.upkeep()
    assert not captioned.wants_upkeep()
    path = tmp_path / WORDS
    made = path.read_bytes()
    captioned.add(["k0", "new"], unit(2, 8), captions([0, 3]))
    captioned.save()
    with monkeypatch.context() as patched:
        patched.setattr(words_cache, "_made", None)  # nothing is made anew by a query
        expected = worded(captioned)
        with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
            assert worded(reader) == expected
    assert not captioned.wants_upkeep()
    assert path.read_bytes() == made
    monkeypatch.setattr(words_cache, "STALE_LEAST", 0)
    monkeypatch.setattr(words_cache, "STALE_SHARE", 0)
    assert captioned.wants_upkeep()
    captioned.upkeep()
    assert path.read_bytes() != made
    assert worded(captioned) == expected
    captioned.remove([f"k{i}" for i in range(1, COUNT, 3)])
    captioned.save()
    captioned.upkeep()  # another generation of the file
    assert not captioned.wants_upkeep()
    assert len(worded(captioned)) == 50


def test_a_library_without_captions_gets_no_words_before_they_are_asked_for(filled, tmp_path):
    assert not (tmp_path / WORDS).exists()
    assert len(filled.keywords(["entry"], 9)) == 9
    assert not filled.wants_upkeep()
    (tmp_path / WORDS).write_bytes(b"damaged")
    assert filled.wants_upkeep()
    filled.upkeep()
    assert not filled.wants_upkeep()


@pytest.mark.parametrize("call", ["write", "flush", "rename"])
def test_where_a_cache_cannot_be_written_answers_come_and_upkeep_says_so(captioned, tmp_path, call):
    where = parse("text contains 'red'")

    def full(made, path):
        if made == call and path.suffix == ".cache":
            raise OSError(errno.ENOSPC, "No space left on device")

    with disk.watched(full):
        given = worded(captioned), keys(answers(captioned, where=where))
        with pytest.raises(StorageError):
            captioned.upkeep()
    assert not list(tmp_path.glob("*.cache*"))
    captioned.upkeep()
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
        assert (worded(reader), keys(answers(reader, where=where))) == given


def test_a_save_that_says_nothing_of_its_changes_makes_caches_again(captioned, tmp_path):
    before = worded(captioned), answers(captioned, where=parse("text = 'changed'"))
    captioned.add(["k0"], unit(COUNT, 0)[:1], [{"text": "changed"}])
    captioned.save()
    captioned._connection.execute("delete from change")
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
        assert (worded(reader), answers(reader, where=parse("text = 'changed'"))) != before
        assert reader.keywords(["changed"], 9)[0].key == "k0"


def test_caches_of_saves_that_were_undone_are_not_used(tmp_path):
    where = parse("text = 'blue sky'")

    def save(number, text):
        """Write an entry again in a save, and return what is answered by one who opens the index after it."""
        with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH, writable=True) as index:
            index.add([f"k{number}"], unit(COUNT, 0)[number : number + 1], [{"text": text}])
            index.save()
        with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
            return [hit.key for hit in reader.keywords(["sky"], 9)], keys(answers(reader, where=where))[0]

    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH, writable=True) as index:
        index.add([f"k{i}" for i in range(COUNT)], unit(COUNT, 0), captions(range(COUNT)))
        index.save()
    backup = (tmp_path / "library.db").read_bytes()
    assert save(5, "blue sky") == (["k5"], ["k5"])
    (tmp_path / "library.db").write_bytes(backup)
    assert save(6, "blue sky") == (["k6"], ["k6"])


def test_a_reader_takes_up_a_scan_that_is_made_while_it_is_open(tmp_path):
    with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH, writable=True) as index:
        index.add([f"k{i}" for i in range(COUNT)], unit(COUNT, 0), meta(range(COUNT)))
        index.save()
        with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
            before = answers(reader)
            assert reader._caches.is_exact(reader._seen())
            index.upkeep()
            assert not reader._caches.is_exact(reader._seen())
            assert answers(reader) == before


def test_whether_a_scan_is_wanted_is_read_from_its_first_line(filled, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(cache_file, "_checksum", None)  # of all its arrays
        assert not filled.wants_upkeep()
        filled.add(["new"], unit(1, 7), [{}])
        filled.save()
        assert not filled.wants_upkeep()
        filled.add([f"new{i}" for i in range(COUNT // 20)], unit(COUNT // 20, 8), [{}] * (COUNT // 20))
        filled.save()
        assert filled.wants_upkeep()
    filled.upkeep()
    assert not filled.wants_upkeep()
    monkeypatch.setattr(int8.Int8Scan, "version", 99)  # of another program
    assert filled.wants_upkeep()


def test_what_was_added_beyond_the_steps_of_a_scan_is_found_and_widens_the_next(filled, monkeypatch):
    steps = filled._caches._kernel(filled._seen())._steps.sizes
    turned = np.ascontiguousarray(unit(1000, 9)[:, ::-1])  # others, with strong directions of their own
    filled.add([f"b{i}" for i in range(1000)], turned, [{}] * 1000)
    filled.save()
    queries, own = turned[:5], [f"b{i}" for i in range(5)]
    for made_again in (False, True):
        assert [hits[0].key for hits in filled.search(queries, 10)] == own
        assert not made_again or (filled._caches._kernel(filled._seen())._steps.sizes > 2 * steps).any()
        assert made_again or filled.wants_upkeep()
        filled.upkeep()
    assert answers(filled) == without_caches(filled, monkeypatch)


def test_a_scan_of_a_library_that_was_put_back_is_not_used_for_what_came_instead(tmp_path, monkeypatch):
    folder, backup = tmp_path / "library", tmp_path / "backup"
    folder.mkdir()
    last = unit(300, 3)  # what both end in

    def added(count, seed):
        with ExactIndex.open(folder, fingerprint="f", width=WIDTH, writable=True) as index:
            first = len(index)
            vectors = np.concatenate([unit(count, seed), last])
            index.add([f"k{first + i}" for i in range(len(vectors))], vectors, [{}] * len(vectors))
            index.save()
            wanted = index.wants_upkeep()
            index.upkeep()
        return wanted

    added(700, 0)
    shutil.copytree(folder, backup)
    added(800, 1)
    kept = (folder / scan.SCAN).read_bytes()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    (folder / scan.SCAN).write_bytes(kept)
    assert added(800, 2)
    (folder / scan.SCAN).write_bytes(kept)
    with ExactIndex.open(folder, fingerprint="f", width=WIDTH) as reader:
        assert reader.wants_upkeep() and reader._caches.is_exact(reader._seen())
        found = [hits[0].key for hits in reader.search(unit(800, 2), 1)]
        assert found == [f"k{1000 + i}" for i in range(800)]


def test_whoever_sees_the_compacted_file_finds_its_scan(filled, monkeypatch, tmp_path):
    exact_then, commit = [], ExactIndex._commit

    def committed(index, facts):
        state = commit(index, facts)
        with ExactIndex.open(tmp_path, fingerprint="f", width=WIDTH) as reader:
            exact_then.append(reader._caches.is_exact(reader._seen()))
        return state

    filled.remove([f"k{i}" for i in range(0, COUNT, 2)])
    filled.save()
    monkeypatch.setattr(ExactIndex, "_commit", committed)
    filled.upkeep()
    assert exact_then == [False]


def test_a_compaction_that_fails_leaves_a_scan_that_answers_right(filled, monkeypatch):
    filled.remove([f"k{i}" for i in range(0, COUNT, 2)])
    filled.save()
    expected = without_caches(filled, monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(ExactIndex, "_commit", lambda index, facts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            filled.upkeep()
    filled._connection.execute("rollback")
    filled._writing, filled._layout = False, None
    assert answers(filled) == expected
    assert filled.wants_upkeep()
    filled.upkeep()
    assert not filled._caches.is_exact(filled._seen())
    assert answers(filled) == expected


def test_where_there_is_room_for_the_embeddings_alone_the_library_compacts_and_then_makes_its_scan(filled, tmp_path):
    freed = []

    def full_until_compacted(call, path):
        if call == "unlink" and path.suffix == ".f16":
            freed.append(path.name)
        if path.name == "scan.cache" and not freed:
            raise OSError(errno.ENOSPC, "No space left on device")

    filled.remove([f"k{i}" for i in range(0, COUNT, 2)])
    filled.save()
    with disk.watched(full_until_compacted):
        filled.upkeep()
    assert freed == ["embeddings-0.f16"]
    assert [path.name for path in tmp_path.glob("*.f16")] == ["embeddings-1.f16"]
    assert filled.footprint().scan and not filled.wants_upkeep()


def test_a_disk_without_room_for_a_scan_is_said_after_the_compaction(filled, tmp_path):
    def full(call, path):
        if path.name == "scan.cache":
            raise OSError(errno.ENOSPC, "No space left on device")

    filled.remove([f"k{i}" for i in range(0, COUNT, 2)])
    filled.save()
    with disk.watched(full), pytest.raises(StorageError, match="full"):
        filled.upkeep()
    assert [path.name for path in tmp_path.glob("*.f16")] == ["embeddings-1.f16"]
