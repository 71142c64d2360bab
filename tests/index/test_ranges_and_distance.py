"""`between`, `in 2025-06` and `within 5 km of`: what they are read as, what they mean, and that every store agrees."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.index.test_columns_cache import Entries

from wordsight.index.columns_cache import ColumnsCache
from wordsight.index.distance import RADIUS, distance, near_mask
from wordsight.index.exact import ExactIndex
from wordsight.index.memory import MemoryIndex
from wordsight.index.ranges import spelled_out
from wordsight.index.where import Between, Compare, Near, Not, WhereError, matches, names_of, parse

NEAR = "write for example: within 5 km of 52.52, 13.40"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("taken in 2025-06", Between("taken", "2025-06", "2025-06", 1)),
        ("taken in '2025-06'", Between("taken", "2025-06", "2025-06", 1)),
        ("taken in 2025", Between("taken", 2025, 2025, 1)),
        ("taken not in 2025-06-01T12", Not(Between("taken", "2025-06-01T12", "2025-06-01T12", 1))),
        ("taken between 2025-06-01 and 2025-06-15", Between("taken", "2025-06-01", "2025-06-15", 1)),
        ("taken BETWEEN 2024 and 2025-06", Between("taken", "2024", "2025-06", 1)),
        ("taken between 2024 and 2025", Between("taken", 2024, 2025, 1)),
        ("price not between 1.5 and 20", Not(Between("price", 1.5, 20, 1))),
        ("between = 5", Compare("between", "=", 5, 1)),
        ("between between 1 and 2", Between("between", 1, 2, 1)),
        ("a = between", Compare("a", "=", "between", 1)),
        ("within > 5", Compare("within", ">", 5, 1)),
        ("within 5 km of 52.52, 13.40", Near(52.52, 13.4, 5000.0, 1)),
        ("within .5 km of 52.52, 13.40", Near(52.52, 13.4, 500.0, 1)),
        ("within .5km of 52.52, 13.40", Near(52.52, 13.4, 500.0, 1)),
        ("within 5km of -52.52 -13.40", Near(-52.52, -13.4, 5000.0, 1)),
        ("WITHIN 200 M OF 0,0", Near(0.0, 0.0, 200.0, 1)),
        ("not within 1.5 mi of 90, -180", Not(Near(90.0, -180.0, 2414.016, 5))),
    ],
)
def test_readings(text, condition):
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a between 5", "where: 'the end' where and should stand at character 12"),
        ("a between 5 or 6", "where: 'or' where and should stand at character 13"),
        ("a between 6 and 5", "where: 6 stands behind 5 at character 1; write the smaller one first"),
        ("a between 2025-07 and 2025-06", "where: 2025-07 stands behind 2025-06 at character 1; write the smaller one"),
        ("a between 5 and x", "where: between a text and a number at character 1; give two of one kind"),
        ("a in red", "where: 'red' where an opening parenthesis should stand at character 6"),
        ("a in 5", "where: '5' where an opening parenthesis should stand at character 6"),
        ("within 5 of 52, 13", "where: '5' is no distance at character 8; give a number and m, km or mi"),
        ("within 5 parsecs of 52, 13", "where: '5parsecs' is no distance at character 8"),
        ("within -5 km of 52, 13", "where: '-5km' is no distance at character 8"),
        ("within 5 km 52, 13", f"where: '52' where of should stand at character 13; {NEAR}"),
        (
            "within 5 km of Berlin",
            f"where: 'Berlin' where a number of degrees north should stand at character 16; {NEAR}",
        ),
        ("within 5 km of 52", f"where: 'the end' where a number of degrees east should stand at character 18; {NEAR}"),
        (
            "within 5 km of 91, 13",
            "where: 91 lies on no globe at character 16; degrees north are from -90 to 90; north",
        ),
        ("within 5 km of 52, 181", "where: 181 lies on no globe at character 20; degrees east are from -180 to 180"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(WhereError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("taken in 2025", "2025 2025-06 2025-06-15 2025-06-15T23:59:59 2025-06-30T23:59:59Z 2025-12-31T00:00:00"),
        ("taken in 2025-06", "2025-06 2025-06-15 2025-06-15T23:59:59 2025-06-30T23:59:59Z"),
        ("taken in 2025-06-15", "2025-06-15 2025-06-15T23:59:59"),
        ("taken between 2025-06-01 and 2025-06-15", "2025-06-15 2025-06-15T23:59:59"),
        ("taken between 2025-06-30 and 2025", "2025-06-30T23:59:59Z 2025-12-31T00:00:00"),
        ("taken between 2024 and 2025-06-15", "2024-12-31T12:00:00 2025 2025-06 2025-06-15 2025-06-15T23:59:59"),
        ("not taken between 1900 and 2100", ""),
    ],
)
def test_the_last_day_month_or_year_is_in_a_range_as_a_whole(condition, expected):
    dates = "2024-12-31T12:00:00 2025 2025-06 2025-06-15 2025-06-15T23:59:59 2025-06-30T23:59:59Z 2025-12-31T00:00:00"
    assert [one for one in dates.split() if matches(parse(condition), {"taken": one})] == expected.split()
    assert not matches(parse("taken in 2025"), {})


def test_years_are_numbers_where_a_column_holds_numbers():
    assert matches(parse("year between 2024 and 2025"), {"year": 2025})
    assert not matches(parse("price between 10 and 20"), {"price": "15"})
    assert matches(parse("price between 10 and 20"), {"price": 20})


@given(text=st.text(max_size=6), first=st.text(max_size=3), last=st.text(min_size=1, max_size=3))
@example(text="\U0010ffff\U0010ffffx", first="", last="\U0010ffff")
@example(text="a\U0010ffffb", first="", last="a\U0010ffff")
def test_a_range_of_texts_ends_behind_all_that_begin_like_the_last(text, first, last):
    expected = first <= text and text[: len(last)] <= last
    assert matches(spelled_out(Between("a", first, last, 1)), {"a": text}) == expected


BERLIN, MUNICH, SYDNEY = (52.52, 13.405), (48.137, 11.575), (-33.8568, 151.2153)


def test_distances_are_those_of_a_sphere():
    assert distance(BERLIN, MUNICH) == pytest.approx(504_300, rel=0.002)
    assert distance(BERLIN, SYDNEY) == pytest.approx(16_090_000, rel=0.002)
    assert distance((0, 0), (0, 180)) == pytest.approx(math.pi * RADIUS)
    assert distance((90, 0), (-90, 77)) == pytest.approx(math.pi * RADIUS)
    assert distance((0, 179.999), (0, -179.999)) == pytest.approx(math.radians(0.002) * RADIUS)
    assert distance((89.999, 0), (89.999, 180)) == pytest.approx(math.radians(0.002) * RADIUS)
    assert distance(BERLIN, BERLIN) == 0


@pytest.mark.parametrize(
    ("position", "condition", "expected"),
    [
        ((0, 179.99), "within 5 km of 0, -179.99", True),
        ((0, 179.99), "within 2 km of 0, -179.99", False),
        ((89.99, 10), "within 3 km of 89.99, -170", True),
        ((-90, 10), "within 1 m of -90, -170", True),
        ((52.52, 13.405), "within 505 km of 48.137, 11.575", True),
        ((52.52, 13.405), "within 504 km of 48.137, 11.575", False),
        ((52.52, 13.405), "within 0 m of 52.52, 13.405", True),
        ((-33, 151), "within 30000 km of 52.52, 13.405", True),
        ((91, 13), "within 30000 km of 52.52, 13.405", False),
        ((52, 361), "within 30000 km of 52.52, 13.405", False),
        (("52.52", 13.405), "within 30000 km of 52.52, 13.405", False),
        ((None, 13.405), "not within 30000 km of 52.52, 13.405", True),
        ((10**400, float("nan")), "within 30000 km of 52.52, 13.405", False),
    ],
)
def test_what_is_near(position, condition, expected):
    meta = {"latitude": position[0], "longitude": position[1]}
    assert matches(parse(condition), meta) is expected


DEGREES = st.sampled_from([0, 90, -90, 180, -180, 179.999, -179.999, 89.9999, 52.52, 13.4]) | st.floats(-190, 190)
VALUES = st.none() | DEGREES | st.sampled_from(["", "52.5", float("inf"), 2**62, True])
POSITIONS = st.lists(
    st.fixed_dictionaries({}, optional={"latitude": VALUES, "longitude": VALUES}), min_size=1, max_size=12
)
NEARS = st.builds(
    Near,
    st.floats(-90, 90) | st.sampled_from([90.0, -90.0, 52.52]),
    st.floats(-180, 180) | st.sampled_from([180.0, -180.0]),
    st.sampled_from([0.0, 1.0, 5e3, 1e6, 2e7, 3e7]) | st.floats(0, 2.1e7),
    st.just(1),
)


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    with ExactIndex.open(tmp_path_factory.mktemp("i"), fingerprint="f", width=1, writable=True) as one:
        yield one


@settings(max_examples=100, deadline=None)
@given(metas=POSITIONS, near=NEARS, negated=st.booleans(), at_edge=st.booleans())
def test_sqlite_and_arrays_say_the_same_as_python(on_disk, tmp_path_factory, metas, near, negated, at_edge):
    metas = [{"latitude": 0.5, "longitude": 0.5}, {"latitude": "", "longitude": ""}, *metas]
    if at_edge:  # a distance that one of them has exactly
        near = Near(near.latitude, near.longitude, distance((0.5, 0.5), (near.latitude, near.longitude)), 1)
    condition = Not(near) if negated else near
    expected = [matches(condition, meta) for meta in metas]
    keys, rows = [str(n) for n in range(len(metas))], np.ones((len(metas), 1), np.float32)
    on_disk.remove([hit.key for hit in on_disk.search(rows[:1], 99)[0]])
    on_disk.add(keys, rows, metas)
    there = {hit.key for hit in on_disk.search(rows[:1], len(metas), condition)[0]}
    assert [key in there for key in keys] == expected
    mask = ColumnsCache(tmp_path_factory.mktemp("c")).mask(condition, Entries(metas))
    assert mask is not None and mask.tolist() == expected


def test_a_mask_at_the_edge_is_that_of_single_numbers():
    positions = np.random.default_rng(0).uniform((-90, -180), (90, 180), (2000, 2))
    for row in range(0, 2000, 50):
        metres = distance(tuple(positions[row]), BERLIN)
        for limit in (metres, np.nextafter(metres, 0)):
            mask = near_mask(positions[:, 0], positions[:, 1], Near(*BERLIN, float(limit), 1))
            assert bool(mask[row]) == (limit == metres)


def test_a_library_without_positions_says_so(tmp_path):
    index = MemoryIndex.open(tmp_path, fingerprint="f", width=1, writable=True)
    index.add(["a"], np.ones((1, 1), np.float32), [{"price": 5, "taken": "2025-06-01"}])
    one = np.ones((1, 1), np.float32)
    with pytest.raises(WhereError, match=r"no column latitude at character 16; its images do not say where they were"):
        index.search(one, 1, parse("price < 50 and within 5 km of 52, 13"))
    with pytest.raises(WhereError, match=r"holds text, 10 is a number"):
        index.search(one, 1, parse("taken between 10 and 20"))
    with pytest.raises(WhereError, match=r"'2025-06' is text"):
        index.search(one, 1, parse("price in 2025-06"))
    with pytest.raises(WhereError, match=r"put it in quotes: '2025', or for the dates of a year write taken in 2025"):
        index.search(one, 1, parse("taken = 2025"))
    assert len(index.search(one, 1, parse("taken in 2025 and price between 1 and 5"))[0]) == 1
    index.add(["b"], one, [{"latitude": "north", "longitude": 5.0}])
    with pytest.raises(WhereError, match="column latitude holds text"):
        index.search(one, 1, parse("within 5 km of 52, 13"))


def test_the_names_of_all_columns():
    condition = parse("a = 1 and (within 5 km of 1, 2 or b between 1 and 2) and not a is null")
    assert names_of(condition) == ["a", "latitude", "longitude", "b"]
