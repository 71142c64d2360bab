"""One suite over every row of the table of indexes, and over one that was made up here."""

import threading

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, FormatError, NotFound, UsageError
from wordsight.index.index import FileState, IndexEntry
from wordsight.index.open import INDEXES
from wordsight.index.where import Column, WhereError, parse

WIDTH = 8


@pytest.fixture
def index(opened):
    return opened()


def unit(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float16).astype(np.float32)  # half precision is what a store has to keep


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
    hits = index.search(rows[:1], 5, parse("number >= 45"))[0]
    assert {hit.key for hit in hits} == {"k45", "k46", "k47", "k48", "k49"}
    assert len(index.search(rows[:1], 40, parse("even = true"))[0]) == 25
    assert index.search(rows[:1], 5, parse("number > 1000")) == [[]]


@pytest.mark.parametrize("word", ["and", "or"])
def test_conditions_of_thousands_of_parts(index, word):
    _, rows = fill(index)
    condition = parse(f" {word} ".join(["number > 9"] * 3000))
    assert len(index.search(rows[:1], 50, condition)[0]) == 40
    some = parse(f"number in ({', '.join(map(str, range(-9000, 10)))}) and not (number = 3 {word} number = 3)")
    assert len(index.search(rows[:1], 50, some)[0]) == 9


@pytest.mark.parametrize(
    "condition",
    [
        "not " * 98 + "number > 9",
        "(" * 99 + "number > 9" + ")" * 99,
        "number > 9 and (even is not null or (" * 49 + "number < 0" + "))" * 49,
        "(" * 60 + "number > 9" + " and number > 9) or number > 99" * 60,
    ],
)
def test_conditions_nested_as_deep_as_they_may_be(index, condition):
    _, rows = fill(index)
    assert len(index.search(rows[:1], 50, parse(condition))[0]) == 40


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
        index.remove(["k5", "k3"])
    assert index.entries(["k5"])[0].key == "k5"
    index.remove(["k5", "k5"])
    assert len(index) == 47


def test_a_sample_is_spread_evenly_over_what_is_there(index):
    rows = unit(50)
    index.add([f"k{i}" for i in range(50)], rows, [{}] * 50)
    index.remove([f"k{i}" for i in range(0, 50, 2)])
    index.save()
    assert index.sample(100) == pytest.approx(rows[1::2])
    assert index.sample(5) == pytest.approx(rows[1::2][::5])
    index.remove([f"k{i}" for i in range(1, 50, 2)])
    assert index.sample(5).shape == (0, WIDTH)


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
    assert index.search(unit(1), 1, parse("Price = 1 and price = 2 and [base colour] = red and select = 3"))[0]


@pytest.mark.parametrize("call", ["fewer embeddings", "fewer metadata", "twice", "k"])
def test_wrong_calls(index, call):
    with pytest.raises(UsageError):
        if call == "fewer embeddings":
            index.add(["a", "b"], unit(1), [{}, {}])
        elif call == "fewer metadata":
            index.add(["a", "b"], unit(2), [{}])
        elif call == "twice":
            index.add(["a", "a"], unit(2), [{}, {}])
        else:
            index.search(unit(1), 0)


def keys_of(index):
    return [hit.key for hit in index.search(unit(1), 999)[0]]


def test_more_neighbours_than_entries_are_all_there_are(index):
    keys, embeddings = fill(index, 3)
    assert sorted(hit.key for hit in index.search(embeddings[:1], 999)[0]) == sorted(keys)
    assert len(index.search(embeddings[:1], 999, parse("number > 0"))[0]) == 2


def test_entries_are_what_was_stored_in_the_order_asked(index):
    _, embeddings = fill(index)
    entries = index.entries(["k7", "k3", "k7"])
    assert entries == [
        IndexEntry(f"k{i}", embeddings[i], {"number": i, "even": i % 2 == 0, "name": f"entry {i}"}) for i in (7, 3, 7)
    ]
    np.testing.assert_array_equal([entry.embedding for entry in entries], embeddings[[7, 3, 7]])
    assert index.entries([]) == []
    with pytest.raises(NotFound, match="none"):
        index.entries(["k1", "none"])


