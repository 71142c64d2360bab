"""What a condition is read as, exactly, and every refusal in full: the value, where it stands, the cure."""

import pytest

from wordsight.index.like import holds_text, is_like
from wordsight.index.where import (
    Among,
    Both,
    Column,
    Compare,
    Either,
    Missing,
    Not,
    WhereError,
    check,
    columns_of,
    matches,
    parse,
)

NO_FUNCTION = "compare a column with a value; contains and like ignore case"
FORM = "write for example: price < 50 and colour = 'red'"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a = 1", Compare("a", "=", 1, 1)),
        ("  a == 1  ", Compare("a", "=", 1, 3)),
        ("a <> 1", Compare("a", "!=", 1, 1)),
        ("a != 1", Compare("a", "!=", 1, 1)),
        ("a<=-1.5", Compare("a", "<=", -1.5, 1)),
        ("a >= +.5", Compare("a", ">=", 0.5, 1)),
        ("a > 5.", Compare("a", ">", 5.0, 1)),
        ("a < 1e3", Compare("a", "<", 1000.0, 1)),
        ("a < 2E-1", Compare("a", "<", 0.2, 1)),
        ("a = 0", Compare("a", "=", 0, 1)),
        ("a = -0.5", Compare("a", "=", -0.5, 1)),
        ("a = 007", Compare("a", "=", "007", 1)),
        ("a = 00.5", Compare("a", "=", "00.5", 1)),
        ("a = true", Compare("a", "=", 1, 1)),
        ("a = FALSE", Compare("a", "=", 0, 1)),
        ("a = red", Compare("a", "=", "red", 1)),
        ("a = red.x-2", Compare("a", "=", "red.x-2", 1)),
        ("a = 2025-03-01", Compare("a", "=", "2025-03-01", 1)),
        ("a = 10:30", Compare("a", "=", "10:30", 1)),
        ("a = 5kg", Compare("a", "=", "5kg", 1)),
        ("a = 'True'", Compare("a", "=", "True", 1)),
        ("a = ''", Compare("a", "=", "", 1)),
        ("a = ''''", Compare("a", "=", "'", 1)),
        ('a = "it\'s ""x"""', Compare("a", "=", 'it\'s "x"', 1)),
        ("a = 'x\"\"y'", Compare("a", "=", 'x""y', 1)),
        ("a CONTAINS B", Compare("a", "contains", "B", 1)),
        ("a like '%x_'", Compare("a", "like", "%x_", 1)),
        ("a has 'x y'", Compare("a", "has", "x y", 1)),
        ("a not has x", Not(Compare("a", "has", "x", 1))),
        ("has has has", Compare("has", "has", "has", 1)),
        ("a not like x", Not(Compare("a", "like", "x", 1))),
        ("a in (1)", Among("a", (1,), 1)),
        ("a not in (1, 'x', y)", Not(Among("a", (1, "x", "y"), 1))),
        ("a is null", Missing("a", 1)),
        ("a IS NOT NULL", Not(Missing("a", 1))),
        ("[a b] = 1", Compare("a b", "=", 1, 1)),
        ("`a-b` = 1", Compare("a-b", "=", 1, 1)),
        ("[and] = 1", Compare("and", "=", 1, 1)),
        ("größe = 1", Compare("größe", "=", 1, 1)),
        ("a.b = 1", Compare("a.b", "=", 1, 1)),
        ("_a = 1", Compare("_a", "=", 1, 1)),
        ("not a = 1", Not(Compare("a", "=", 1, 5))),
        ("not not a = 1", Not(Not(Compare("a", "=", 1, 9)))),
        ("((a = 1))", Compare("a", "=", 1, 3)),
        ("a = 1 and b = 2", Both((Compare("a", "=", 1, 1), Compare("b", "=", 2, 11)))),
        ("a=1 or b=2 or c=3", Either((Compare("a", "=", 1, 1), Compare("b", "=", 2, 8), Compare("c", "=", 3, 15)))),
        (
            "a=1 or b=2 and c=3",
            Either((Compare("a", "=", 1, 1), Both((Compare("b", "=", 2, 8), Compare("c", "=", 3, 16))))),
        ),
        (
            "(a=1 or b=2) and not c=3",
            Both((Either((Compare("a", "=", 1, 2), Compare("b", "=", 2, 9))), Not(Compare("c", "=", 3, 22)))),
        ),
    ],
)
def test_readings(text, condition):
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "kind"),
    [("9" * 18, int), ("-" + "9" * 18, int), ("9" * 19, float), ("7", int), ("7.0", float), ("7e0", float)],
)
def test_whole_numbers_stay_whole_as_far_as_sqlite_keeps_them(text, kind):
    value = parse(f"a = {text}").value
    assert type(value) is kind
    assert value == kind(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"where: an empty condition at character 1; leave it out, or {FORM}"),
        (" ", f"where: an empty condition at character 2; leave it out, or {FORM}"),
        (
            "price",
            "where: 'the end' where a comparison (= != < <= > >= in contains like is) should stand at character 6; "
            + FORM,
        ),
        (
            "price 'x'",
            "where: \"'x'\" where a comparison (= != < <= > >= in contains like is) should stand at character 7; "
            + FORM,
        ),
        ("price <", f"where: 'the end' where a value should stand at character 8; {FORM}"),
        ("price = and", f"where: 'and' where a value should stand at character 9; {FORM}"),
        ("a = 1 b", f"where: 'b' where and, or, or the end should stand at character 7; {FORM}"),
        ("(a = 1", f"where: 'the end' where a closing parenthesis should stand at character 7; {FORM}"),
        ("a in 5", f"where: '5' where an opening parenthesis should stand at character 6; {FORM}"),
        ("a in (5 6", f"where: '6' where a comma or a closing parenthesis should stand at character 9; {FORM}"),
        ("a is 5", f"where: '5' where null should stand at character 6; {FORM}"),
        ("a not = 5", f"where: '=' where in, contains, like or has should stand at character 7; {FORM}"),
        ("and = 5", f"where: 'and' where a column should stand at character 1; {FORM}"),
        ("5 = 5", f"where: '5' where a column should stand at character 1; {FORM}"),
        ("a = 'x", "where: ' is never closed at character 5; close it, or double a ' that is meant"),
        ('a = "x', 'where: " is never closed at character 5; close it, or double a " that is meant'),
        ("`a = 5", "where: ` is never closed at character 1; close it, or double a ` that is meant"),
        ("[a = 5", "where: [ is never closed at character 1; close it, or double a [ that is meant"),
        ("a  ~~x y", f"where: '~~x' is not understood at character 4; {FORM}"),
        ("a contains 5", "where: contains needs text, 5 is a number at character 12; put it in quotes: contains '5'"),
        (
            "a = 1e999",
            "where: 1e999 is too large a number at character 5; leave the comparison out: no number is larger",
        ),
        (
            "a = dark red",
            "where: 'red' where and, or, or the end should stand at character 10; put text of several words in quotes",
        ),
        ("lower(a) = 'x'", f"where: no function lower at character 1; {NO_FUNCTION}"),
        ("a > date('now')", f"where: no function date at character 5; {NO_FUNCTION}"),
        (
            f"a {'x' * 50} 5",
            f"where: '{'x' * 40}' where a comparison (= != < <= > >= in contains like is) should stand at character 3; {FORM}",
        ),
        ("a like 1.5", "where: like needs text, 1.5 is a number at character 8; put it in quotes: like '1.5'"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(WhereError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("expression", ["(" * 20_000 + "a = 1", "not " * 20_000 + "a = 1", "a = " + "9" * 20_000 + "x"])
def test_what_is_far_too_long_is_one_line(expression):
    with pytest.raises(WhereError) as caught:
        parse(expression)
        check(parse(expression), {"a": Column("a", numbers=True, texts=False)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opened", ["(", "not "])
def test_a_hundred_inside_each_other_are_enough(opened):
    closed = ")" if opened == "(" else ""
    parse(f"{opened * 99}a = 1{closed * 99}")
    with pytest.raises(WhereError) as caught:
        parse(f"{opened * 100}a = 1{closed * 100}")
    assert caught.value.position == 100 * len(opened) + 1
    assert str(caught.value).endswith(f"inside each other at character {100 * len(opened) + 1}; simplify the condition")


def test_parts_one_after_the_other_are_not_inside_each_other():
    assert len(parse(" and ".join(["(a = 1)"] * 500)).parts) == 500


COLUMNS = {
    "price": Column("price", numbers=True, texts=False),
    "colour": Column("colour", numbers=False, texts=True),
    "Mixed": Column("Mixed", numbers=True, texts=True),
    "empty": Column("empty", numbers=False, texts=False),
}
KNOWN = "columns: price, colour, Mixed, empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pryce = 1", f"where: no column pryce at character 1; did you mean price? {KNOWN}"),
        ("not zzz = 1", f"where: no column zzz at character 5; {KNOWN}"),
        ("MIXED = 1", f"where: no column MIXED at character 1; did you mean Mixed? {KNOWN}"),
        ("PRICE in (1)", f"where: no column PRICE at character 1; did you mean price? {KNOWN}"),
        ("zzz is null", f"where: no column zzz at character 1; {KNOWN}"),
        (
            "price = cheap",
            "where: column price holds numbers, 'cheap' is text at character 1; "
            "compare it with a number, for example price < 10",
        ),
        (
            "price = 1 or price in (5, x)",
            "where: column price holds numbers, 'x' is text at character 14; "
            "compare it with a number, for example price < 10",
        ),
        ("colour = 5", "where: column colour holds text, 5 is a number at character 1; put it in quotes: '5'"),
        (
            "colour in (a, 1.5)",
            "where: column colour holds text, 1.5 is a number at character 1; put it in quotes: '1.5'",
        ),
    ],
)
def test_columns_that_do_not_fit(text, message):
    with pytest.raises(WhereError) as caught:
        check(parse(text), COLUMNS)
    assert str(caught.value) == message


def test_no_columns_at_all():
    with pytest.raises(WhereError) as caught:
        check(parse("a = 1"), {})
    assert str(caught.value) == "where: no column a at character 1; columns: none"


@pytest.mark.parametrize(
    "text",
    [
        "price = 1 and colour = x",
        "Mixed = 1 or Mixed = x",
        "empty = 1 or empty = x",
        "colour is null",
        "price in (1, 2)",
    ],
)
def test_columns_that_fit(text):
    check(parse(text), COLUMNS)


def test_near_names_are_at_most_three_and_none_twice():
    columns = {name: Column(name, True, True) for name in ("size", "sizes", "sized", "sizer", "SIZE")}
    with pytest.raises(WhereError) as caught:
        check(parse("sizx = 1"), columns)
    assert str(caught.value).split("; ")[1].split("?")[0].count(" or ") == 2
    with pytest.raises(WhereError, match=r"did you mean size or "):
        check(parse("Size = 1"), columns)
    with pytest.raises(WhereError) as caught:
        check(parse("Size = 1"), columns)
    near = str(caught.value).split("did you mean ")[1].split("?")[0].split(" or ")
    assert len(set(near)) == len(near) and "SIZE" in near


def test_leaves_from_left_to_right():
    leaves = columns_of(parse("a = 1 or not (b = 2 and c is null) or d in (3)"))
    assert [leaf.column for leaf in leaves] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("condition", "meta", "expected"),
    [
        ("a < 5", {"a": 5}, False),
        ("a <= 5", {"a": 5}, True),
        ("a > 5", {"a": 5}, False),
        ("a >= 5", {"a": 5}, True),
        ("a < 5", {"a": 4.9}, True),
        ("a > 5", {"a": 5.1}, True),
        ("a < 'b'", {"a": "b"}, False),
        ("a <= 'b'", {"a": "b"}, True),
        ("a > 'b'", {"a": "b"}, False),
        ("a >= 'b'", {"a": "b"}, True),
        ("a > 'B'", {"a": "b"}, True),
        ("a != 5", {"a": "5"}, True),
        ("a = 5", {"a": "5"}, False),
        ("a >= 5", {"a": "5"}, False),
        ("a in (5)", {"a": "5"}, False),
        ("a in ('5')", {"a": "5"}, True),
        ("a in (1)", {"a": True}, True),
        ("a is null", {"a": None}, True),
        ("a is null", {"a": 0}, False),
        ("a is null", {"a": ""}, False),
        ("a != 5", {"a": None}, False),
        ("not a = 5", {}, True),
        ("a = 1 and b = 1", {"a": 1, "b": 2}, False),
        ("a = 1 or b = 1", {"a": 1, "b": 2}, True),
        ("a contains ''", {"a": "x"}, True),
        ("a contains 5", {"a": "x"}, None),
    ],
)
def test_meaning_at_the_borders(condition, meta, expected):
    if expected is None:
        with pytest.raises(WhereError):
            parse(condition)
    else:
        assert matches(parse(condition), meta) is expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("", "", True),
        ("", "%", True),
        ("", "_", False),
        ("a", "_", True),
        ("ab", "_", False),
        ("a\nb", "a%b", True),
        ("a\nb", "a_b", True),
        ("A.B", "a.b", True),
        ("axb", "a.b", False),
        ("a+b", "a+b", True),
        ("aab", "a+b", False),
        ("xab", "ab", False),
        ("abx", "ab", False),
        ("STRASSE", "straße", True),
    ],
)
def test_patterns(text, pattern, expected):
    assert is_like(text, pattern) is expected


