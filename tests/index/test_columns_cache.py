"""Columns as arrays: the same rows as `matches` says, whatever the values, and no file that is not this version's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.base.errors import FormatError
from wordsight.index.columns_cache import ColumnsCache, column_of, column_path, read_column, write_column
from wordsight.index.where import Among, Both, Compare, Either, Missing, Not, matches, parse

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


def cache_of(folder, meta, version=1):
    def values(name):
        return ((row, one[name]) for row, one in enumerate(meta) if name in one)

    return ColumnsCache(folder, version=version, rows=len(meta), values=values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("columns")


@settings(max_examples=500, deadline=None)
@given(meta=st.lists(st.fixed_dictionaries({}, optional={"a": VALUES, "b": VALUES}), max_size=12), condition=CONDITIONS)
def test_a_mask_is_what_matches_says(folder, meta, condition):
    expected = [matches(condition, one) for one in meta]
    for path in folder.iterdir():
        path.unlink()
    for cache in (cache_of(folder, meta), cache_of(folder, [{}] * len(meta))):  # the second can only read the files
        mask = cache.mask(condition)
        assert mask.dtype == bool and mask.tolist() == expected


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**400, float("nan")])
def test_a_number_that_float64_does_not_hold_gives_no_mask(tmp_path, value):
    meta = [{"a": 1, "b": 2}, {"a": value}, {"a": "text"}]
    for cache in (cache_of(tmp_path, meta), cache_of(tmp_path, [{}] * 3)):
        assert cache.mask(parse("a = 1")) is None
        assert cache.mask(parse("b = 2 and a is null")) is None
        assert cache.mask(parse("b = 2")).tolist() == [True, False, False]


def test_a_column_nobody_has_is_missing_everywhere(tmp_path):
    cache = cache_of(tmp_path, [{}, {}])
    assert cache.mask(parse("a is null")).tolist() == [True, True]
    assert cache.mask(parse("a != 1")).tolist() == [False, False]


def test_a_column_is_asked_for_once_and_only_when_named(tmp_path):
    asked = []

    def values(name):
        asked.append(name)
        return [(0, 1)]

    def new(version, rows=2):
        return ColumnsCache(tmp_path, version=version, rows=rows, values=values)

    cache = new(1)
    cache.mask(parse("a = 1 or a = 2"))
    cache.mask(parse("a = 1"))
    assert asked == ["a"]
    new(1).mask(parse("a = 1"))
    assert asked == ["a"]
    new(2).mask(parse("a = 1"))  # another version
    assert asked == ["a", "a"]
    new(2, rows=3).mask(parse("a = 1"))  # more rows
    assert asked == ["a", "a", "a"]


def test_nothing_is_written_where_nothing_may_be_kept(tmp_path):
    cache = cache_of(tmp_path, [{"a": 1}])
    assert cache.mask(parse("a = 1"), keep=False).tolist() == [True]
    assert not list(tmp_path.iterdir())


def test_a_damaged_column_is_made_again(tmp_path):
    meta = [{"a": "red"}, {"a": "blue"}]
    cache_of(tmp_path, meta).mask(parse("a = red"))
    path = column_path(tmp_path, "a")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError):
        read_column(path, version=1, rows=2)
    assert cache_of(tmp_path, meta).mask(parse("a = red")).tolist() == [True, False]
    assert read_column(path, version=1, rows=2).texts[:] == ["blue", "red"]


def test_columns_of_any_name_have_files_of_their_own(tmp_path):
    names = ["a", "A", "../a", "\udce9", "", "a" * 5000]
    paths = {column_path(tmp_path, name) for name in names}
    assert len(paths) == len(names) and {path.parent for path in paths} == {tmp_path}


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "column"
    write_column(path, column_of([(0, 1.5)], 2), version=3, rows=2)
    assert read_column(path, version=3, rows=2).numbers[0] == 1.5
    with pytest.raises(FormatError) as caught:
        read_column(path, version=4, rows=2)
    assert str(caught.value) == f"{path} is of version 3, not 4; delete {path}"


def test_texts_are_sorted_by_code_points_and_read_like_a_list():
    values = ["\U0001f600", "\uffff", "b", "a", "\ud800", "b"]
    column = column_of(enumerate(values), 7)
    assert list(column.texts) == sorted(set(values)) and column.texts[1:3] == ["b", "\ud800"]
    assert column.ranks.tolist() == [4, 3, 1, 0, 2, 1, -1]
    assert not len(column.numbers)
    with pytest.raises(IndexError):
        column.texts[5]
    assert np.isnan(column_of([(1, 2)], 2).numbers[0])
