"""One suite over every row of the table of indexes."""

import numpy as np
import pytest

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.optional import resolve
from wordsight.index.index import INDEXES

WIDTH = 8


@pytest.fixture(params=INDEXES)
def index(request, tmp_path):
    opened = resolve(INDEXES[request.param]).open(tmp_path, fingerprint="f", width=WIDTH, writable=True)
    yield opened
    opened.close()


def unit(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fill(index, count=50):
    rows = unit(count)
    keys = [f"k{i}" for i in range(count)]
    index.add(keys, rows, [{"number": i, "even": i % 2 == 0, "name": f"entry {i}"} for i in range(count)])
    index.save()
    return keys, rows


def test_answers_are_the_largest_cosines_in_order(index):
    keys, rows = fill(index)
    queries = unit(5, seed=1)
    expected = np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :7]
    answers = index.search(queries, 7)
    assert [[hit.key for hit in hits] for hits in answers] == [[keys[i] for i in row] for row in expected]
    np.testing.assert_allclose([hit.score for hit in answers[0]], np.sort(queries[0] @ rows.T)[::-1][:7], atol=1e-6)


def test_filters_before_ranking(index):
    _, rows = fill(index)
    hits = index.search(rows[:1], 5, "number >= 45")[0]
    assert {hit.key for hit in hits} == {"k45", "k46", "k47", "k48", "k49"}
    assert len(index.search(rows[:1], 40, "even = true")[0]) == 25
    assert index.search(rows[:1], 5, "number > 1000") == [[]]


def test_hits_carry_metadata_without_the_missing(index):
    index.add(["a", "b"], unit(2), [{"x": 1, "t": "ä"}, {"x": None, "y": 2.5, "on": True}])
    hits = {hit.key: hit.meta for hit in index.search(unit(1), 2)[0]}
    assert hits == {"a": {"x": 1, "t": "ä"}, "b": {"y": 2.5, "on": 1}}


def test_adding_again_replaces(index):
    _, rows = fill(index)
    index.add(["k3"], -rows[3:4], [{"number": 1003}])
    hits = index.search(-rows[3:4], 1)[0]
    assert (hits[0].key, hits[0].meta) == ("k3", {"number": 1003})
    assert len(index) == 50
    assert [hit.key for hit in index.search(rows[3:4], 50)[0]].count("k3") == 1


def test_removed_entries_are_never_answered(index):
    _, rows = fill(index)
    index.remove(["k3", "k4"])
    assert len(index) == 48
    assert not {"k3", "k4"} & {hit.key for hit in index.search(rows[3:5], 50)[0]}
    with pytest.raises(NotFound, match="k3"):
        index.remove(["k3"])


def test_an_empty_index_answers_nothing(index):
    assert index.search(unit(2), 3) == [[], []]
    index.add([], unit(0), [])
    assert len(index) == 0


def test_keys_of_every_kind(index):
    keys = ["", "a\nb", "ü/ß.jpg", "x" * 3000, "\udcff.jpg", "'; drop table entry", "7"]
    index.add(keys, unit(len(keys)), [{"path": key} for key in keys])
    index.save()
    hits = index.search(unit(1), len(keys))[0]
    assert sorted(hit.key for hit in hits) == sorted(keys)
    assert all(hit.meta["path"] == hit.key for hit in hits)
    index.remove(keys)
    assert len(index) == 0


def test_columns_that_differ_only_in_case_or_are_odd(index):
    meta = {"Price": 1, "price": 2, "base colour": "red", "select": 3, 'a"b': 4}
    index.add(["a"], unit(1), [meta])
    assert index.search(unit(1), 1)[0][0].meta == meta
    assert index.search(unit(1), 1, "Price = 1 and price = 2 and [base colour] = red and select = 3")[0]


@pytest.mark.parametrize("call", ["lengths", "twice", "k"])
def test_wrong_calls(index, call):
    with pytest.raises(UsageError):
        if call == "lengths":
            index.add(["a"], unit(2), [{}])
        elif call == "twice":
            index.add(["a", "a"], unit(2), [{}, {}])
        else:
            index.search(unit(1), 0)
