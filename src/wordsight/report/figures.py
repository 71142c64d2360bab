"""Small figures as SVG text: curves, matrices, bars with intervals.

Each function takes plain numbers and returns one `<svg>` element.  Colours are the CSS variables of `page.css`
(--ink, --soft, --line, --a ... --d, --cold), so that a figure follows the reader's light or dark mode.  Knows no files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]
COLOURS = ("--a", "--b", "--c", "--d")


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) in order of x, with a name for the legend."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bar:
    """A value in 0..1 with its interval; `chance` is what guessing gives."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Axes:
    """The drawing area of a chart in pixels, and the data range that fills it."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 520
    height: int = 270
    left: int = 46
    right: int = 14
    top: int = 34
    bottom: int = 40

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a data point."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        wide = self.width - self.left - self.right
        high = self.height - self.top - self.bottom
        return round(self.left + across * wide, 1), round(self.top + (1 - up) * high, 1)


def line_chart(
    curves: Sequence[Curve], *, x_label: str, title: str, percent: bool = False, chance: float | None = None
) -> str:
    """Draw curves over one axis; with `percent` the axis is 0..100 %; `chance` is a dashed line."""
    points = [point for curve in curves for point in curve.points]
    if not points:
        return ""
    top = 1.0 if percent else max(0.0, *(y for _, y in points)) * 1.05
    low = 0.0 if percent else min(0.0, *(y for _, y in points))
    frame = Axes((0.0, max(x for x, _ in points)), (low, top))
    parts = [_grid(frame, percent=percent), _axis_label(frame, x_label)]
    if chance is not None:
        (x0, y0), (x1, _) = frame.at(frame.x[0], chance), frame.at(frame.x[1], chance)
        parts.append(
            f'<path class="dash" d="M{x0} {y0}H{x1}"/><text x="{x1}" y="{y0 - 5}" class="end soft">chance</text>'
        )
    for number, curve in enumerate(curves):
        path = " ".join(f"{x},{y}" for x, y in (frame.at(*point) for point in curve.points))
        colour = COLOURS[number % len(COLOURS)]
        dots = _dots(frame, curve, colour) if len(curve.points) <= 40 else ""
        parts.append(f'<polyline points="{path}" style="stroke:var({colour})" class="curve"/>{dots}')
    parts.append(_legend(frame, curves))
    return _svg("".join(parts), frame.width, frame.height, title)


def _dots(frame: Axes, curve: Curve, colour: str) -> str:
    spots = (frame.at(*point) for point in curve.points)
    return "".join(f'<circle cx="{x}" cy="{y}" r="2.6" style="fill:var({colour})"/>' for x, y in spots)


def _grid(frame: Axes, *, percent: bool) -> str:
    parts = []
    for y in ticks(*frame.y, 5):
        x0, height = frame.at(frame.x[0], y)
        x1, _ = frame.at(frame.x[1], y)
        label = f"{100 * y:.0f} %" if percent else short(y)
        parts.append(f'<path class="rule" d="M{x0} {height}H{x1}"/>')
        parts.append(f'<text x="{x0 - 6}" y="{height + 4}" class="end soft">{label}</text>')
    for x in ticks(*frame.x, 6):
        across, base = frame.at(x, frame.y[0])
        parts.append(f'<text x="{across}" y="{base + 16}" class="mid soft">{x:,.0f}</text>')
    return "".join(parts)


def _axis_label(frame: Axes, text: str) -> str:
    return f'<text x="{frame.width - frame.right}" y="{frame.height - 4}" class="end soft">{escape(text)}</text>'


def _legend(frame: Axes, curves: Sequence[Curve]) -> str:
    parts, x = [], frame.left
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{x}" y="12" width="12" height="4" rx="2" style="fill:var({colour})"/>')
        parts.append(f'<text x="{x + 17}" y="18">{escape(curve.name)}</text>')
        x += 30 + round(6.4 * len(curve.name))
    return "".join(parts)


def short(value: float) -> str:
    """Return a number in a few letters: 0.0005 as 5e-4, 150000 as 150k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    if 0 < abs(value) < 0.001:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:g}"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round values from `low` to `high` (steps of 1, 2 or 5 times a power of ten)."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span / count)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def heatmap(matrix: Matrix, *, cell: int = 11, title: str) -> str:
    """Draw cosines as squares: the fuller the colour the nearer to 1; below 0 in the cold colour."""
    rows, columns = matrix.shape
    squares = [
        _square(column * cell, row * cell, cell - 1, float(matrix[row, column]))
        for row in range(rows)
        for column in range(columns)
    ]
    return _svg("".join(squares), columns * cell, rows * cell, title)


def _square(x: float, y: float, side: float, value: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{side}" height="{side}" rx="1.5" {shade(value)}/>'


def shade(value: float) -> str:
    """Return the fill of a cosine: opacity is its size, the colour its sign."""
    colour = "--a" if value >= 0 else "--cold"
    return f'style="fill:var({colour});fill-opacity:{min(1.0, 0.04 + 0.96 * abs(value)):.3f}"'


def interval_bars(bars: Sequence[Bar], *, title: str) -> str:
    """Draw one horizontal bar a value, with a whisker for its interval and a tick where chance lies."""
    left, wide, step = 230, 300, 34
    parts = []
    for number, bar in enumerate(bars):
        y = 8 + number * step
        parts.append(f'<text x="{left - 10}" y="{y + 15}" class="end">{escape(bar.name)}</text>')
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{wide}" height="16" rx="3" class="track"/>')
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{wide * bar.value:.1f}" height="16" rx="3" class="full"/>')
        if bar.interval:
            low, high = (left + wide * edge for edge in bar.interval)
            parts.append(
                f'<path class="whisker" d="M{low:.1f} {y + 11}H{high:.1f}M{low:.1f} {y + 7}v8M{high:.1f} {y + 7}v8"/>'
            )
        if bar.chance is not None:
            parts.append(f'<path class="chance" d="M{left + wide * bar.chance:.1f} {y}v22"/>')
        parts.append(f'<text x="{left + wide + 12}" y="{y + 16}" class="strong">{100 * bar.value:.1f} %</text>')
        parts.append(f'<text x="{left + wide + 72}" y="{y + 16}" class="soft">{escape(_aside(bar))}</text>')
    return _svg("".join(parts), left + wide + 310, 16 + step * len(bars), title)


def _aside(bar: Bar) -> str:
    notes = []
    if bar.interval:
        notes.append(f"{100 * bar.interval[0]:.1f} to {100 * bar.interval[1]:.1f}")
    if bar.chance is not None:
        notes.append(f"chance {100 * bar.chance:.1f} %")
    return ", ".join(notes)


def _svg(inside: str, width: float, height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{inside}</svg>"
    )
