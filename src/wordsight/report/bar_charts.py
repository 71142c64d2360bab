"""Bars: groups side by side with whiskers and chance, one under another, and differences around zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from wordsight.report.canvas import (
    LINE,
    Span,
    colour,
    figure,
    height_rules,
    legend,
    lines_of,
    number,
    percent,
    plain,
    shortened,
    svg,
    text,
    text_width,
    ticks,
    wrapped,
)

PLOT = 210  # pixels that 100 % is high
GAP = 20  # pixels between two groups
VALUE = 82.0  # pixels between a bar and its interval: room for "100.0 %"
SLANT = 0.64  # sine of 40 degrees, by which long names of groups are turned


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, what guessing gives and the number averaged over; `name` is its label."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    chance: float | None = None
    count: int = 0

    def hint(self, *, percents: bool = True) -> str:
        """Return all that is known of the bar in one line."""
        write = percent if percents else number
        parts = [f"{plain(self.name)}: {write(self.value)}"]
        if self.interval:
            parts.append(f"95 % interval {write(self.interval[0])} to {write(self.interval[1])}")
        if self.count:
            parts.append(f"n {self.count:,}")
        if self.chance is not None:
            parts.append(f"chance {write(self.chance)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Group:
    """The bars of one task, in the order of the series; None where a series has no value."""

    name: str
    bars: Sequence[Bar | None]


def grouped_bars(name: str, groups: Sequence[Group], *, series: Sequence[str], title: str) -> str:
    """Return a figure with groups along the x-axis and shares upwards, in rows of as many groups as fit."""
    kept = [group for group in groups if any(bar is not None and math.isfinite(bar.value) for bar in group.bars)]
    if not kept:
        return ""
    return figure(name, title=title, draw=lambda width: _grouped(kept, series, width))


def _grouped(groups: Sequence[Group], series: Sequence[str], width: int) -> str:
    left = 48
    thick = max(9.0, min(44.0, (width - left) / len(groups) / len(series) * 0.72))
    step = max(thick * len(series) + GAP, 46.0)
    fitting = max(1, int((width - left) // step))
    rows = [groups[i : i + fitting] for i in range(0, len(groups), fitting)]
    names, y = legend([*series], width=width) if len(series) > 1 else ("", 0.0)
    parts = [names]
    for row in rows:
        across = step if len(rows) > 1 else min((width - left) / len(row), step * 2.0)
        drawn, height = _row(row, (left, y + 22, across, thick), width)
        parts.append(drawn)
        y += height
    return svg("".join(parts), width, y)


def _row(row: Sequence[Group], frame: tuple[float, float, float, float], width: int) -> tuple[str, float]:
    left, top, step, thick = frame
    up = Span(0.0, 1.0, top + PLOT, top)
    parts = [height_rules(up, left=left, right=width, percents=True)]
    widest = max(text_width(plain(group.name)) for group in row)
    slanted = widest > step - 6
    for number_of, group in enumerate(row):
        middle = left + step * (number_of + 0.5)
        start = middle - thick * len(group.bars) / 2
        bars = enumerate(group.bars)
        parts += [_upright(bar, i, (round(start + i * thick, 1), thick), up) for i, bar in bars if bar is not None]
        parts.append(_group_name(group.name, middle, up.start, slanted=slanted))
    below = min(130, widest) * SLANT + 22 if slanted else 28
    return "".join(parts), 22 + PLOT + below


def _group_name(name: str, x: float, base: float, *, slanted: bool) -> str:
    if not slanted:
        return text(round(x, 1), base + 18, plain(name), "mid")
    room = min(130.0, (x - 18) / 0.77)  # 0.77 is the cosine of 40 degrees: nothing leaves the drawing to the left
    label = escape(shortened(name, room))
    return f'<text class="end" transform="translate({x + 5:.1f} {base + 15:.1f}) rotate(-40)">{label}</text>'


def _upright(bar: Bar, order: int, across: tuple[float, float], up: Span) -> str:
    if not math.isfinite(bar.value):
        return ""
    x, thick = across
    top, middle = up.at(min(1.0, max(0.0, bar.value))), x + thick / 2
    parts = [
        f'<rect class="bar" x="{x + 1:g}" y="{top:g}" width="{thick - 2:.1f}" height="{up.start - top:.1f}" rx="1.5" '
        f'style="fill:var({colour(order)})"><title>{escape(bar.hint())}</title></rect>'
    ]
    above = top
    if bar.interval and all(math.isfinite(edge) for edge in bar.interval):
        low, high = up.at(bar.interval[0]), up.at(bar.interval[1])
        wing = min(4.0, thick / 3)
        parts.append(
            f'<path class="whisker" d="M{middle:.1f} {low:g}V{high:g}M{middle - wing:.1f} {low:g}h{2 * wing:.1f}'
            f'M{middle - wing:.1f} {high:g}h{2 * wing:.1f}"/>'
        )
        above = min(above, high)
    if bar.chance is not None and math.isfinite(bar.chance):
        parts.append(f'<path class="chance" d="M{x:g} {up.at(bar.chance):g}h{thick:.1f}"/>')
    label = f"{100 * bar.value:.1f}" if thick >= 34 else f"{100 * bar.value:.0f}"
    if thick >= 20:
        parts.append(text(round(middle, 1), above - 5, label, "mid"))
    return "".join(parts)


def interval_bars(name: str, bars: Sequence[Bar], *, title: str, percents: bool = True) -> str:
    """Return a figure of one horizontal bar a value, with a whisker for its interval and a tick where chance lies."""
    kept = [bar for bar in bars if math.isfinite(bar.value)]
    if not kept:
        return ""
    return figure(name, title=title, draw=lambda width: _lying_bars(kept, width, percents=percents))


def _lying_bars(bars: Sequence[Bar], width: int, *, percents: bool) -> str:
    wide = width > 500
    left = min(250.0, max(text_width(plain(bar.name)) for bar in bars) + 24) if wide else 0.0
    right = (VALUE + 208.0 if any(bar.chance is not None for bar in bars) else VALUE + 118.0) if wide else 0.0
    edges = [edge for bar in bars for edge in (bar.value, *(bar.interval or ()))]
    low = 0.0 if percents else min(0.0, *edges, 0.0)
    high = 1.0 if percents else max(0.0, *edges, 0.0) or 1.0
    across = Span(low, high, left, width - right - (0 if wide else 2))
    rows, y = [], 4.0
    for bar in bars:
        drawn, height = _lying(bar, across, y, wide=wide, percents=percents)
        rows.append(drawn)
        y += height
    return svg("".join(rows), width, 4 + y)


def _lying(bar: Bar, across: Span, y: float, *, wide: bool, percents: bool) -> tuple[str, float]:
    """Return a bar whose row begins at `y`, and the height of the row: a long name takes two lines."""
    write = percent if percents else number
    aside = f"{_plain_share(bar.interval, percents=percents)}" if bar.interval else ""
    if bar.chance is not None:
        aside += f"{', ' if aside else ''}chance {write(bar.chance)}"
    value = write(bar.value)
    if wide:
        lines = wrapped(bar.name, across.start - 22)
        height = 28 + LINE * (len(lines) - 1)
        top = y + (height - 22) / 2
        name = lines_of(lines, (across.start - 10, top + 13), "end")
        beside = text(across.end + 12, top + 13, value, "strong") + text(across.end + VALUE, top + 13, aside, "soft")
    else:
        lines = wrapped(bar.name, across.end - text_width(f"{value}  {aside}") - 12)
        if len(lines) > 1:  # then the value has a line of its own
            lines = [*wrapped(bar.name, across.end), ""]
        height = 44 + LINE * (len(lines) - 1)
        top = y + height - 26
        name = "".join(text(0, y + 13 + LINE * i, line) for i, line in enumerate(lines) if line)
        note = f'<tspan class="soft"> {escape(aside)}</tspan>' if aside else ""
        beside = f'<text x="{across.end:g}" y="{top - 5:g}" class="end strong">{escape(value)}{note}</text>'
    zero, end = across.at(0.0), across.at(min(across.high, bar.value))
    parts = [
        f'{name}<rect x="{across.start:g}" y="{top:g}" width="{across.end - across.start:g}" height="17" rx="3" '
        'class="track"/>',
        f'<rect x="{min(zero, end):g}" y="{top:g}" width="{abs(end - zero):.1f}" height="17" rx="3" class="full">'
        f"<title>{escape(bar.hint(percents=percents))}</title></rect>",
    ]
    if bar.interval and all(math.isfinite(edge) for edge in bar.interval):
        parts.append(_whisker(across.at(bar.interval[0]), across.at(bar.interval[1]), top + 8.5))
    if bar.chance is not None and math.isfinite(bar.chance):
        parts.append(f'<path class="chance" d="M{across.at(bar.chance):g} {top - 3:g}v23"/>')
    return "".join([*parts, beside]), height


def _plain_share(interval: tuple[float, float], *, percents: bool) -> str:
    return " to ".join(f"{100 * edge:.1f}" if percents else number(edge) for edge in interval)


def _whisker(low: float, high: float, y: float) -> str:
    return f'<path class="whisker" d="M{low:g} {y:g}H{high:g}M{low:g} {y - 4:g}v8M{high:g} {y - 4:g}v8"/>'


def difference_bars(name: str, bars: Sequence[Bar], *, title: str) -> str:
    """Return a figure of differences of shares: a point with its interval on a line of which the middle is zero."""
    if not bars:
        return ""
    return figure(name, title=title, draw=lambda width: _differences(bars, width))


def _differences(bars: Sequence[Bar], width: int) -> str:
    edges = [abs(edge) for bar in bars for edge in (bar.value, *(bar.interval or ()))]
    reach = max(max(edges) * 1.1, 0.01)
    wide = width > 500
    left = min(330.0, max(text_width(plain(bar.name)) for bar in bars) + 28) if wide else 8.0
    across = Span(-reach, reach, left, width - 24)
    named = [wrapped(bar.name, left - 26 if wide else width - 8) for bar in bars]
    heights = [(28 if wide else 42) + LINE * (len(lines) - 1) for lines in named]
    base = 8 + sum(heights)
    parts = []
    for tick in ticks(-reach, reach, 6 if wide else 4):
        x = across.at(tick)
        kind = "axis" if tick == 0 else "rule"
        parts.append(f'<path class="{kind}" d="M{x:g} 4V{base:g}"/>{text(x, base + 17, _points(tick), "mid soft")}')
    top = 4
    for bar, lines, height in zip(bars, named, heights, strict=True):
        y = top + (height / 2 if wide else height - 12)
        beside = (left - 12, y + 4) if wide else (0.0, y - 13 - LINE * (len(lines) - 1) / 2)
        parts.append(lines_of(lines, beside, "end" if wide else "halo"))
        if bar.interval:
            parts.append(_whisker(across.at(bar.interval[0]), across.at(bar.interval[1]), y))
        hint = escape(f"{plain(bar.name)}: {_points(bar.value)} percentage points")
        parts.append(
            f'<circle class="point" cx="{across.at(bar.value):g}" cy="{y:g}" r="5"><title>{hint}</title></circle>'
        )
        top += height
    parts.append(text(width - 8, base + 36, "percentage points", "end soft"))
    return svg("".join(parts), width, base + 44)


def _points(value: float) -> str:
    """Return a difference of shares as percentage points with its sign."""
    rounded = round(100 * value, 1)
    return f"{rounded:+g}" if rounded else "0"
