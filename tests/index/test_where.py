"""The small language: what it means, where it points when it is wrong, and that SQLite agrees with Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.index import caches, columns
from wordsight.index.exact import ExactIndex
from wordsight.index.memory import MemoryIndex
from wordsight.index.where import WhereError, check, columns_of, matches, parse

SHOE = {"price": 49.5, "colour": "Dark Red", "base colour": "red", "size": 42, "sold": 1, "day": "2025-03-01"} | {
    "tags": "a dog\nBeach"
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("price < 50", True),
        ("price<50", True),
        ("price >= 49.5 and price <= 49.5", True),
        ("price = 49.5", True),
        ("price == 49.5", True),
        ("price != 49.5", False),
        ("price <> 1e3", True),
        ("price > -3", True),
        ("colour = 'Dark Red'", True),
        ("colour = 'dark red'", False),
        ("colour like 'dark%'", True),
        ("colour like '%RE_'", True),
        ("colour like 'dark'", False),
        ("colour contains 'K R'", True),
        ("colour not contains red", False),
        ("tags has 'a dog' and tags has Beach", True),
        ("tags has dog", False),
        ("tags has beach", False),
        ("tags not has dog", True),
        ("weight has dog", False),
        ("[base colour] = red", True),
        ("`base colour` != red", False),
        ("size in (41, 42, 43)", True),
        ("size not in (41, 42)", False),
        ("colour in ('a', 'Dark Red')", True),
        ("weight is null", True),
        ("weight is not null", False),
        ("size is not null", True),
        ("weight < 5", False),
        ("not weight < 5", True),
        ("weight != 5", False),
        ("sold = true", True),
        ("sold = false", False),
        ("day >= 2025-02-28 and day < '2026'", True),
        ("price > 100 or size = 42 and colour contains red", True),
        ("(price > 100 or size = 42) and colour contains blue", False),
        ("NOT (price > 100) AND size IN (42)", True),
        ("colour != 5", True),
        ("colour < 5", False),
        ("colour = 'it''s'", False),
    ],
)
def test_meaning(condition, expected):
    assert matches(parse(condition), SHOE) is expected


def test_doubled_quotes_stand_for_one():
    assert matches(parse("name = 'it''s'"), {"name": "it's"})
    assert matches(parse('name = "a ""b"""'), {"name": 'a "b"'})


@pytest.mark.parametrize(
    ("condition", "position", "word"),
    [
        ("", 1, "empty"),
        ("price", 6, "comparison"),
        ("price <", 8, "value"),
        ("price < 50 colour", 12, "'colour'"),
        ("price < 50 and", 15, "column"),
        ("(price < 50", 12, "parenthesis"),
        ("price in 5", 10, "parenthesis"),
        ("price in ()", 11, "value"),
        ("price in (5", 12, "comma"),
        ("colour = 'red", 10, "closed"),
        ("price ~ 5", 7, "understood"),
        ("price is 5", 10, "null"),
        ("price not = 5", 11, "in, contains"),
        ("colour contains 5", 17, "quotes"),
        ("= 5", 1, "column"),
        ("(" * 200 + "a = 1" + ")" * 200, 101, "inside"),
    ],
)
def test_mistakes_are_pointed_at(condition, position, word):
    with pytest.raises(WhereError) as caught:
        parse(condition)
    assert caught.value.position == position
    assert word in str(caught.value)


def test_unknown_column_names_near_and_known_ones(tmp_path):
    index = MemoryIndex.open(tmp_path, fingerprint="f", width=2, writable=True)
    index.add(["a"], np.eye(2, dtype=np.float32)[:1], [{"price": 5, "colour": "red"}])
    with pytest.raises(
        WhereError, match=r"no column prise at character 15; did you mean price\? columns: price, colour"
    ):
        index.search(np.eye(2, dtype=np.float32)[:1], 1, parse("colour = r or prise < 5"))


