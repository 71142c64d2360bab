"""Several calls of one state, and samples: of every row of the table of indexes, and of one that was made up here."""

import numpy as np
import pytest

from wordsight.index.index import FileState
from wordsight.index.where import parse

WIDTH = 8


@pytest.fixture
def index(opened):
    return opened()


def unit(count):
    return np.eye(count, WIDTH, dtype=np.float32)[:, ::-1] if count <= WIDTH else None


def keys_of(index):
    return [hit.key for hit in index.search(np.full((1, WIDTH), WIDTH**-0.5, np.float32), 999)[0]]


def test_one_look_sees_one_save(opened, index):
    index.add(["a"], unit(1), [{}])
    index.save()
    reader = opened(writable=False)
    with reader.one_look():
        assert keys_of(reader) == ["a"]
        index.add(["b"], unit(1), [{"x": 1}])
        index.files.record({"a": FileState(1, 1, "h", absent=True)})
        index.save()
        with reader.one_look():
            assert (keys_of(reader), len(reader), reader.columns(), reader.files.states()) == (["a"], 1, {}, {})
        assert keys_of(reader) == ["a"]
    assert keys_of(reader) == ["b"]
    assert [hit.key for hit in reader.search(unit(1), 9, absent=True)[0]] == ["a", "b"]
    assert len(reader.entries(["a", "b"])) == len(reader) == 2


def test_a_sample_is_spread_over_what_is_there(index):
    rows = unit(8)
    index.add([f"k{i}" for i in range(8)], rows, [{}] * 8)
    index.save()
    index.files.record({"k0": FileState(1, 1, "h", absent=True)})
    np.testing.assert_array_equal(index.sample(3), rows[[1, 3, 5]])
    np.testing.assert_array_equal(index.sample(99), rows[1:])
    index.remove([f"k{i}" for i in range(8)])
    assert index.sample(3).shape == (0, WIDTH)


@pytest.mark.parametrize("condition", [None, "number >= 45", "number > 1000"])
@pytest.mark.parametrize("absent", [False, True])
def test_exact_answers_are_those_of_an_ordinary_search(index, condition, absent):
    drawn = np.random.default_rng(0).normal(size=(55, WIDTH)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    index.add([f"k{i}" for i in range(50)], drawn[:50], [{"number": i} for i in range(50)])
    index.files.record({"k46": FileState(1, 1, "h", absent=True)})
    index.save()
    asked = {"where": parse(condition) if condition else None, "absent": absent}
    ordinary, exact = (
        [[(hit.key, round(hit.score, 5)) for hit in hits] for hits in index.search(drawn[50:], 7, **asked, **more)]
        for more in ({}, {"exact": True})
    )
    assert exact == ordinary
    left = {None: 7, "number >= 45": 4 + absent, "number > 1000": 0}[condition]
    assert [len(hits) for hits in exact] == [left] * 5


def test_a_footprint_counts_bytes_and_so_few_need_no_scan(index):
    index.add(["a"], unit(1), [{}])
    index.save()
    footprint = index.footprint()
    assert min(footprint.database, footprint.embeddings, footprint.caches) >= 0
    assert footprint.scan == ""


@pytest.mark.parametrize("condition", [None, "number >= 45", "number > 1000"])
@pytest.mark.parametrize("absent", [False, True])
def test_ranked_keys_are_those_of_a_search(index, condition, absent):
    drawn = np.random.default_rng(0).normal(size=(51, WIDTH)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    index.add([f"k{i}" for i in range(50)], drawn[:50], [{"number": i} for i in range(50)])
    index.files.record({"k46": FileState(1, 1, "h", absent=True)})
    index.save()
    where = None if condition is None else parse(condition)
    near = index.search(drawn[50:], 99, where, absent=absent)[0]
    for k in (0, 1, 7, 99):
        ranked = index.ranked(drawn[50], k, where, absent=absent)
        assert ranked.keys == [one.key for one in near[:k]]
        np.testing.assert_allclose(ranked.scores, [one.score for one in near[:k]])
        assert ranked.total == len(near)


def test_states_of_some_files(index):
    index.files.record(
        {"k0": FileState(1, 2, "h"), "k\udce9": FileState(3, 4, "", "broken"), "k2": FileState(5, 6, "i")}
    )
    index.save()
    assert index.files.of(["k\udce9", "k2", "other"]) == {
        "k\udce9": FileState(3, 4, "", "broken"),
        "k2": FileState(5, 6, "i"),
    }
    assert index.files.of([]) == {}


@pytest.mark.parametrize("condition", [None, "number >= 45", "number = 3", "number > 1000"])
def test_values_are_those_of_the_entries(index, condition):
    meta = [{"number": i, "text": f"t\udce9{i}"} if i % 2 else {"number": i} for i in range(50)]
    rows = np.tile(unit(8), (7, 1))[:50]
    index.add([f"k\udce9{i}" for i in range(50)], rows, meta)
    index.files.record({"k\udce946": FileState(1, 1, "h", absent=True)})
    index.save()
    where = None if condition is None else parse(condition)
    keys = [one.key for one in index.search(rows[:1], 99, where)[0]]
    expected = [(one.key, [one.meta.get("text"), one.meta.get("number"), None]) for one in index.entries(keys)]
    there = [(key, list(values)) for key, values in index.values(["text", "number", "nothing"], where)]
    assert sorted(there) == sorted(expected)


def test_each_save_has_a_name_of_its_own(opened, index):
    index.add(["a"], unit(1), [{}])
    index.save()
    reader = opened(writable=False)
    before = reader.last_save()
    assert reader.last_save() == before
    index.files.record({"a": FileState(1, 1, "h", absent=True)})
    index.save()
    assert reader.last_save() != before