def test_part_of_a_text_whatever_the_case():
    assert holds_text("Dark RED", "k r") and holds_text("STRASSE", "aße")
    assert not holds_text("red", "reds")


def test_a_message_lists_some_columns_of_many():
    columns = {f"c{number}": Column(f"c{number}", numbers=True, texts=False) for number in range(2000)}
    with pytest.raises(WhereError) as caught:
        check(parse("zzz = 1"), columns)
    assert str(caught.value).endswith("columns: " + ", ".join(f"c{n}" for n in range(40)) + ", and 1960 more")


def test_too_many_values_are_refused():
    check(parse(f"price in ({', '.join(['1'] * 10_000)})"), COLUMNS)
    with pytest.raises(WhereError, match="more than 10,000 values at character 1; ask for fewer at a time"):
        check(parse(f"price in ({', '.join(['1'] * 10_001)})"), COLUMNS)
    with pytest.raises(WhereError, match="more than 10,000 values"):
        check(parse(" or ".join(["price = 1"] * 10_001)), COLUMNS)


def test_like_takes_no_longer_than_text_times_pattern():
    """Trying every way to share out the text between the parts would not end."""
    assert not is_like("a" * 5000, "%a" * 60 + "%b")
    assert is_like("a" * 5000, "%a" * 60 + "%")
    assert not is_like("ab" * 2000, "%a_a%" * 20 + "x")


@pytest.mark.parametrize(
    ("pattern", "texts", "others"),
    [
        ("%ab%b", ["abb", "xabab", "aabbb"], ["ab", "abbx", "ba"]),
        ("a%a", ["aa", "axa"], ["a", "ab"]),
        ("%_a_%", ["xax", "xxaxx", "aaa"], ["ax", "xa", "a"]),
        ("_%_", ["ab", "abc"], ["a", ""]),
        ("%%", ["", "a\nb"], []),
        ("", [""], ["a"]),
        ("a.c", ["A.C"], ["abc"]),
    ],
)
def test_what_fits_a_pattern(pattern, texts, others):
    assert [is_like(text, pattern) for text in texts] == [True] * len(texts)
    assert [is_like(text, pattern) for text in others] == [False] * len(others)
