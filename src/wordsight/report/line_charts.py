"""Curves over one axis: with bands, with dashed levels such as chance, over steps, doublings or names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from wordsight.report.canvas import (
    LINE,
    WIDE,
    Span,
    colour,
    dash,
    figure,
    height_rules,
    legend,
    number,
    percent,
    plain,
    short,
    shortened,
    svg,
    text,
    text_width,
    ticks,
    wrapped,
)

DOTS = 40  # points of a curve that are drawn as dots, too
ROOM = 26  # pixels below a plot for the labels of its ticks
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y) in order of x, with a name for the legend; `band` is a (low, high) for each point.

    `paint` is the variable of its colour where that has a meaning; otherwise the order decides.
    """

    name: str
    points: Sequence[Point]
    band: Sequence[Point] | None = None
    paint: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """A dashed line at a height, with its name: chance, or zero-shot under curves of few-shot."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes of a line chart are: labels, whether y is a share, how x is spaced.

    `spacing` is "linear", "log2" or "even": the last has the values of x side by side whatever they are.
    """

    x: str
    y: str = ""
    percents: bool = False
    spacing: str = "linear"
    diagonal: bool = False


def line_chart(
    name: str, curves: Sequence[Curve], *, axes: Axes, title: str, levels: Sequence[Level] = (), wide: int = WIDE
) -> str:
    """Return a figure of curves; nothing without points.  Shares have an axis of 0 to 100 %."""
    drawn = [_finite(curve) for curve in curves]
    drawn = [curve for curve in drawn if curve.points]
    if not drawn:
        return ""
    return figure(name, title=title, draw=lambda width: _drawn(drawn, axes, levels, width), wide=wide)


def _finite(curve: Curve) -> Curve:
    """Return a curve without the points at which it is not defined."""
    kept = [i for i, point in enumerate(curve.points) if all(math.isfinite(part) for part in point)]
    band = None if curve.band is None else [curve.band[i] for i in kept]
    whole = band is not None and all(math.isfinite(part) for pair in band for part in pair)
    return Curve(curve.name, [curve.points[i] for i in kept], band if whole else None, curve.paint)


def _drawn(curves: Sequence[Curve], axes: Axes, levels: Sequence[Level], width: int) -> str:
    xs = sorted({x for curve in curves for x, _ in curve.points})
    paints = [curve.paint for curve in curves]
    names, top = legend([curve.name for curve in curves], width=width, marks="line", paints=paints)
    high = 270 if width > 500 else 220
    y = _heights(curves, axes, levels, (top + 12 + high, top + 12))
    left = 12 + max(text_width(f"{100 * v:.0f} %" if axes.percents else short(v)) for v in ticks(y.low, y.high, 5))
    across = _across(xs, axes, left, width - 14)
    parts = [names, height_rules(y, left=left, right=width - 14, percents=axes.percents)]
    words = wrapped(f"{axes.y} against {axes.x}" if axes.y else axes.x, width - 28)
    below = y.start + ROOM + 10
    parts.append(_x_labels(xs, axes, across, y.start))
    parts += [text(width - 14, below + LINE * i, line, "end soft") for i, line in enumerate(words)]
    if axes.diagonal:
        ends = f"M{across.at(xs[0]):g} {y.at(xs[0]):g}L{across.at(xs[-1]):g} {y.at(xs[-1]):g}"
        parts.append(f'<path class="dash" d="{ends}"/>')
    dashes, called = _levels(levels, y, left, width - 14)
    parts.append(dashes)
    parts += [_curve(curve, number, _pixels(across, axes, xs), y) for number, curve in enumerate(curves)]
    return svg("".join([*parts, called]), width, below + 8 + LINE * (len(words) - 1))