def test_neighbours_carry_the_embedding_that_gave_the_score(index):
    fill(index)
    index.remove(["k0", "k1"])
    index.add(["k2"], unit(1, seed=3), [{}])
    query = unit(1, seed=1)
    for hit in index.search(query, 48)[0]:
        assert hit.score == pytest.approx(float(query[0] @ hit.embedding), abs=1e-6)
        np.testing.assert_array_equal(hit.embedding, index.entries([hit.key])[0].embedding)


def test_columns_know_which_kinds_they_have_held(index):
    assert index.columns() == {}
    index.add(["a", "b"], unit(2), [{"x": 1, "mixed": "one"}, {"t": "ä", "mixed": True, "none": None}])
    index.remove(["b"])
    assert index.columns() == {
        "x": Column("x", numbers=True, texts=False),
        "mixed": Column("mixed", numbers=True, texts=True),
        "t": Column("t", numbers=False, texts=True),
    }


@pytest.mark.parametrize(("condition", "word"), [("nothing = 1", "no column nothing"), ("name = 1", "holds text")])
def test_conditions_that_do_not_fit_are_refused(index, condition, word):
    fill(index)
    with pytest.raises(WhereError, match=word):
        index.search(unit(1), 1, parse(condition))


def test_facts_are_kept_until_they_are_noted_anew(index):
    assert {"fingerprint": "f", "width": str(WIDTH)}.items() <= index.facts().items()
    index.note({"a": "1", "b": "ü"})
    index.note({"a": "2"})
    assert {"a": "2", "b": "ü", "fingerprint": "f"}.items() <= index.facts().items()


BAD = FileState(1, 2, "h2", "broken")


def test_what_was_saved_is_there_when_opened_again(opened, index):
    _, embeddings = fill(index)
    index.remove(["k1"])
    index.add(["k2"], embeddings[1:2], [{"number": 200}])
    index.files.record({"a.jpg": FileState(10, 20, "hash")})
    index.note({"model": "small"})
    index.save()
    index.close()
    for writable in (False, True):
        again = opened(writable=writable)
        assert len(again) == 49
        assert [hit.key for hit in again.search(embeddings[1:2], 1)[0]] == ["k2"]
        assert [hit.key for hit in again.search(embeddings[1:2], 9, parse("number = 200"))[0]] == ["k2"]
        assert again.files.states() == {"a.jpg": FileState(10, 20, "hash")}
        assert again.facts()["model"] == "small"


def test_what_was_not_saved_is_dropped_all_of_it(opened, index):
    index.add(["a"], unit(1), [{}])
    index.save()
    index.remove(["a"])
    index.add(["b"], unit(1), [{"new": 1}])
    index.files.record({"a.jpg": BAD})
    index.note({"model": "small"})
    index.close()
    again = opened()
    assert keys_of(again) == ["a"]
    assert (again.columns(), again.files.states(), again.facts().get("model")) == ({}, {}, None)


@pytest.mark.parametrize("change", ["files", "facts", "forgotten"])
def test_a_change_beside_the_entries_alone_is_saved_and_dropped_too(opened, index, change):
    def changing(index):
        if change == "files":
            index.files.record({"b.jpg": BAD})
        elif change == "facts":
            index.note({"a": "1"})
        else:
            index.files.forget(["a.jpg"])
        return index.files.states(), index.facts()

    index.files.record({"a.jpg": FileState(10, 20, "hash")})
    index.save()
    before = index.files.states(), index.facts()
    assert changing(index) != before
    index.close()
    again = opened()
    assert (again.files.states(), again.facts()) == before
    after = changing(again)
    again.save()
    again.close()
    last = opened(writable=False)
    assert (last.files.states(), last.facts()) == after


def test_a_reader_sees_the_last_save_and_nothing_between(opened, index):
    index.add(["a"], unit(1), [{}])
    index.save()
    reader = opened(writable=False)
    index.add(["b"], unit(1), [{"x": 1}])
    index.files.record({"b.jpg": BAD})
    index.note({"model": "small"})
    assert (keys_of(reader), len(reader), reader.columns()) == (["a"], 1, {})
    assert (reader.files.stamps(), reader.facts().get("model")) == ({}, None)
    assert (keys_of(index), len(index)) == (["a", "b"], 2)
    index.save()
    assert (keys_of(reader), len(reader), reader.files.states()) == (["a", "b"], 2, {"b.jpg": BAD})


