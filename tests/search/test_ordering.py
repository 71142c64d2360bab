"""Sorted matches: by any column, missing values last, with their number."""

import json

import pytest

from wordsight.base.errors import UsageError
from wordsight.index.where import WhereError, check, parse
from wordsight.search.ordering import ColumnOrder, in_order, read_order

COLUMNS = ["price", "mtime", "odd desc", "-odd"]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("price", ColumnOrder("price")),
        ("-price", ColumnOrder("price", falling=True)),
        ("price desc", ColumnOrder("price", falling=True)),
        ("mtime ASC", ColumnOrder("mtime")),
        ("odd desc", ColumnOrder("odd desc")),
        ("odd desc desc", ColumnOrder("odd desc", falling=True)),
        ("-odd", ColumnOrder("-odd")),
    ],
)
def test_an_order_is_a_column_and_a_direction(text, order):
    assert read_order(text, COLUMNS) == order


def test_an_unknown_column_names_the_near_ones():
    with pytest.raises(UsageError, match=r"sort: no column prize; did you mean price\?"):
        read_order("-prize", COLUMNS)


@pytest.mark.parametrize(
    ("falling", "expected"), [(False, [2, 10, "a", "B", None, ""]), (True, ["B", "a", 10, 2, None, ""])]
)
def test_numbers_before_text_whatever_its_case_and_missing_ones_last(falling, expected):
    items = [None, "B", 10, "a", "", 2]
    assert in_order(items, ColumnOrder("x", falling=falling), lambda one: {"x": one}) == expected


def test_equal_values_keep_their_order():
    items = [(1, "b"), (0, "x"), (1, "a")]
    for falling in (False, True):
        ordered = in_order(items, ColumnOrder("x", falling=falling), lambda one: {"x": one[0]})
        assert [name for number, name in ordered if number] == ["b", "a"]


@pytest.fixture
def shop(paint, opened, tmp_path):
    """Eight pictures with prices in a table; one has none."""
    folder = tmp_path / "shop"
    rows = []
    for i, colour in enumerate(["red", "red", "red", "blue", "blue", "green", "white", "red"]):
        paint(folder / f"{i}.png", colour, shade=i)
        rows.append({"file": f"{i}.png", "price": None if i == 1 else 10 * i})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library = opened(folder)
    library.sync()
    return library


def test_the_matches_are_sorted_not_the_nearest_first_hits(shop):
    hits = shop.search("red", k=2, sort="-price", min_cosine=0.5)
    assert [hit.meta["price"] for hit in hits] == [70, 20]
    assert (hits.matching, hits.is_cut) == (4, True)
    assert [hit.key for hit in shop.search("red", sort="price", min_cosine=0.5)] == ["0.png", "2.png", "7.png", "1.png"]


def test_without_a_least_score_the_nearest_are_sorted(shop):
    hits = shop.search("red", k=3, sort="price desc")
    assert [hit.meta["price"] for hit in hits] == [70, 60, 50]
    assert (hits.matching, hits.is_cut) == (8, False)


def test_more_matches_than_are_asked_for_at_first_are_all_counted(shop, monkeypatch):
    monkeypatch.setattr("wordsight.search.matching.LEAST", 1)
    monkeypatch.setattr("wordsight.search.matching.TIMES", 1)
    hits = shop.search("red", k=1, sort="-price", min_cosine=0.5)
    assert (hits[0].meta["price"], hits.matching) == (70, 4)


def test_orders_that_nobody_can_mean(shop):
    for wrong in ("", "-", 3):
        with pytest.raises(UsageError, match="sort = "):
            shop.search("red", sort=wrong)
    with pytest.raises(UsageError, match="no argument sorted; did you mean sort"):
        shop.search("red", sorted="price")


def test_a_column_that_photos_may_state_is_told_from_a_misspelt_one():
    with pytest.raises(UsageError, match="no column taken; no photo here states it"):
        read_order("-taken", ["price"])
    with pytest.raises(WhereError, match="no column camera at character 1; no photo here states it"):
        check(parse("camera contains nikon"), {})