@pytest.mark.parametrize(("condition", "word"), [("price = cheap", "holds numbers"), ("colour = 5", "holds text")])
def test_values_of_the_wrong_kind_are_refused(tmp_path, condition, word):
    index = MemoryIndex.open(tmp_path, fingerprint="f", width=2, writable=True)
    index.add(["a"], np.eye(2, dtype=np.float32)[:1], [{"price": 5, "colour": "red"}])
    with pytest.raises(WhereError, match=word):
        index.search(np.eye(2, dtype=np.float32)[:1], 1, parse(condition))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(["red", "Red", "ß", "SS", "a%b", "İ", "\0"])
ODD = st.text(st.sampled_from("aZ\0\x7f\udc80\udce9\udcff\ud7ff\ue000\uffff\U0001f600"), max_size=3)
NUMBERS = st.integers(-3, 3) | st.floats(-3, 3, allow_nan=False) | st.sampled_from([2**62, 1e300, 10**18])
INFINITE = st.sampled_from([float("inf"), float("-inf")])
METAS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "number": NUMBERS | INFINITE,
            "text": TEXTS,
            "mixed": NUMBERS | INFINITE | TEXTS | st.booleans() | st.none(),
        },
    ),
    min_size=1,
    max_size=12,
)


def quoted(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


@st.composite
def conditions(draw, depth=2):
    if depth and draw(st.booleans()):
        left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        return draw(st.sampled_from([f"({left}) and {right}", f"{left} or {right}", f"not ({left})", f"not {left}"]))
    column = draw(st.sampled_from(["number", "text", "mixed"]))
    values = {"number": NUMBERS, "text": TEXTS, "mixed": NUMBERS | TEXTS}[column]
    form = draw(st.sampled_from(["compare", "in", "null", "contains", "between"]))
    if form == "between":
        kind = draw(st.sampled_from([NUMBERS, TEXTS])) if column == "mixed" else values
        first, last = sorted(draw(st.lists(kind, min_size=2, max_size=2)))
        return f"{column} {draw(st.sampled_from(['', 'not ']))}between {quoted(first)} and {quoted(last)}"
    if form == "compare":
        return f"{column} {draw(st.sampled_from(['=', '!=', '<', '<=', '>', '>=']))} {quoted(draw(values))}"
    if form == "in":
        return f"{column} in ({', '.join(map(quoted, draw(st.lists(values, min_size=1, max_size=3))))})"
    if form == "null" or column == "number":
        return f"{column} is {draw(st.sampled_from(['', 'not ']))}null"
    return f"{column} {draw(st.sampled_from(['contains', 'like', 'not like', 'has']))} {quoted(draw(TEXTS))}"


@pytest.fixture(scope="module", params=[columns.OWN, 1])
def on_disk(tmp_path_factory, request):
    """An index whose columns are all SQLite's, or all but one in JSON."""
    folder = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch, ExactIndex.open(folder, fingerprint="f", width=1, writable=True) as one:
        patch.setattr(columns, "OWN", request.param)
        yield one


@settings(max_examples=100)
@given(metas=METAS, condition=conditions())
def test_sqlite_says_the_same_as_python(on_disk, metas, condition):
    says_the_same(on_disk, metas, condition)


def says_the_same(on_disk, metas, condition):
    metas = [{"number": 0, "text": "", "mixed": 0}, {"mixed": "x"}, *metas]
    keys = [str(i) for i in range(len(metas))]
    rows = np.ones((len(metas), 1), np.float32)
    on_disk.remove([hit.key for hit in on_disk.search(rows[:1], 99)[0]])
    on_disk.add(keys, rows, metas)
    hits = on_disk.search(rows[:1], len(metas), parse(condition))[0]
    assert [hit.key for hit in hits] == [k for k, m in zip(keys, metas, strict=True) if matches(parse(condition), m)]


@settings(max_examples=60)
@given(texts=st.lists(ODD | st.integers(0, 1), max_size=6), wanted=st.lists(ODD, min_size=1, max_size=3))
@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">=", "contains", "like", "has", "in"])
def test_names_that_are_no_unicode_are_compared_as_in_python(on_disk, operator, texts, wanted):
    metas = [{"number": 0, "text": "", "mixed": value} for value in ["", 0, *texts]]
    values = f"({', '.join(map(quoted, wanted))})" if operator == "in" else quoted(wanted[0])
    says_the_same(on_disk, metas, f"mixed {operator} {values}")