def test_every_answer_is_of_one_state_while_another_writes(opened, index, monkeypatch):
    """Each save turns all embeddings round and gives all metadata the number of the save; no answer may mix two."""
    monkeypatch.setattr("wordsight.index.exact.DEAD_LEAST", 30)  # so that the files are exchanged in between, too
    keys = [f"k{i}" for i in range(12)]
    embeddings = unit(12)

    def write(number):
        index.add(keys, embeddings * (-1) ** number, [{"save": number} for _ in keys])
        index.save()

    write(0)
    mixed, answers = [], []

    def read():
        reader = opened(writable=False)
        while len(set(answers)) < 12 and len(answers) < 5000:
            for entries in (reader.search(embeddings[:1], 12)[0], reader.entries(keys)):
                (number,) = {entry.meta["save"] for entry in entries} if len(entries) == 12 else (None,)
                right = {
                    key: embedding * (-1) ** (number or 0) for key, embedding in zip(keys, embeddings, strict=True)
                }
                if number is None or any(not np.array_equal(e.embedding, right[e.key]) for e in entries):
                    mixed.append((number, len(entries)))
                answers.append(number)

    thread = threading.Thread(target=read)
    thread.start()
    number = 0
    while thread.is_alive():
        number += 1
        write(number)
    thread.join()
    assert mixed == []
    assert len(set(answers)) >= 12


def test_embeddings_of_another_width_are_refused_and_leave_nothing(index):
    fill(index, 3)
    with pytest.raises(FormatError, match=r"\(2, 7\).*width 8"):
        index.add(["k0", "new"], np.ones((2, 7), np.float32), [{}, {}])
    with pytest.raises(FormatError, match=r"\(8,\)"):
        index.search(np.ones(8, np.float32), 1)
    with pytest.raises(FormatError, match=r"\(1, 9\)"):
        index.search(np.ones((1, 9), np.float32), 1)
    assert sorted(keys_of(index)) == ["k0", "k1", "k2"]
    assert index.entries(["k0"])[0].meta["number"] == 0


@pytest.mark.parametrize("writable", [True, False])
def test_another_model_is_refused_with_both_names_and_the_cure(opened, index, writable):
    index.note({"model": "small"})
    index.save()
    with pytest.raises(FingerprintMismatch, match=r"model f \(small\).* is g; .*--rebuild"):
        opened(fingerprint="g", writable=writable)
    with pytest.raises(FormatError, match="width 8"):
        opened(width=5, writable=writable)
    assert opened().facts()["model"] == "small"


def test_nothing_to_read_and_nothing_left_behind(opened, folder, kind):
    with pytest.raises(NotFound, match="no library"):
        opened(writable=False)
    assert list(folder.iterdir()) == []
    INDEXES[kind]().delete(folder)
    fill(opened())
    INDEXES[kind]().delete(folder)
    assert list(folder.iterdir()) == []
    with pytest.raises(NotFound, match="no library"):
        opened(writable=False)
    assert len(opened()) == 0


RANGES = {
    "taken in 2025-06": "a",
    "taken between 2024 and 2025-05": "b",
    "not taken in 2025": "bc",
    "price between 10 and 20": "bc",
    "within 5 km of 0, -179.99": "ab",
    "not within 5 km of 0, -179.99": "c",
}


def test_ranges_and_distances(index):
    first = {"taken": "2025-06-30T23:59:59", "price": 5, "latitude": 0, "longitude": 179.99}
    second = {"taken": "2024-01-01", "price": 10, "latitude": 0.01, "longitude": -179.99}
    rows = np.eye(WIDTH, dtype=np.float32)[[0, 0, 0]]
    index.add(["a", "b", "c"], rows, [first, second, {"price": 20.0}])
    for where, expected in RANGES.items():
        assert "".join(sorted(hit.key for hit in index.search(rows[:1], 9, parse(where))[0])) == expected
