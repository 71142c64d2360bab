"""The forms of details: what the data of each must hold, and how it is drawn.

`FORMS` is the whole table: a form's name, the check of its data, the function that draws it.  A further form is one
row here and its name in `base/details.py`.  A check returns the data as values of this room, or raises `ValueError`,
`TypeError` or `KeyError`, which the reader turns into an error with file and line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.details import Detail
from wordsight.base.errors import WordsightError
from wordsight.report.bar_charts import Bar, interval_bars
from wordsight.report.calibration_figure import Bin, reliability_diagram
from wordsight.report.canvas import number, plain
from wordsight.report.line_charts import Axes, Curve, line_chart
from wordsight.report.matrices import MOST, NamedMatrix, largest_part, named_matrix
from wordsight.report.page import address, box, note, table
from wordsight.report.paired import RecordedHits, read_hits
from wordsight.report.runs import is_number

FOLDED = 30  # bars, or rows of a table, from which on they are folded away until asked for
SHOWN = 6  # pictures, after which the further ones are folded away
Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where a detail is drawn: the folder of its run, the name of its file among the figures, and its title."""

    folder: Path
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Form:
    """How the data of a form is read (checked), and drawn as HTML."""

    read: Callable[[Data], Any]
    draw: Callable[[Any, Drawing], str]


def checked(detail: Detail) -> Any:
    """Return the data of a detail as its form's value; what does not fit raises."""
    return FORMS[detail.form].read(detail.data)


def drawn(detail: Detail, value: Any, drawing: Drawing) -> str:
    """Return a checked detail as HTML; nothing where there is nothing to see."""
    return FORMS[detail.form].draw(value, drawing)


def _read_bars(data: Data) -> tuple[list[Bar], bool]:
    bars = [
        Bar(
            _text(row["name"]),
            _number(row["value"], "value"),
            None if row.get("interval") is None else _pair(row["interval"]),
            None if row.get("chance") is None else _number(row["chance"], "chance"),
            _count(row.get("count") or 0),
        )
        for row in data["rows"]
    ]
    unit = data.get("unit") or "share"
    if unit not in ("share", "number"):
        raise ValueError(f"its unit is {unit!r}, neither share nor number")
    return bars, unit == "share"


def _draw_bars(value: tuple[list[Bar], bool], drawing: Drawing) -> str:
    bars, percents = value
    block = box(interval_bars(drawing.name, bars, title=drawing.title, percents=percents))
    return _folded(block, len(bars), "bars")


def _read_lines(data: Data) -> tuple[list[Curve], Axes]:
    curves = []
    for part in data["series"]:
        points = [_pair(point) for point in part["points"]]
        band = None if part.get("band") is None else [_pair(edges) for edges in part["band"]]
        if band is not None and len(band) != len(points):
            raise ValueError(f"the band of {part['name']!r} has {len(band)} values for {len(points)} points")
        curves.append(Curve(_text(part["name"]), points, band))
    spacing = "log2" if data.get("log") else "linear"
    axes = Axes(
        _text(data["x"]), _text(data.get("y", "")), bool(data.get("percent")), spacing, bool(data.get("diagonal"))
    )
    return curves, axes


def _draw_lines(value: tuple[list[Curve], Axes], drawing: Drawing) -> str:
    return box(line_chart(drawing.name, value[0], axes=value[1], title=drawing.title))


def _read_matrix(data: Data) -> tuple[NamedMatrix, bool]:
    rows, columns = [_text(name) for name in data["rows"]], [_text(name) for name in data["columns"]]
    lines = [[float("nan") if cell is None else _number(cell, "cell") for cell in line] for line in data["values"]]
    if len(lines) != len(rows) or any(len(line) != len(columns) for line in lines):
        raise ValueError(f"its values are not {len(rows)} rows of {len(columns)}")
    values = np.array(lines, np.float64).reshape(len(rows), len(columns))
    return NamedMatrix(rows, columns, values), bool(data.get("percent"))


