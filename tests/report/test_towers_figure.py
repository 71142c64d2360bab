"""The figure of the dual encoder: every image, caption and cosine once, in its row and its column."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from wordsight.report.page import address
from wordsight.report.towers_figure import towers_figure

CAPTIONS = ["a red star", "two <blue> circles & more words than there is room for above", "x" * 34, "y" * 35]
MATRIX = np.array([[1.0, 0.7, 0.71, -0.5], [0.0, 0.9, 0.1, 0.2], [0.3, 0.4, 0.5, 0.6], [-1.0, 0.12, 0.345, 0.69]])


@pytest.fixture
def figure(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(path)
    return ElementTree.fromstring(towers_figure(MATRIX, images=paths, captions=CAPTIONS)), paths


def texts(svg, kind):
    return ["".join(text.itertext()) for text in svg.findall("text") if text.get("class") == kind]


def test_cells_hold_their_cosines_in_rows_and_columns(figure):
    svg, _ = figure
    cells = svg.findall("rect")
    assert len(cells) == 16
    places = [(float(cell.get("x")), float(cell.get("y"))) for cell in cells]
    columns, rows = (sorted({place[axis] for place in places}) for axis in (0, 1))
    assert places == [(x, y) for y in rows for x in columns]
    assert len({round(b - a, 6) for line in (columns, rows) for a, b in zip(line, line[1:], strict=False)}) == 1
    numbers = [t for t in svg.findall("text") if t.get("class") in ("mid", "mid inverse")]
    assert [t.text for t in numbers] == [f"{value:.2f}" for value in MATRIX.ravel()]
    strong = [t.text for t in numbers if t.get("class") == "mid inverse"]
    assert strong == ["1.00", "0.71", "0.90"]  # on a full colour the paper's colour is read
    for cell, number in zip(cells, numbers, strict=True):
        assert float(cell.get("x")) < float(number.get("x")) < float(cell.get("x")) + float(cell.get("width"))
        assert float(cell.get("y")) < float(number.get("y")) < float(cell.get("y")) + float(cell.get("height"))
    assert [n for n, cell in enumerate(cells) if cell.get("stroke")] == [0, 5, 10, 15]
    assert {cell.get("stroke") for cell in cells} == {None, "currentColor"}


def test_images_and_captions_are_numbered_along_their_rows_and_columns(figure):
    svg, paths = figure
    cells = svg.findall("rect")
    images = svg.findall("image")
    assert [image.get("href") for image in images] == [address(path) for path in paths]
    for row, image in enumerate(images):
        cell = cells[4 * row]
        assert float(image.get("y")) == pytest.approx(float(cell.get("y")), abs=4)
        assert float(image.get("x")) + float(image.get("width")) < float(cell.get("x"))
        assert float(image.get("height")) <= float(cells[4].get("y")) - float(cells[0].get("y"))  # none over another
    labels = [text for text in texts(svg, "strong") + texts(svg, "mid strong") if len(text) == 2]
    assert labels == ["I1", "I2", "I3", "I4", "T1", "T2", "T3", "T4"]
    assert "image tower" in texts(svg, "mid strong") and "text tower" in texts(svg, "mid strong")


def test_captions_that_are_too_long_are_cut(figure):
    svg, _ = figure
    shown = [text.text for text in svg.findall("text") if text.get("font-size") == "11"]
    assert shown == ["a red star", "two <blue> circles & more words t…", "x" * 34, "y" * 33 + "…"]


def test_both_towers_are_drawn_and_nothing_lies_outside(figure):
    svg, _ = figure
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert [path.get("class") for path in svg.findall("path") if "tower" in path.get("class")] == [
        "tower",
        "tower text",
    ]
    assert len([path for path in svg.findall("path") if path.get("class") == "flow"]) == 16  # into and out of a tower
    for shape in [*svg.findall("rect"), *svg.findall("image")]:
        assert float(shape.get("x")) >= 0 and float(shape.get("x")) + float(shape.get("width")) <= width
        assert float(shape.get("y")) >= 0 and float(shape.get("y")) + float(shape.get("height")) <= height
    assert svg.find("title").text == svg.get("aria-label")