def _heights(curves: Sequence[Curve], axes: Axes, levels: Sequence[Level], pixels: Point) -> Span:
    values = [y for curve in curves for _, y in curve.points]
    values += [edge for curve in curves for pair in curve.band or () for edge in pair]
    values += [level.value for level in levels if math.isfinite(level.value)]
    if axes.percents and min(values) >= 0 and max(values) <= 1:
        return Span(0.0, 1.0 if max(values) >= 0.5 else math.ceil(10 * max(values) + 0.01) / 10, *pixels)
    low, top = min(0.0, *values, 0.0), max(0.0, *values, 0.0) * 1.05
    return Span(low, top if top > low else low + 1.0, *pixels)


def _across(xs: Sequence[float], axes: Axes, left: float, right: float) -> Span:
    if axes.spacing == "even":
        return Span(-0.25, len(xs) - 0.75, left, right)
    if axes.spacing == "log2" and xs[0] > 0:
        return Span(xs[0], xs[-1], left + 8, right - 8, "log2")
    return Span(min(0.0, xs[0]), xs[-1], left, right)


def _pixels(across: Span, axes: Axes, xs: Sequence[float]) -> dict[float, float]:
    """Return the pixel of each x that occurs."""
    return {x: across.at(i if axes.spacing == "even" else x) for i, x in enumerate(xs)}


def _x_labels(xs: Sequence[float], axes: Axes, across: Span, base: float) -> str:
    shown = list(xs)
    if axes.spacing == "linear" and not (len(xs) <= 7 and all(float(x).is_integer() for x in xs)):
        shown = ticks(across.low, across.high, 6 if across.end - across.start > 400 else 3)
    pixels = _pixels(across, axes, xs) if shown == list(xs) else {x: across.at(x) for x in shown}
    parts, last = [], -math.inf
    for x in shown:
        label = f"{x:,.0f}" if float(x).is_integer() and abs(x) < 100_000 else short(x)
        half = text_width(label) / 2
        if pixels[x] - half < last + 4:
            continue
        middle = min(pixels[x], across.end + 12 - half)
        parts.append(text(round(middle, 1), base + 17, label, "mid soft"))
        last = pixels[x] + half
    return "".join(parts)


def _levels(levels: Sequence[Level], y: Span, left: float, right: float) -> tuple[str, str]:
    """Return the lines of levels and their names, each above its line; where two would meet the lower one is below."""
    lines, names, last = [], [], -math.inf
    for level in sorted((level for level in levels if math.isfinite(level.value)), key=lambda level: -level.value):
        at = y.at(level.value)
        base = at - 5 if at - 5 >= last + LINE else max(at + 14, last + LINE)
        names.append(text(right, base, shortened(level.name, right - left), "end soft halo"))
        lines.append(f'<path class="dash" d="M{left:g} {at:g}H{right:g}"/>')
        last = base
    return "".join(lines), "".join(names)


def _curve(curve: Curve, order: int, pixels: dict[float, float], y: Span) -> str:
    points = [(pixels[x], y.at(value)) for x, value in curve.points]
    paint = f"var({curve.paint or colour(order)})"
    parts = []
    if curve.band is not None and len(points) > 1:
        upper = [f"{p[0]:g},{y.at(edge[1]):g}" for p, edge in zip(points, curve.band, strict=True)]
        lower = [f"{p[0]:g},{y.at(edge[0]):g}" for p, edge in zip(points, curve.band, strict=True)]
        parts.append(f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}" style="fill:{paint}"/>')
    path = " ".join(f"{x:g},{at:g}" for x, at in points)
    parts.append(f'<polyline points="{path}" style="stroke:{paint}" class="curve{dash(order)}"/>')
    if len(points) <= DOTS:
        parts += [_dot(curve.name, value, spot, paint) for value, spot in zip(curve.points, points, strict=True)]
    return "".join(parts)


def _dot(name: str, value: Point, spot: Point, paint: str) -> str:
    height = percent(value[1]) if 0 <= value[1] <= 1 else number(value[1])
    hint = escape(f"{plain(name)}: {height} at {short(value[0])}")
    return f'<circle cx="{spot[0]:g}" cy="{spot[1]:g}" r="3" style="fill:{paint}"><title>{hint}</title></circle>'