def _draw_matrix(value: tuple[NamedMatrix, bool], drawing: Drawing) -> str:
    whole, percents = value
    part = largest_part(whole)
    block = box(named_matrix(drawing.name, part, title=drawing.title, percents=percents))
    if part is whole:
        return block
    rows, columns = whole.values.shape
    what = "lies beside the diagonal" if list(whole.rows) == list(whole.columns) else "they hold"
    return block + note(f"Of {rows} rows and {columns} columns, up to {MOST} each: those with the most of what {what}.")


def _read_table(data: Data) -> tuple[list[str], list[list[str]]]:
    head = [_text(cell) for cell in data["head"]]
    rows = [[_cell(cell) for cell in row] for row in data["rows"]]
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"a row has another number of cells than the head, {len(head)}")
    return head, rows


def _cell(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return number(cell)
    return f"{cell:,}" if is_number(cell) else _text(cell)


def _draw_table(value: tuple[list[str], list[list[str]]], _: Drawing) -> str:
    head, rows = value
    return _folded(box(table(head, rows)), len(rows), "rows") if rows else ""


def _read_images(data: Data) -> list[dict[str, Any]]:
    return [
        {
            "image": _text(part["picture"]),
            "title": _text(part.get("title", "")),
            "lines": [_text(line) for line in part.get("lines", [])],
            "kind": {True: "right", False: "wrong", None: ""}[part.get("right")],
        }
        for part in data["pictures"]
    ]


def _draw_images(value: Sequence[Mapping[str, Any]], drawing: Drawing) -> str:
    cards = []
    for part in value:
        lines = "".join(f"<br>{escape(plain(line))}" for line in part["lines"])
        caption = f"<figcaption><b>{escape(plain(part['title']))}</b>{lines}</figcaption>"
        shown = shown_image(drawing.folder, part["image"], part["title"])
        cards.append(f'<figure class="{part["kind"]}">{shown}{caption}</figure>')
    if not cards:
        return ""
    rest = f'<div class="hits wide">{"".join(cards[SHOWN:])}</div>'
    folded = f"<details><summary>{len(cards) - SHOWN:,} more</summary>{rest}</details>" if cards[SHOWN:] else ""
    return f'<div class="hits wide">{"".join(cards[:SHOWN])}</div>{folded}'


def shown_image(folder: Path, name: str, alt: str) -> str:
    """Return a recorded image, or a placeholder with its name where it cannot be shown.

    Names lead to files inside the run's folder only: a record may come from somebody else.
    """
    path, placeholder = folder / name, f'<div class="missing">no picture {escape(plain(name)[-60:])}</div>'
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        return f'<img src="{address(path)}" alt="{escape(plain(alt))}">' if inside else placeholder
    except (WordsightError, OSError, ValueError):  # gone, too large, no image, no name of a file: the page says so
        return placeholder


def _read_bins(data: Data) -> list[Bin]:
    bins = []
    for part in data["bins"]:
        means = [None if part.get(key) is None else _number(part[key], key) for key in ("confidence", "accuracy")]
        bins.append(
            Bin(_number(part["low"], "low"), _number(part["high"], "high"), means[0], means[1], _count(part["count"]))
        )
    return bins


def _draw_bins(value: Sequence[Bin], drawing: Drawing) -> str:
    return box(reliability_diagram(drawing.name, value, title=drawing.title))


def _draw_hits(_: RecordedHits, __: Drawing) -> str:
    return ""  # compared between models, not drawn by themselves


def _folded(block: str, count: int, what: str) -> str:
    if count <= FOLDED or not block:
        return block
    return f"<details><summary>{count:,} {what}</summary>{block}</details>"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any, name: str) -> float:
    if not is_number(value):
        raise TypeError(f"its {name} is {str(value)[:60]!r}, which is no number to draw")
    return float(value)


def _count(value: Any) -> int:
    return int(_number(value, "count"))


def _pair(value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{value!r} is no pair of numbers")
    return _number(value[0], "first"), _number(value[1], "second")


FORMS: Mapping[str, Form] = {
    "bars": Form(_read_bars, _draw_bars),
    "lines": Form(_read_lines, _draw_lines),
    "matrix": Form(_read_matrix, _draw_matrix),
    "table": Form(_read_table, _draw_table),
    "pictures": Form(_read_images, _draw_images),
    "reliability": Form(_read_bins, _draw_bins),
    "hits": Form(read_hits, _draw_hits),
}
