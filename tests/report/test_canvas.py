"""What figures share: ticks, numbers, labels that fit, legends that wrap."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.report.canvas import (
    NARROW,
    Span,
    brief,
    distinct_names,
    figure,
    legend,
    number,
    percent,
    plain,
    short,
    shortened,
    single,
    svg,
    text,
    text_width,
    ticks,
)


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 7, 5, [0, 2, 4, 6]),
        (0.3, 1.2, 5, [0.4, 0.6, 0.8, 1.0, 1.2]),
        (0, 0.00021, 5, [0, 0.00005, 0.0001, 0.00015, 0.0002]),
        (-3, 3, 6, [-3, -2, -1, 0, 1, 2, 3]),
        (5, 5, 5, [5]),
        (0, 3.1, 6, [0, 1, 2, 3]),
    ],
)
def test_ticks(low, high, count, expected):
    assert ticks(low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "words"),
    [(9999, "9999"), (10_000, "10k"), (-12_500, "-12.5k"), (0.00099, "1e-3"), (0, "0"), (3.25, "3.25")],
)
def test_short_numbers(value, words):
    assert short(value) == words


def test_numbers_and_shares_are_read_as_people_do():
    assert (number(1.23456), number(0.000123), number(float("nan"))) == ("1.23", "1e-4", "–")
    assert (percent(0.7125), percent(1), percent(float("inf"))) == ("71.2 %", "100.0 %", "–")


def test_a_span_puts_its_ends_where_they_belong_and_doublings_evenly():
    assert [Span(0, 10, 40, 240).at(x) for x in (0, 5, 10)] == [40, 140, 240]
    assert [Span(1, 16, 0, 400, "log2").at(x) for x in (1, 2, 4, 8, 16)] == [0, 100, 200, 300, 400]
    assert Span(3, 3, 10, 20).at(3) == 10


def test_what_xml_forbids_and_what_turns_text_is_replaced():
    assert plain("a\x00b\x07\ud800\ufffe") == "a\ufffdb\ufffd\ufffd\ufffd"
    assert plain("photo\u202egnp.exe") == "photo\ufffdgnp.exe"
    assert plain("a\tb\nc") == "a b c" and plain("سيارة 名前 é") == "سيارة 名前 é"


@given(st.text(max_size=60), st.floats(20, 400))
def test_a_shortened_text_fits_and_is_the_beginning(words, room):
    cut = shortened(words, room)
    assert text_width(cut) <= max(room, text_width("…"))
    assert cut == plain(words) or plain(words).startswith(cut.removesuffix("…").rstrip())
    ElementTree.fromstring(svg(text(0, 0, cut), 10, 10))


def test_names_in_sentences_are_short_and_set_apart_where_they_run_the_other_way():
    assert brief("x" * 61) == "x" * 59 + "…" and brief("x" * 60) == "x" * 60
    assert brief("سيارة") == "\u2068سيارة\u2069"


def test_a_legend_wraps_and_keeps_inside():
    names = ["a rather long name of a method"] * 4 + ["x" * 500]
    parts, height = legend(names, width=NARROW)
    labels = ElementTree.fromstring(svg(parts, NARROW, height)).findall("text")
    assert len({label.get("y") for label in labels}) == 5 and height == 12 + 4 * 20 + 10
    assert all(float(label.get("x")) + text_width(label.text) <= NARROW for label in labels)


def test_a_figure_has_two_widths_and_one_name():
    widths = []

    def draw(width):
        widths.append(width)
        return svg(text(1, 1, "<&>"), width, 10)

    html = ElementTree.fromstring(figure("a name", title="<t> & u", draw=draw, wide=600))
    assert widths == [600, NARROW]
    assert [(s.get("class"), s.get("data-name"), s.find("title").text) for s in html] == [
        ("chart wide", "a name", "<t> & u"),
        ("chart narrow", "a name", "<t> & u"),
    ]
    assert figure("n", title="t", draw=lambda _: "") == single("n", title="t", drawing="") == ""
    assert math.isclose(float(html[1].get("width")), NARROW)


def test_names_that_begin_alike_are_cut_where_they_differ():
    names = [f"photos/000000{i:06}.jpg" for i in (790, 72258)]
    assert distinct_names(names, 130) == ["…00790.jpg", "…72258.jpg"]
    assert distinct_names(["cat", "dog"], 130) == ["cat", "dog"]
    assert distinct_names(["same" * 20] * 2, 60) == [shortened("same" * 20, 60)] * 2
