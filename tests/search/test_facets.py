"""What a search can be narrowed and widened to: counts that hold when they are acted upon."""

import json
from collections import Counter

import numpy as np
import pytest

from wordsight.base.errors import UsageError
from wordsight.index.where import parse
from wordsight.search import asking, matching
from wordsight.search.facets import FacetValue, facets, merged, quoted_column, unrestricted

COLOURS = ["red", "blue", "green", "white"]


@pytest.fixture
def shop(paint, opened, tmp_path):
    """Forty pictures with a colour, a size, a price, a day and an odd column."""
    folder = tmp_path / "shop"
    rows = []
    for i in range(40):
        colour = COLOURS[i % 4]
        paint(folder / f"{i}.png", colour, shade=i % 7)
        row = {"file": f"{i}.png", "colour": colour, "fit": "SML"[i % 3], "price": 3 * i + 1}
        row |= {"day": f"{2020 + i % 3}-05-01", "it's [odd]": "it's" if i % 2 else "not"}
        rows.append(row | ({"rare": "yes"} if i == 1 else {}))
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library = opened(folder)
    library.sync()
    return library


def test_images_alone_are_counted_among_all_images(shop, monkeypatch):
    monkeypatch.setattr(matching, "LEAST", 5)
    for query, red in ((shop.read(like=["0.png"]), 9), (shop.read("red", liked=["0.png"]), 10)):
        counted = facets(shop.count(query, ["colour"], k=1), named=True)["colour"]
        assert {one.label: one.count for one in counted} == dict.fromkeys(COLOURS, 10) | {"red": red}


def test_words_that_lift_what_is_unlike_hide_no_match(paint, opened, tmp_path, monkeypatch):
    """Those stand early in the order of both rankings, but say nothing of how far the matches reach."""
    monkeypatch.setattr(matching, "LEAST", 4)
    monkeypatch.setattr(matching, "TIMES", 1)
    folder = tmp_path / "shop"
    rows = [{"file": f"{i}.png", "colour": COLOURS[i % 4], "title": "red" if i % 4 == 1 else "a"} for i in range(40)]
    for i in range(40):
        paint(folder / f"{i}.png", COLOURS[i % 4], shade=i % 7)
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    library = opened(folder)
    library.sync()
    for k in (1, 3):
        assert labels(library.facets("red", ["colour"], min_cosine=0.5, k=k)["colour"]) == {"red": 10}
        assert library.search("red", sort="name", min_cosine=0.5, k=k).matching == 10
    expected = {"red": 10, "blue": 10}  # those with the word too, where no limit is asked for
    monkeypatch.setattr(asking, "least_for_people", lambda usual: 0.5)
    monkeypatch.setattr(
        asking, "matches_of", lambda usual, parts, query, near: [float(one.score > 0.5) for one in near]
    )
    monkeypatch.setattr(
        asking,
        "matches_of_scores",
        lambda usual, parts, query, *, first, scores: np.float64(
            [*(one.score > 0.5 for one in first), *(scores > 0.5)]
        ),
    )
    monkeypatch.setattr(asking.background, "read", lambda folder, fingerprint: fingerprint)
    assert labels(library.facets("red", ["colour"], k=1)["colour"]) == expected


def labels(values):
    return {value.label: value.count for value in values}


@pytest.mark.parametrize("where", [None, "fit = S", "price < 60 and fit in (S, M)", "not (fit = S or price > 90)"])
def test_every_count_is_what_the_search_under_that_value_matches(shop, where):
    """Also under conditions on other columns; nothing that is offered leads to nothing."""
    counted = shop.facets("red", ["colour", "fit", "price", "day", "it's [odd]"], where=where, min_cosine=0.3)
    assert len(counted) == 5
    for column, values in counted.items():
        others = None if where is None else unrestricted(parse(where), column)
        for value in values:
            assert value.count > 0
            asked = shop.read("red", where=value.where)
            if others is not None:
                asked = shop.read("red", where=f"({value.where}) and {as_text(others)}")
            assert len(shop.answer(asked, k=1000, min_cosine=0.3)) == value.count, value


def as_text(condition):
    """Write the conditions of these tests down again."""
    if hasattr(condition, "parts"):
        return " and ".join(map(as_text, condition.parts))
    if hasattr(condition, "part"):
        return f"not ({as_text(condition.part)})"
    if hasattr(condition, "values"):
        return f"{condition.column} in ({', '.join(condition.values)})"
    return f"{condition.column} {condition.operator} {condition.value}"


def test_a_restricted_column_is_counted_without_its_own_restriction(shop):
    every = shop.facets("red", ["colour", "fit"])
    some = shop.facets("red", ["colour", "fit"], where="colour = red")
    assert some["colour"] == every["colour"]
    assert labels(some["colour"]) == dict.fromkeys(COLOURS, 10)
    assert sum(labels(some["fit"]).values()) == 10
    assert sum(labels(every["fit"]).values()) == 40


def test_values_that_no_match_has_never_appear(shop):
    assert labels(shop.facets("red", ["colour"], min_cosine=0.5)["colour"]) == {"red": 10}
    assert shop.facets("red", ["rare"], min_cosine=0.5) == {"rare": []}


