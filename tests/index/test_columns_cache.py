"""Columns as arrays: the same rows as `matches` says, whatever the values and changes, and no file of something else."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import FormatError, StorageError
from wordsight.index import columns_cache
from wordsight.index.columns_cache import ColumnsCache, column_of, column_path, read_column, write_column
from wordsight.index.like import holds_text
from wordsight.index.rows import SavedState
from wordsight.index.sorted_texts import SortedTexts
from wordsight.index.where import Among, Between, Both, Compare, Either, Missing, Not, matches, parse

TEXTS = st.sampled_from(
    ["", "red", "Red", "dark red", "STRASSE", "straße", "5", "\ud800", "\udce9x", "\uffff", "\U0001f600", "é"]
)
WHOLE = st.sampled_from([0, 1, -1, 5, True, 2**53 - 1, 2**53, -(2**53), 2**60])
NUMBERS = WHOLE | st.sampled_from([0.5, -0.0, 5.0, 1e300, float("inf"), float("-inf"), 2.0**53 + 2])
VALUES = st.none() | TEXTS | NUMBERS
WANTED = NUMBERS | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**60 - 1, 10**400, -(10**400), float("nan")])
ORDERS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
NAMES = st.sampled_from(["a", "b"])
LEAVES = (
    st.builds(Compare, NAMES, ORDERS, WANTED | TEXTS, st.just(1))
    | st.builds(
        Compare, NAMES, st.sampled_from(["contains", "like"]), TEXTS | st.sampled_from(["%r_d", "%", "_"]), st.just(1)
    )
    | st.builds(Among, NAMES, st.lists(WANTED | TEXTS, min_size=1, max_size=4).map(tuple), st.just(1))
    | st.builds(Missing, NAMES, st.just(1))
    | st.builds(Between, NAMES, WANTED.filter(lambda one: one == one), WANTED, st.just(1))
    | st.builds(Between, NAMES, TEXTS, TEXTS, st.just(1))
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Both, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Either, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


class Entries:
    """Entries of which each state but the first says what it changed: metadata by position, None for a removed one."""

    def __init__(self, meta, state=SavedState("library", 1, 0, 0), changes=None):
        self.meta, self.count, self.changes = meta, len(meta), changes or {}
        self.state = replace(state, count=self.count)
        self.read = []

    def changed(self, state):
        later = set(range(state.version + 1, self.state.version + 1))
        if state.version > self.state.version or state.key != self.state.key or not later <= set(self.changes):
            return None
        again = {row for version in later for row in self.changes[version]}
        return np.array([*sorted(row for row in again if row < state.count), *range(state.count, self.count)], np.int64)

    def values(self, name, rows=None):
        asked = list(range(self.count)) if rows is None else rows.tolist()
        self.read.append((name, len(asked)))
        there = [row for row in asked if self.meta[row].get(name) is not None]
        return np.array(there, np.int64), [self.meta[row][name] for row in there]

    def later(self, changed, added=()):
        """Return the next state, with other metadata at some positions and more of them."""
        meta = [changed.get(row, one) for row, one in enumerate(self.meta)] + list(added)
        version = self.state.version + 1
        return Entries(meta, replace(self.state, version=version), self.changes | {version: list(changed)})


def of(*values):
    """Return the column that has these values at the first rows, None for none."""
    rows = [row for row, value in enumerate(values) if value is not None]
    return column_of(np.array(rows, np.int64), [values[row] for row in rows], len(values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("columns")


META = st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES})


@settings(max_examples=500, deadline=None)
@given(meta=st.lists(META, max_size=12), condition=CONDITIONS)
def test_a_mask_is_what_matches_says(folder, meta, condition):
    expected = [matches(condition, one) for one in meta]
    for path in folder.iterdir():
        path.unlink()
    for rows in (Entries(meta), Entries([{}] * len(meta))):  # the second can only read the files
        mask = ColumnsCache(folder).mask(condition, rows)
        assert mask.dtype == bool and mask.tolist() == expected


@settings(max_examples=300, deadline=None)
@given(
    meta=st.lists(META, min_size=1, max_size=8),
    steps=st.lists(
        st.tuples(st.dictionaries(st.integers(0, 7), META, max_size=4), st.lists(META, max_size=3)), max_size=4
    ),
    conditions=st.lists(CONDITIONS, min_size=5, max_size=5),
)
def test_a_column_that_was_brought_up_to_date_is_the_one_made_anew(folder, meta, steps, conditions):
    for path in folder.iterdir():
        path.unlink()
    rows, cache = Entries(meta), ColumnsCache(folder)
    cache.mask(conditions[0], rows)
    for condition, (changed, added) in zip(conditions[1:], steps, strict=False):
        rows = rows.later({row: one for row, one in changed.items() if row < rows.count}, added)
        expected = [matches(condition, one) for one in rows.meta]
        for one in (cache, ColumnsCache(folder)):  # the second has the file of an earlier state
            assert one.mask(condition, rows).tolist() == expected


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**400, float("nan")])
def test_a_number_that_float64_does_not_hold_gives_no_mask(tmp_path, value):
    meta = [{"a": 1, "b": 2}, {"a": value}, {"a": "text"}]
    for rows in (Entries(meta), Entries([{}] * 3)):
        cache = ColumnsCache(tmp_path)
        assert cache.mask(parse("a = 1"), rows) is None
        assert cache.mask(parse("b = 2 and a is null"), rows) is None
        assert cache.mask(parse("b = 2"), rows).tolist() == [True, False, False]
    assert cache.mask(parse("b = 2"), rows.later({0: {"b": value}})) is None


def test_a_column_nobody_has_is_missing_everywhere(tmp_path):
    cache, rows = ColumnsCache(tmp_path), Entries([{}, {}])
    assert cache.mask(parse("a is null"), rows).tolist() == [True, True]
    assert cache.mask(parse("a != 1"), rows).tolist() == [False, False]


def test_a_column_is_read_once_and_only_when_named_then_only_what_changed(tmp_path):
    rows, cache = Entries([{"a": 1}] * 9), ColumnsCache(tmp_path)
    cache.mask(parse("a = 1 or a = 2"), rows)
    cache.mask(parse("a = 1"), rows)
    ColumnsCache(tmp_path).mask(parse("a = 1"), rows)
    assert rows.read == [("a", 9)]
    later = rows.later({3: {"a": 2}}, [{"a": 3}])
    cache.mask(parse("a = 1"), later)
    cache.mask(parse("a = 1"), later)
    assert later.read == [("a", 2)]
    unknown = Entries(rows.meta, replace(rows.state, version=4))
    cache.mask(parse("a = 1"), unknown)
    assert unknown.read == [("a", 9)]
    cache.mask(parse("a = 1"), rows)  # a reader's earlier state
    assert rows.read == [("a", 9), ("a", 9)]


def test_a_file_is_written_again_when_much_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr(columns_cache, "STALE_LEAST", 2)
    rows, cache = Entries([{"a": f"text {i}"} for i in range(9)]), ColumnsCache(tmp_path)
    cache.mask(parse("a = 1"), rows)
    path = column_path(tmp_path, "a")
    for version in (2, 3, 4):
        rows = rows.later({version: {"a": f"other {version}"}})
        assert cache.mask(parse("a like 'other%'"), rows).sum() == version - 1
        assert read_column(path, "a", key="library")[0].version == (4 if version == 4 else 1)


def test_a_column_of_which_much_has_changed_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(columns_cache, "STALE_LEAST", 2)
    rows, cache = Entries([{"a": i} for i in range(9)]), ColumnsCache(tmp_path)
    cache.mask(parse("a = 1"), rows)
    rows = rows.later({row: {"a": 1} for row in range(4)})
    assert cache.mask(parse("a = 1"), rows).sum() == 4
    assert rows.read == [("a", 9)]


def test_texts_that_nobody_has_any_more_do_not_pile_up(tmp_path, monkeypatch):
    monkeypatch.setattr(columns_cache, "STALE_LEAST", 1)
    rows, cache = Entries([{"a": f"{i}"} for i in range(20)]), ColumnsCache(tmp_path)
    for version in range(60):
        rows = rows.later({version % 20: {"a": f"other {version}"}})
        cache.mask(parse("a = b"), rows)
    assert len(cache._held["a"].column.texts) <= 2 * 20 + 1


def test_where_nothing_may_be_written_the_answer_comes_all_the_same(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise StorageError("no room")

    monkeypatch.setattr(columns_cache, "write_cache", refused)
    assert ColumnsCache(tmp_path).mask(parse("a = 1"), Entries([{"a": 1}])).tolist() == [True]


def test_a_damaged_column_and_one_of_something_else_are_made_again(tmp_path):
    rows = Entries([{"a": "red", "b": "blue"}, {"a": "blue", "b": "red"}])
    cache = ColumnsCache(tmp_path)
    cache.mask(parse("a = red or b = red"), rows)
    path, other = column_path(tmp_path, "a"), column_path(tmp_path, "b")
    whole = path.read_bytes()
    for content in (whole[:-1], other.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(FormatError):
            read_column(path, "a", key="library")
        assert ColumnsCache(tmp_path).mask(parse("a = red"), rows).tolist() == [True, False]
        assert path.read_bytes() == whole
    rows = Entries(rows.meta[::-1], replace(rows.state, key="another"))
    assert ColumnsCache(tmp_path).mask(parse("a = red"), rows).tolist() == [False, True]


def test_columns_of_any_name_have_files_of_their_own(tmp_path):
    names = ["a", "A", "../a", "\udce9", "", "a" * 5000]
    paths = {column_path(tmp_path, name) for name in names}
    assert len(paths) == len(names) and {path.parent for path in paths} == {tmp_path}


def test_a_column_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "column"
    state = SavedState("k", 3, 12345, 4)
    write_column(path, of(1.5, None, "b", "a"), "a", state)
    read, column = read_column(path, "a", key="k")
    assert (read, column.exact) == (state, True)
    np.testing.assert_array_equal(column.numbers, [1.5, np.nan, np.nan, np.nan])
    assert column.ranks.tolist() == [-1, -1, 1, 0] and column.texts[:] == ["a", "b"]
    with pytest.raises(FormatError) as caught:
        read_column(path, "b", key="k")
    assert str(caught.value) == f"{path} is not of the column 'b' of this library; delete {path}"


def test_texts_are_sorted_by_code_points_and_read_like_a_list():
    values = ["\U0001f600", "\uffff", "b", "a", "\ud800", "b"]
    column = of(*values, None)
    assert list(column.texts) == sorted(set(values)) and column.texts[1:3] == ["b", "\ud800"]
    assert column.ranks.tolist() == [4, 3, 1, 0, 2, 1, -1]
    assert not len(column.numbers)
    with pytest.raises(IndexError):
        column.texts[5]
    assert np.isnan(of(None, 2).numbers[0])


@given(one=st.sets(TEXTS), other=st.sets(TEXTS))
def test_texts_of_two_orders_are_put_into_one(one, other):
    merged, own, others = SortedTexts.of(sorted(one)).merged(SortedTexts.of(sorted(other)))
    assert list(merged) == sorted(one | other)
    assert [merged[rank] for rank in own] == sorted(one) and [merged[rank] for rank in others] == sorted(other)


LETTERS = "abABß\u017f\u212a\u0130é\u0301\ud800"  # of several cases; some become others, or two


@settings(max_examples=300, deadline=None)
@given(st.sets(st.text(LETTERS, max_size=5), max_size=8), st.text(LETTERS, max_size=3))
def test_texts_that_hold_a_part_are_those_that_hold_it_one_by_one(texts, part):
    ordered = sorted(texts)
    assert SortedTexts.of(ordered).holding(part).tolist() == [holds_text(text, part) for text in ordered]
