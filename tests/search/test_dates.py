"""Text that is no date is refused where a column holds dates, which it would be compared with as text."""

import os

import pytest

from wordsight.index.where import WhereError
from wordsight.search.library import open_library


@pytest.fixture
def library(photos, model):
    (photos / "metadata.csv").write_text(
        "file,day,colour,season\n"
        "a/red.png,2025-06-01,red,2025-06\na/blue.png,2024-05-31,blue,2025-07-01\ntop.png,,pink,spring\n"
    )
    for name, seconds in (("a/red.png", 1_748_779_200), ("a/blue.png", 1_751_328_000)):  # 2025-06-01, 2025-07-01
        os.utime(photos / name, (seconds, seconds))
    with open_library(photos, model=model) as library:
        library.sync()
        yield library


@pytest.mark.parametrize(
    "where",
    [
        "mtime > yesterday",
        "mtime < today",
        "not mtime >= 'last week'",
        "colour = red or mtime <= 2025-6-1",
        "day > 01.06.2025",
        "day >= 2025-13",
        "mtime < 2024-02-31",
        "mtime < 2025-02-29",
        "day > 2024-04-31T10:00",
        "mtime < 2025-06-01T25:00",
        "mtime < '2025-06-01 10:61'",
        "day < junk",
        "day = yesterday",
        "day in ('2025-06-01', 'today')",
        "mtime != '30/06/2025'",
    ],
)
def test_what_is_no_date_is_refused(library, where):
    with pytest.raises(
        WhereError, match=r"is no date at character \d+; write dates as in (day|mtime) > 20\d\d-\d\d-\d\d or"
    ):
        library.search("red", where=where)


@pytest.mark.parametrize("where", ["mtime = 2025-06", "mtime = 2025-06-01", "day in (2025-06)", "mtime != '2025'"])
def test_a_beginning_equals_no_date(library, where):
    with pytest.raises(WhereError, match=r"is only the beginning of a date at character 1; .* write \w+ in 2025"):
        library.search("red", where=where)


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ("mtime >= '2025' and mtime < 2025-06-02", ["a/red.png"]),
        ("mtime >= 2025-06 and mtime < 2025-07", ["a/red.png"]),
        ("mtime <= 2025-06-01T12:00:00Z and mtime > 2025-06-01T11", ["a/red.png"]),
        ("day >= 2025-06", ["a/red.png"]),
        ("day > 2024-02-29", ["a/blue.png", "a/red.png"]),
        ("day < 2025-12-31T23:59:60Z", ["a/blue.png", "a/red.png"]),
        ("day = 2025-06-01", ["a/red.png"]),
        ("day like '2024%'", ["a/blue.png"]),
        ("colour > blue", ["a/red.png", "top.png"]),  # no column of dates
        ("season > june", ["top.png"]),  # nor is this
        ("season = 2025-06", ["a/red.png"]),
        ("colour = today", []),
        ("name > r", ["a/red.png", "b/white.png", "top.png"]),
    ],
)
def test_dates_their_beginnings_and_other_text_are_compared(library, where, keys):
    assert sorted(hit.key for hit in library.search("red", where=where)) == keys


def test_facets_refuse_it_too(library):
    with pytest.raises(WhereError, match="'yesterday' is no date"):
        library.facets("red", ["day"], where="mtime > yesterday")
