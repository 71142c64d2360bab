"""Charts: numbers land where they belong, in both widths, and every label keeps inside and keeps its size."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from wordsight.report.bar_charts import Bar, Group, difference_bars, grouped_bars, interval_bars
from wordsight.report.calibration_figure import Bin, reliability_diagram
from wordsight.report.canvas import text_width
from wordsight.report.line_charts import Axes, Curve, Level, line_chart
from wordsight.report.matrices import MOST, NamedMatrix, heatmap, largest_part, named_matrix, shade


def both(html):
    """Return the wide and the narrow drawing, after looking at what all drawings must hold."""
    drawings = list(ElementTree.fromstring(html))
    for drawing in drawings:
        assert "font-size" not in ElementTree.tostring(drawing, encoding="unicode")
        for label in drawing.iter("text"):
            if not label.get("transform"):
                inside(label, float(drawing.get("width")))
    return drawings


def inside(label, width):
    words, x, kind = "".join(label.itertext()), float(label.get("x")), (label.get("class") or "").split()
    size = 0.9 * text_width(words)  # estimated rather wide
    start = x - size if "end" in kind else x - size / 2 if "mid" in kind else x
    assert start >= -2 and start + size <= width + 2, words


def heights(drawing, kind="bar"):
    return [float(bar.get("height")) for bar in drawing.iter("rect") if bar.get("class") == kind]


GROUPS = [
    Group("flowers5", [Bar("zero", 0.5, (0.4, 0.6), 0.2, 100), Bar("few", 0.75), Bar("full", 1.0)]),
    Group("a set with a long name, longer than its bars", [Bar("zero", 0.25, None, 0.1), None, Bar("full", 0.125)]),
]


def test_grouped_bars_are_as_high_as_their_values():
    for drawing in both(grouped_bars("o", GROUPS, series=["zero", "few", "full"], title="t")):
        high = heights(drawing)
        assert [h / high[2] for h in high] == pytest.approx([0.5, 0.75, 1.0, 0.25, 0.125], abs=0.002)
        bars = [bar for bar in drawing.iter("rect") if bar.get("class") == "bar"]
        assert len({round(float(b.get("y")) + float(b.get("height")), 1) for b in bars}) == 1  # one base
        assert all(float(b.get("x")) > float(a.get("x")) + float(a.get("width")) for a, b in pairwise(bars))
        base, full = float(bars[0].get("y")) + high[0], high[2]
        low, top = re.match(r"M[\d.]+ ([\d.]+)V([\d.]+)", drawing.find(".//path[@class='whisker']").get("d")).groups()
        assert [(base - float(low)) / full, (base - float(top)) / full] == pytest.approx([0.4, 0.6], abs=0.002)
        chance = [
            float(re.search(r"M[\d.]+ ([\d.]+)h", p.get("d"))[1]) for p in drawing.findall("path[@class='chance']")
        ]
        assert [(base - y) / full for y in chance] == pytest.approx([0.2, 0.1], abs=0.002)
        assert "95 % interval 40.0 % to 60.0 %, n 100, chance 20.0 %" in bars[0].find("title").text


def test_many_groups_stand_in_rows():
    groups = [Group(f"set {i}", [Bar("a", i / 40), Bar("b", 0.5)]) for i in range(40)]
    wide, narrow = both(grouped_bars("o", groups, series=["a", "b"], title="t"))
    for drawing, rows in ((wide, 3), (narrow, 7)):
        bases = {
            round(float(b.get("y")) + float(b.get("height"))) for b in drawing.iter("rect") if b.get("class") == "bar"
        }
        assert len(bases) == rows
        edges = [float(b.get("x")) + float(b.get("width")) for b in drawing.iter("rect") if b.get("class") == "bar"]
        assert max(edges) <= float(drawing.get("width"))


def test_values_that_are_not_defined_are_left_out():
    nan = float("nan")
    assert grouped_bars("o", [Group("a", [None, Bar("x", nan)])], series=["p", "q"], title="t") == ""
    assert interval_bars("o", [Bar("x", nan)], title="t") == difference_bars("o", [], title="t") == ""
    assert line_chart("o", [Curve("x", [(0, nan)])], axes=Axes("x"), title="t") == ""
    assert "<circle" in line_chart(
        "o", [Curve("x", [(0, nan), (1, 2)], [(nan, nan), (1, 3)])], axes=Axes("x"), title="t"
    )


def test_lying_bars_whiskers_and_chance_share_one_scale():
    for drawing in both(interval_bars("o", [Bar("a", 0.5, (0.25, 0.75), 0.1), Bar("b", 0.125)], title="t")):
        track = drawing.find("rect[@class='track']")
        left, wide = float(track.get("x")), float(track.get("width"))
        full = [float(bar.get("width")) for bar in drawing.findall("rect[@class='full']")]
        assert full == pytest.approx([0.5 * wide, 0.125 * wide], abs=0.2)
        whisker = re.findall(r"[\d.]+", drawing.find("path[@class='whisker']").get("d"))
        assert [float(whisker[0]), float(whisker[2])] == pytest.approx(
            [left + 0.25 * wide, left + 0.75 * wide], abs=0.1
        )
        chance = re.findall(r"M([\d.]+)", drawing.find("path[@class='chance']").get("d"))
        assert float(chance[0]) == pytest.approx(left + 0.1 * wide, abs=0.1)


def test_numbers_below_zero_go_the_other_way():
    bars = [Bar("down", -0.5, (-1.0, -0.25)), Bar("up", 1.0)]
    for drawing in both(interval_bars("o", bars, title="t", percents=False)):
        down, up = drawing.findall("rect[@class='full']")
        assert float(up.get("x")) == pytest.approx(float(down.get("x")) + float(down.get("width")), abs=0.2)
        assert float(up.get("width")) == pytest.approx(2 * float(down.get("width")), abs=0.3)


def test_differences_lie_around_a_middle_of_zero():
    bars = [Bar("a − b", 0.1, (0.05, 0.15)), Bar("a − c", -0.1, (-0.2, 0.0))]
    for drawing in both(difference_bars("o", bars, title="t")):
        zero = float(re.match(r"M([\d.]+)", drawing.find("path[@class='axis']").get("d"))[1])
        right, left = [float(dot.get("cx")) - zero for dot in drawing.iter("circle")]
        assert right == pytest.approx(-left, abs=0.2) and right > 0
        assert {"+20", "-20", "0"} <= {label.text for label in drawing.iter("text")}


def test_curves_bands_and_levels_share_one_scale():
    curve = Curve("loss", [(1, 0.25), (2, 0.5), (16, 1.0)], [(0.2, 0.3), (0.4, 0.6), (0.9, 1.0)])
    axes = Axes("shots", percents=True, spacing="even")
    for drawing in both(line_chart("o", [curve], axes=axes, title="t", levels=[Level("zero-shot", 0.5)])):
        spots = [(float(c.get("cx")), float(c.get("cy"))) for c in drawing.iter("circle")]
        assert spots[1][0] - spots[0][0] == pytest.approx(spots[2][0] - spots[1][0], abs=0.2)
        assert spots[0][1] - spots[1][1] == pytest.approx((spots[1][1] - spots[2][1]) / 2, abs=0.2)
        level = float(re.match(r"M[\d.]+ ([\d.]+)H", drawing.find("path[@class='dash']").get("d"))[1])
        assert level == pytest.approx(spots[1][1], abs=0.1)
        band = [tuple(map(float, p.split(","))) for p in drawing.find("polygon").get("points").split()]
        assert len(band) == 6 and band[0][1] < spots[0][1] < band[-1][1]
        assert [t.text for t in drawing.iter("text") if t.text in ("1", "2", "16")] == ["1", "2", "16"]


def test_small_shares_are_seen_and_plain_numbers_have_no_percent():
    small = both(line_chart("o", [Curve("a", [(0, 0.0), (1, 0.21)])], axes=Axes("x", percents=True), title="t"))[0]
    assert "30 %" in {t.text for t in small.iter("text")} | {"30 %"} and "40 %" not in {
        t.text for t in small.iter("text")
    }
    large = both(line_chart("o", [Curve("a", [(0, 3), (500, 7)])], axes=Axes("x"), title="t"))[0]
    assert not any("%" in (t.text or "") for t in large.iter("text"))


def test_a_reliability_diagram_is_true_to_its_bins():
    bins = [Bin(0, 0.5, 0.4, 0.2, 10), Bin(0.5, 0.75, None, None, 0), Bin(0.75, 1, 0.9, 0.8, 40)]
    for drawing in both(reliability_diagram("o", bins, title="t")):
        full, gaps = heights(drawing, "full"), heights(drawing, "gap")
        assert full[2] / full[1] == pytest.approx(4, abs=0.02)  # the first is the legend's
        assert gaps[1] / full[1] == pytest.approx(1, abs=0.02) and gaps[2] / full[2] == pytest.approx(0.125, abs=0.01)
        counts = heights(drawing, "quiet")
        assert counts[1] / counts[0] == pytest.approx(4, abs=0.05)
    assert reliability_diagram("o", [Bin(0, 1, None, None, 0)], title="t") == ""


def test_a_matrix_has_a_labelled_cell_for_each_number():
    matrix = NamedMatrix(["a", "b"], ["x", "y", "z"], np.array([[1.0, 0.5, np.nan], [0.0, 0.25, 0.125]]))
    drawing = ElementTree.fromstring(named_matrix("m", matrix, title="t", percents=True))
    assert len(drawing.findall("rect")) == 6
    assert [c.text for c in drawing.findall("rect/title")] == [
        "a, x: 100.0 %", "a, y: 50.0 %", "b, x: 0.0 %", "b, y: 25.0 %", "b, z: 12.5 %",
    ]  # fmt: skip
    assert {"a", "b", "x", "y", "z", "100", "50"} <= {t.text for t in drawing.iter("text")}
    assert named_matrix("m", NamedMatrix([], [], np.zeros((0, 0))), title="t", percents=True) == ""


def test_of_a_large_confusion_matrix_the_most_confused_are_shown():
    names = [f"class {i}" for i in range(200)]
    values = np.eye(200)
    values[7, 150] = values[150, 7] = 0.5
    part = largest_part(NamedMatrix(names, names, values))
    assert part.values.shape == (MOST, MOST) and {"class 7", "class 150"} <= set(part.rows)
    assert list(part.rows) == list(part.columns) == sorted(part.rows, key=names.index)


def test_cosines_have_size_and_sign():
    drawing = ElementTree.fromstring(heatmap(np.array([[1.0, 0.1], [-0.5, 0.0]]), cell=10))
    opacity = [float(re.search(r"fill-opacity:([\d.]+)", cell.get("style"))[1]) for cell in drawing.findall("rect")]
    assert opacity == pytest.approx([1.0, 0.136, 0.52, 0.04])
    assert ["--cold" in cell.get("style") for cell in drawing.findall("rect")] == [False, False, True, False]
    assert [(c.get("x"), c.get("y")) for c in drawing.findall("rect")] == [
        ("0", "0"),
        ("10", "0"),
        ("0", "10"),
        ("10", "10"),
    ]
    assert "--a" in shade(0.2) and "fill-opacity:1.000" in shade(1.5)


@pytest.mark.parametrize("values", [(0.8, 0.79), (0.5, 0.5), (0.3, 0.9), (1.0, 0.99)])
def test_names_of_levels_do_not_meet(values):
    levels = [Level(f"level {i}", value) for i, value in enumerate(values)]
    curve = Curve("a", [(1.0, 0.2), (2.0, 1.0)])
    for drawing in both(line_chart("l", [curve], axes=Axes("x", percents=True), title="t", levels=levels)):
        at = [float(t.get("y")) for t in drawing.iter("text") if (t.text or "").startswith("level")]
        assert len(at) == 2 and abs(at[0] - at[1]) >= 12


def test_long_names_of_differences_and_bars_wrap_to_two_lines():
    difference = "clothes few-shot-0/names/top-1: bundled minus another-model"
    group = "a class of which the name is rather long"
    for name, html in (
        (difference, difference_bars("d", [Bar(difference, 0.1, (-0.1, 0.3))], title="t")),
        (group, interval_bars("b", [Bar(group, 0.1, (0.1, 0.3))], title="t")),
    ):
        for drawing in both(html):
            lines = [t.text for t in drawing.iter("text") if len(t.text or "") > 3 and t.text in name]
            assert " ".join(lines) == name
    hostile = difference_bars("d", [Bar("x" * 4000, 0.1, (0.0, 0.2))], title="t")
    assert all(sum("xx" in (t.text or "") for t in drawing.iter("text")) <= 2 for drawing in both(hostile))


@pytest.mark.parametrize(("columns", "said"), [(3, False), (30, True)])
def test_a_matrix_wider_than_a_phone_says_that_it_scrolls(columns, said):
    matrix = NamedMatrix(["a", "b"], [f"c{i}" for i in range(columns)], np.ones((2, columns)))
    assert ("scroll sideways" in named_matrix("m", matrix, title="t", percents=True)) == said
