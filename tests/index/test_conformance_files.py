"""What every index knows of the files that its entries were made from; rows of the table as in test_conformance."""

import numpy as np
import pytest

from wordsight.index.index import FileState
from wordsight.index.where import parse

WIDTH = 8


@pytest.fixture
def index(opened):
    return opened()


def fill(index, count):
    rows = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows = rows.astype(np.float16).astype(np.float32)
    index.add([f"k{i}" for i in range(count)], rows, [{"number": i} for i in range(count)])
    index.save()
    return rows


BAD = FileState(1, 2, "h2", "broken")
ODD = "caf\udce9.jpg"


def test_states_of_files_are_recorded_replaced_and_forgotten(index):
    assert index.files.states() == index.files.stamps() == {}
    index.files.record({"a.jpg": FileState(10, 2**62, "hash"), "bad.jpg": BAD, ODD: FileState(3, 4, "h3")})
    assert index.files.stamps() == {"a.jpg": (10, 2**62), "bad.jpg": (1, 2), ODD: (3, 4)}
    assert index.files.states() == {"a.jpg": FileState(10, 2**62, "hash"), "bad.jpg": BAD, ODD: FileState(3, 4, "h3")}
    index.files.record({"bad.jpg": FileState(5, 6, "h5")})
    index.files.forget(["a.jpg", ODD, "unknown"])
    assert index.files.states() == {"bad.jpg": FileState(5, 6, "h5")}


def test_all_states_can_be_walked_over_in_order(index):
    keys = ["a", "b/ä.jpg", "z", "Z", "", "\U0001f600", "\uffff", ODD, "caf\udce8.jpg"]
    states = {key: FileState(i, i, "h", absent=i == 2, error="broken" if i == 3 else "") for i, key in enumerate(keys)}
    index.files.record(states)
    index.save()
    for count in (1, 2, 100):
        met, last = [], None
        while some := index.files.states_after(last, count):
            assert list(some) == list(some)[:count]
            met += some.items()
            last = list(some)[-1]
        assert met == [
            (key, states[key]) for key in ["", "Z", "a", "b/ä.jpg", "z", "\uffff", "\U0001f600", "caf\udce8.jpg", ODD]
        ]
    assert index.files.states_after("zz", 2) == {key: states[key] for key in ("\uffff", "\U0001f600")}


def test_absent_files_are_known_and_their_entries_left_out_of_searches(opened, index):
    rows = fill(index, 6)
    away = FileState(10, 20, "hash", absent=True, file="p/1.jpg")
    index.files.record({f"k{i}": FileState(i, 1, "h") for i in range(6)})
    index.files.record({"k1": away, "k4": FileState(4, 1, "h", absent=True), "unknown": FileState(1, 1, "", "x", True)})
    index.save()
    for one in (index, opened(writable=False)):
        assert one.files.states()["k1"] == away
        assert one.files.stamps() == {f"k{i}": (i, 1) for i in (0, 2, 3, 5)}
        assert sorted(hit.key for hit in one.search(rows[:1], 9)[0]) == ["k0", "k2", "k3", "k5"]
        assert [hit.key for hit in one.search(rows[1:2], 1, absent=True)[0]] == ["k1"]
        condition = parse("number >= 4")
        assert [hit.key for hit in one.search(rows[:1], 9, condition)[0]] == ["k5"]
        assert sorted(hit.key for hit in one.search(rows[:1], 9, condition, absent=True)[0]) == ["k4", "k5"]
        assert (len(one), [entry.key for entry in one.entries(["k1"])]) == (6, ["k1"])
    index.files.record({"k1": FileState(10, 20, "hash", file="p/1.jpg")})
    assert [hit.key for hit in index.search(rows[1:2], 1)[0]] == ["k1"]
    index.files.record({f"k{i}": FileState(i, 1, "h", absent=True) for i in range(6)})
    assert (index.search(rows[:2], 9), index.files.stamps()) == ([[], []], {})