def test_half_a_letter_that_no_file_name_has_is_compared_too(on_disk):
    metas = [{"number": 0, "text": "", "mixed": value} for value in ("", 0, "a", "\udcff", "\ue000")]
    for operator in ("=", "!=", "<", ">=", "contains", "like", "has"):
        says_the_same(on_disk, metas, f"mixed {operator} '\ud800'")


ODD_METAS = [
    {"a": 1, "late": "left\0right", "number": float("inf")},
    {"a": 2, "late": "right \udce9", "number": float("-inf")},
    {"a": 3, "late": 5, "number": 0.5, "other": "RIGHT"},
    {"a": 4, "late": True, "number": float("nan")},
]


@pytest.mark.parametrize("small", [caches.SMALL, 0])
def test_values_in_json_mean_what_they_mean_elsewhere(tmp_path, monkeypatch, small):
    """`small` 0: columns and words are read from their caches."""
    monkeypatch.setattr(columns, "OWN", 1)
    monkeypatch.setattr(caches, "SMALL", small)
    embeddings = np.ones((4, 1), np.float32)
    with ExactIndex.open(tmp_path, fingerprint="f", width=1, writable=True) as index:
        index.add(list("abcd"), embeddings, ODD_METAS)
        index.save()
        stored = [{k: v for k, v in meta.items() if v == v} for meta in ODD_METAS]  # without the NaN
        assert [entry.meta for entry in index.entries(list("abcd"))] == stored

        def having(condition):
            return "".join(hit.key for hit in index.search(embeddings[:1], 9, parse(condition))[0])

        assert [having(f"late contains '{text}'") for text in ("left", "right", "\udce9")] == ["a", "ab", "b"]
        assert [having(f"number {condition}") for condition in ("> 1e300", "< 0", "is null")] == ["a", "b", "d"]
        assert (having("late = 1"), having("late > 'left'")) == ("d", "ab")
        words = [sorted(hit.key for hit in index.keywords([word], 9)) for word in ("left", "right")]
        assert words == [["a"], ["a", "b", "c"]]


def test_a_number_that_sqlite_does_not_hold_is_refused_in_json_too(on_disk):
    for column in ("number", "text"):
        with pytest.raises(OverflowError):
            on_disk.add(["x"], np.ones((1, 1), np.float32), [{"number": 0, column: 2**63}])


def test_leaves_are_given_from_left_to_right():
    tree = parse("a = 1 and (not b in (2) or c is null)")
    assert [leaf.column for leaf in columns_of(tree)] == ["a", "b", "c"]
    with pytest.raises(WhereError):
        check(tree, {})


def test_texts_and_numbers_among_one_list(on_disk):
    metas = [{"mixed": "5"}, {"mixed": 5}, {"mixed": "x"}, {"mixed": 2.5}, {}, {"mixed": "y"}]
    rows = np.ones((len(metas), 1), np.float32)
    on_disk.remove([entry.key for entry in on_disk.search(rows[:1], 999)[0]])
    on_disk.add([str(i) for i in range(len(metas))], rows, metas)
    for condition in ("mixed in ('x', 5, y)", "mixed not in ('x', 2.5, '5', 7)", "mixed in (2.5, 5)"):
        tree = parse(condition)
        expected = [str(i) for i, meta in enumerate(metas) if matches(tree, meta)]
        assert [hit.key for hit in on_disk.search(rows[:1], 9, tree)[0]] == expected
    assert len(expected) == 2
