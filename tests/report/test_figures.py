"""Figures: numbers land where they belong."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from wordsight.report.figures import Bar, Curve, Frame, heatmap, interval_bars, line_chart, shade, short, ticks


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
    frame = Frame((0, 10), (0, 2))
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
