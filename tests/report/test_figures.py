"""Figures: numbers land where they belong."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from wordsight.report.figures import Axes, Bar, Curve, heatmap, interval_bars, line_chart, shade, short, ticks


def opacity(style):
    return float(re.search(r"fill-opacity:([\d.]+)", style)[1])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0, 300, [0, 100, 200, 300]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (2, 2, None)],
)
def test_ticks_are_round_and_within(low, high, expected):
    found = ticks(low, high, 5)
    assert expected is None or found == pytest.approx(expected)
    assert all(low <= tick <= high + 1 for tick in found)


def test_a_frame_puts_the_corners_where_they_belong():
    frame = Axes((0, 10), (0, 2))
    assert frame.at(0, 0) == (frame.left, frame.height - frame.bottom)
    assert frame.at(10, 2) == (frame.width - frame.right, frame.top)


def test_a_curve_goes_up_when_its_values_do():
    svg = ElementTree.fromstring(
        line_chart([Curve("loss", [(0, 1.0), (5, 2.0), (10, 4.0)])], x_label="step", title="t")
    )
    points = [tuple(map(float, p.split(","))) for p in svg.find("polyline").get("points").split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0][1] > points[1][1] > points[2][1]


def test_no_points_no_chart():
    assert line_chart([Curve("loss", [])], x_label="step", title="t") == ""


def test_a_heatmap_has_a_cell_for_each_number_and_shows_size_and_sign():
    svg = ElementTree.fromstring(heatmap(np.array([[1.0, 0.1], [-0.5, 0.0]]), title="cosines"))
    cells = [cell.get("style") for cell in svg.findall("rect")]
    assert len(cells) == 4
    assert opacity(cells[0]) > opacity(cells[2]) > opacity(cells[1]) > opacity(cells[3])
    assert "--cold" in cells[2]
    assert "--a" in cells[0]
    assert "--a" in shade(0.2)


def test_bars_are_as_long_as_their_values_and_tell_chance():
    text = interval_bars([Bar("half", 0.5, (0.4, 0.6), 0.25), Bar("all", 1.0)], title="accuracy")
    svg = ElementTree.fromstring(text)
    full = [float(bar.get("width")) for bar in svg.findall("rect") if bar.get("class") == "full"]
    assert full[0] == pytest.approx(full[1] / 2)
    assert "40.0 to 60.0, chance 25.0 %" in text


def test_numbers_beside_the_axis_are_short():
    assert [short(v) for v in (0.0, 0.0005, 0.25, 2.0, 150_000.0)] == ["0", "5e-4", "0.25", "2", "150k"]


def chart(curves, **options):
    svg = ElementTree.fromstring(line_chart(curves, x_label="step", title="t & u", **options))
    lines = [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in svg.findall("polyline")]
    return svg, lines


FRAME = Axes((0, 1), (0, 1))


def test_points_lie_where_their_numbers_are():
    _, lines = chart([Curve("a", [(0, 0.0), (50, 0.25), (100, 1.0)])], percent=True)
    left, right = FRAME.left, FRAME.width - FRAME.right
    bottom, top = FRAME.height - FRAME.bottom, FRAME.top
    assert lines[0] == [(left, bottom), ((left + right) / 2, bottom - 0.25 * (bottom - top)), (right, top)]


@pytest.mark.parametrize(
    "values", [[-10.0, -9.9, -9.5], [0.0, 0.0], [-1.0, 2.0], [5.0, 4.0], [1e-5, 2e-5], [1e6, 2e6], [0.0, -3.0]]
)
def test_every_curve_stays_inside_its_frame_and_larger_is_higher(values):
    _, lines = chart([Curve("a", list(enumerate(values)))])
    heights = [y for _, y in lines[0]]
    assert all(FRAME.top <= y <= FRAME.height - FRAME.bottom for y in heights)
    assert sorted(heights, reverse=True) == [y for _, y in sorted(zip(values, heights, strict=True))]


def test_axes_name_their_values():
    svg, _ = chart([Curve("a", [(0, 0.0), (3000, 1.0)])], percent=True)
    texts = ["".join(text.itertext()) for text in svg.iter("text")]
    assert texts[:6] == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert texts[6:10] == ["0", "500", "1,000", "1,500"]
    assert "step" in texts and "a" in texts
    svg, _ = chart([Curve("a", [(0, 0.0), (3, 0.0004)])])
    assert "1e-4" in ["".join(text.itertext()) for text in svg.iter("text")]


def test_chance_is_a_line_at_its_height():
    svg, _ = chart([Curve("a", [(0, 0.0), (10, 1.0)])], percent=True, chance=0.25)
    height = FRAME.height - FRAME.bottom - 0.25 * (FRAME.height - FRAME.top - FRAME.bottom)
    dash = [path.get("d") for path in svg.findall("path") if path.get("class") == "dash"]
    assert dash == [f"M46.0 {height}H506.0"]
    assert chart([Curve("a", [(0, 0.0)])])[0].findall("path[@class='dash']") == []


def test_curves_have_their_own_colours_and_a_legend_that_does_not_overlap():
    curves = [Curve(f"name <{n}>", [(0, 0.0), (1, n + 1.0)]) for n in range(5)]
    svg, lines = chart(curves)
    colours = [line.get("style") for line in svg.findall("polyline")]
    assert len(lines) == 5
    assert colours == [f"stroke:var({c})" for c in ("--a", "--b", "--c", "--d", "--a")]
    legend = [(float(t.get("x")), t.text) for t in svg.findall("text") if (t.text or "").startswith("name")]
    assert [text for _, text in legend] == [curve.name for curve in curves]
    assert all(b[0] - a[0] > 5 * len(a[1]) for a, b in zip(legend, legend[1:], strict=False))
    keys = [rect.get("style") for rect in svg.findall("rect")]
    assert keys == [colour.replace("stroke", "fill") for colour in colours]


@pytest.mark.parametrize(("count", "dots"), [(1, 1), (40, 40), (41, 0)])
def test_few_points_are_dotted(count, dots):
    svg, _ = chart([Curve("a", [(n, float(n)) for n in range(count)])])
    assert len(svg.findall("circle")) == dots


def test_figures_say_what_they_are():
    for text in (
        line_chart([Curve("a", [(0, 1.0)])], x_label="x", title="t & u"),
        heatmap(np.eye(2), title="t & u"),
        interval_bars([Bar("a", 0.5)], title="t & u"),
    ):
        svg = ElementTree.fromstring(text)
        assert svg.get("aria-label") == "t & u" and svg.find("title").text == "t & u" and svg.get("role") == "img"
        assert svg.get("viewBox") == f"0 0 {svg.get('width')} {svg.get('viewBox').split()[-1]}"


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 7, 5, [0, 2, 4, 6]),
        (0.3, 1.2, 5, [0.4, 0.6, 0.8, 1.0, 1.2]),
        (0, 0.00021, 5, [0, 0.00005, 0.0001, 0.00015, 0.0002]),
        (0, 30000, 6, [0, 5000, 10000, 15000, 20000, 25000, 30000]),
        (-3, 3, 6, [-3, -2, -1, 0, 1, 2, 3]),
        (5, 5, 5, [5]),
        (0, 3.1, 6, [0, 1, 2, 3]),
    ],
)
def test_ticks(low, high, count, expected):
    assert ticks(low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9999, "9999"), (10_000, "10k"), (-12_500, "-12.5k"), (0.001, "0.001"), (0.00099, "1e-3"), (-0.0002, "-2e-4"),
        (0, "0"), (1e-12, "1e-12"), (3.25, "3.25"),
    ],
)  # fmt: skip
def test_short_numbers(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("value", "colour", "fill"),
    [
        (0, "--a", 0.04),
        (1, "--a", 1.0),
        (0.5, "--a", 0.52),
        (-0.5, "--cold", 0.52),
        (-1, "--cold", 1.0),
        (1.5, "--a", 1.0),
    ],
)
def test_shades(value, colour, fill):
    assert f"var({colour})" in shade(value)
    assert opacity(shade(value)) == pytest.approx(fill)


def test_cells_lie_in_rows_and_columns():
    svg = ElementTree.fromstring(heatmap(np.array([[1.0, 0.2, -1.0], [0.0, 0.5, 0.7]]), cell=10, title="t"))
    places = [(float(c.get("x")), float(c.get("y")), float(c.get("width"))) for c in svg.findall("rect")]
    assert places == [(x, y, 9) for y in (0, 10) for x in (0, 10, 20)]
    assert svg.get("viewBox") == "0 0 30 20"


def test_bars_whiskers_and_chance_share_one_scale():
    svg = ElementTree.fromstring(
        interval_bars([Bar("a", 0.5, (0.25, 0.75), 0.1), Bar("b", 0.123, chance=0.0)], title="t")
    )
    track = [(float(r.get("x")), float(r.get("width"))) for r in svg.findall("rect[@class='track']")]
    (left, wide), other = track
    assert other == (left, wide)
    full = svg.findall("rect[@class='full']")
    assert [float(r.get("width")) for r in full] == [pytest.approx(0.5 * wide), pytest.approx(0.123 * wide)]
    assert float(full[1].get("y")) > float(full[0].get("y")) + float(full[0].get("height"))
    whisker = re.findall(r"[\d.]+", svg.find("path[@class='whisker']").get("d"))
    assert [float(whisker[0]), float(whisker[2])] == [left + 0.25 * wide, left + 0.75 * wide]
    chances = [float(re.findall(r"M([\d.]+)", p.get("d"))[0]) for p in svg.findall("path[@class='chance']")]
    assert chances == [pytest.approx(left + 0.1 * wide), left]
    texts = [t.text for t in svg.findall("text")]
    assert texts == ["a", "50.0 %", "25.0 to 75.0, chance 10.0 %", "b", "12.3 %", "chance 0.0 %"]