def test_sensible_columns_are_chosen(shop):
    chosen = shop.facets("red")
    assert {"colour", "fit", "price", "day", "it's [odd]"} <= set(chosen)
    assert not {"name", "path", "folder", "rare", "width"} & set(chosen)
    with pytest.raises(UsageError, match=r"facets: no column color; did you mean colour"):
        shop.facets("red", ["color"])


def test_numbers_of_which_most_are_the_least_one():
    counter = Counter({1: 100} | dict.fromkeys(range(5, 18), 1))
    least, others = facets({"copies": counter}, named=True)["copies"]
    assert (least.count, least.where, others.count, others.where) == (100, "copies < 5", 13, "copies >= 5")


def test_ranges_between_round_numbers_and_years(shop):
    prices = shop.facets("red", ["price"])["price"]
    assert [value.label for value in prices] == ["below 24", "24 to 48", "48 to 71", "71 to 95", "95 and more"]
    assert sum(value.count for value in prices) == 40
    assert prices[1].where == "price >= 24 and price < 48"
    days = shop.facets("red", ["day"])["day"]
    assert [(value.label, value.count) for value in days] == [("2022", 13), ("2021", 13), ("2020", 14)]
    assert days[0].where == "day >= '2022' and day < '2023'"


def test_dates_come_by_the_part_that_tells_them_apart():
    counted = facets({"one": Counter({"2020-05-01": 2, "2020-06-01T10:00:00": 3})}, named=True)
    assert counted["one"] == [
        FacetValue("2020-06", 3, "one in 2020-06"),
        FacetValue("2020-05", 2, "one in 2020-05"),
    ]
    days = facets({"one": Counter({"2020-05-01": 2, "2020-05-31": 3})}, named=True)["one"]
    assert (days[0].label, days[0].where) == ("2020-05-31", "one in 2020-05-31")
    decades = facets({"one": Counter({f"{year}-05-01": 1 for year in range(1975, 2005)})}, named=True)["one"]
    assert [(value.label, value.count) for value in decades] == [
        ("2000s", 5),
        ("1990s", 10),
        ("1980s", 10),
        ("1970s", 5),
    ]
    assert decades[1].where == "one >= '1990' and one < '2000'"
    assert [value.label for value in facets({"one": Counter({"2020-05": 1, "2020": 4})}, named=True)["one"]] == ["2020"]


def test_widths_of_few_values_come_in_ranges_too():
    counter = Counter({128: 40, 150: 5, 171: 5, 191: 4, 224: 3})
    assert [value.label for value in facets({"width": counter})["width"]] == ["below 167", "167 and more"]
    assert len(facets({"price": counter})["price"]) == 5


def test_each_tag_is_counted_and_its_condition_finds_as_many(shop):
    """Also a tag that is a part of another, and one of a single image; the most frequent come first."""
    names = [one.key for one in shop.search("red", k=40)]
    shop.note((key, {"tags": "car" if i % 2 else "caravan\nit's red"}) for i, key in enumerate(names[:9]))
    counted = shop.facets("red")["tags"]
    assert labels(counted) == {"caravan": 5, "it's red": 5, "car": 4}
    for value in counted:
        assert len(shop.answer(shop.read("red", where=value.where), k=40)) == value.count, value
    assert counted[1].where == "tags has 'it''s red'"


def test_all_counts_come_from_one_state(shop, opened, paint):
    other = opened(shop.location)
    with shop.one_look():
        before = shop.count(shop.read("red"), ["colour"])
        paint(shop.location / "new.png", "red", shade=9)
        other.sync()
        assert shop.count(shop.read("red"), ["colour", "name"])["colour"] == before["colour"]
        assert "new.png" not in shop.count(shop.read("red"), ["name"])["name"]
    assert "new.png" in shop.count(shop.read("red"), ["name"])["name"]


def test_numbers_of_few_values_are_values_and_infinite_ones_are_none():
    counts = {"n": Counter({3: 2, 1.5: 4, 2: 2})}
    assert facets(counts)["n"] == [
        FacetValue("1.5", 4, "n = 1.5"),
        FacetValue("2", 2, "n = 2"),
        FacetValue("3", 2, "n = 3"),
    ]


def test_several_libraries_count_together():
    together = merged([{"a": Counter({"x": 1})}, {"a": Counter({"x": 2, "y": 1}), "b": Counter({1: 1})}])
    assert together == {"a": Counter({"x": 3, "y": 1}), "b": Counter({1: 1})}


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("a = 1", None),
        ("a = 1 and b = 2", "b = 2"),
        ("(a = 1 or a = 2) and (b = 2 and a < 3)", "b = 2"),
        ("a = 1 or b = 2", "a = 1 or b = 2"),
        ("not (a = 1 or b = 2)", "not b = 2"),
        ("not not (a = 1 and b = 2)", "b = 2"),
        ("not (a = 1 and b = 2)", "not (a = 1 and b = 2)"),
    ],
)
def test_the_parts_of_a_condition_that_speak_of_one_column_alone(where, left):
    kept = unrestricted(parse(where), "a")
    assert (None if kept is None else stripped(kept)) == (None if left is None else stripped(parse(left)))


def stripped(condition):
    """Return a condition without its positions."""
    import re

    return re.sub(r"position=\d+", "", repr(condition))


@pytest.mark.parametrize("name", ["colour", "base colour", "not", "a]b", "2nd"])
def test_any_column_can_be_named_in_a_condition(name):
    assert parse(f"{quoted_column(name)} = 1").column == name
