"""What all figures share: scales, labels that fit, the legend, and the two widths of each drawing.

    figure("accuracy", title="Accuracy", draw=lambda width: bar_chart(..., width=width))

Text in a drawing keeps its size: each figure is drawn for a wide box and for a narrow one, and `figures.css` shows the
one that fits.  Colours are the CSS variables of `page.css`, so a figure follows the reader's light or dark mode.
Labels from outside are cleaned and shortened here.  Knows no files.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDE, NARROW = 884, 340  # pixels; a page of 1,280 has 894 for a figure, one of 390 has 340
LETTER = 12.5  # pixels, the size of all text in figures: at 360 pixels of screen still 11.4
BEGINNING = 6  # letters that names have in common in front, from which on those are what is cut
LINE = 15  # pixels from one line of labels to the next
COLOURS = ("--a", "--b", "--c", "--d", "--e", "--f")
_THIN, _BROAD = frozenset("iljtfrI.,:;|!'()[] "), frozenset("mwMW@%—<>=+~#&")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Span:
    """The data from `low` to `high` along pixels `start` to `end`; `kind` "log2" spaces doublings evenly."""

    low: float
    high: float
    start: float
    end: float
    kind: str = "linear"

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = (math.log2(x) if self.kind == "log2" else x for x in (self.low, self.high, value))
        return round(self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start), 1)


def figure(name: str, *, title: str, draw: Callable[[int], str], wide: int = WIDE) -> str:
    """Return one figure as HTML, drawn by `draw` for both widths; nothing where it draws nothing.

    `name` is the file that `--figures` writes it to.
    """
    full, small = draw(wide), draw(NARROW)
    if not full:
        return ""
    label = escape(plain(title))
    shapes = "".join(
        text.replace("<svg ", f'<svg class="chart {kind}" data-name="{escape(plain(name))}" role="img" ', 1).replace(
            ">", f"><title>{label}</title>", 1
        )
        for kind, text in (("wide", full), ("narrow", small))
    )
    return f'<div class="fit">{shapes}</div>'


def single(name: str, *, title: str, drawing: str) -> str:
    """Return a figure that has one width: its box scrolls where the page is narrower."""
    start = f'<svg class="chart wide alone" data-name="{escape(plain(name))}" role="img" '
    label = f"><title>{escape(plain(title))}</title>"
    return drawing.replace("<svg ", start, 1).replace(">", label, 1) if drawing else ""


def svg(inside: str, width: float, height: float) -> str:
    """Return a drawing of `width` x `height` pixels."""
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">{inside}</svg>'


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a label at a point; `kind` holds classes: end, mid, soft, strong."""
    classes = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{classes}>{escape(words)}</text>'


def plain(words: str) -> str:
    """Return a text on one line, without characters that XML forbids or that turn the direction of what follows."""
    return _UNSEEN.sub(lambda match: " " if match[0] in "\t\n\r\u2028\u2029" else "\ufffd", words)


def brief(words: str, most: int = 60) -> str:
    """Return a name for a sentence: clean, at most `most` letters, and set apart where it runs from right to left."""
    words = plain(words)
    words = words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
    turned = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in words)
    return f"\u2068{words}\u2069" if turned else words


def text_width(words: str) -> float:
    """Return about how many pixels a text takes in the size of all labels, rather more than less."""
    return LETTER * sum(_letter_width(letter) for letter in words)


def _letter_width(letter: str) -> float:
    if letter in _THIN:
        return 0.4  # DejaVu Sans is among the widest
    if letter in _BROAD or letter.isupper():
        return 1.0 if letter in _BROAD else 0.74
    if unicodedata.combining(letter):
        return 0.0
    return 1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.64


def shortened(words: str, room: float) -> str:
    """Return a text, clean and cut with an ellipsis where it would be wider than `room` pixels."""
    words = plain(words)
    if text_width(words) <= room:
        return words
    width, kept = text_width("…"), 0
    for letter in words:
        width += text_width(letter)
        if width > room:
            break
        kept += 1
    return f"{words[:kept].rstrip()}…"


def wrapped(words: str, room: float) -> list[str]:
    """Return a text in one line, or in two where it is wider than `room` pixels; the second is cut where it must be.

    Lines break at spaces; a first word without end is cut to the room, wherever that is.
    """
    words = plain(words)
    if text_width(words) <= room:
        return [words]
    parts = words.split(" ")
    kept = next(i for i in range(len(parts), -1, -1) if text_width(" ".join(parts[:i])) <= room)
    if kept:
        return [" ".join(parts[:kept]), shortened(" ".join(parts[kept:]), room)]
    cut = max(1, len(shortened(words, room)) - 1)
    return [words[:cut], shortened(words[cut:], room)]


def distinct_names(names: Sequence[str], room: float) -> list[str]:
    """Return names that fit into `room` pixels: cut at the end, or in front where they begin alike for long."""
    names = [plain(name) for name in names]
    cut = [shortened(name, room) for name in names]
    columns = zip(*set(names), strict=False)
    alike = next((i for i, letters in enumerate(columns) if len(set(letters)) > 1), 0)
    return cut if cut == names or alike < BEGINNING else [shortened(f"…{name[alike:]}", room) for name in names]


def lines_of(lines: Sequence[str], at: tuple[float, float], kind: str = "") -> str:
    """Return lines of text whose middle has the height of one line at `at` (x, y)."""
    x, y = at
    first = y - LINE * (len(lines) - 1) / 2
    return "".join(text(x, first + LINE * i, line, kind) for i, line in enumerate(lines))


def legend(names: Sequence[str], *, width: float, marks: str = "box", paints: Sequence[str] = ()) -> tuple[str, float]:
    """Return the legend of series in the order of their colours, in as many lines as it takes, and its height."""
    parts, x, y = [], 0.0, 12.0
    for number, name in enumerate(names):
        label = shortened(name, width - 24)
        step = 18 + text_width(label) + 16
        if x > 0 and x + step - 16 > width:
            x, y = 0.0, y + 20
        paint = (paints[number] if paints else "") or colour(number)
        parts.append(f"{_mark(number, (x, y), marks, paint)}{text(x + 18, y, label)}")
        x += step
    return "".join(parts), y + 10


def _mark(number: int, at: tuple[float, float], marks: str, paint: str) -> str:
    x, y = at
    if marks == "line":
        return f'<path class="curve{dash(number)}" d="M{x:g} {y - 4:g}h13" style="stroke:var({paint})"/>'
    return f'<rect x="{x:g}" y="{y - 10:g}" width="12" height="11" rx="2" style="fill:var({paint})"/>'


def colour(number: int) -> str:
    """Return the variable of a series' colour."""
    return COLOURS[number % len(COLOURS)]


def dash(number: int) -> str:
    """Return the further class of a series' line: those beyond the colours are dashed, then dotted."""
    return ("", " dashed", " dotted")[number // len(COLOURS) % 3]


def percent(value: float) -> str:
    """Return a share as people read it: "71.2 %"; one that is not defined as a dash."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def short(value: float) -> str:
    """Return a number in a few letters: 0.0005 as 5e-4, 150000 as 150k."""
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    if 0 < abs(value) < 0.001:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:g}"


def number(value: float) -> str:
    """Return a plain number with three significant digits; one that is not defined as a dash."""
    return short(float(f"{value:.3g}")) if math.isfinite(value) else "–"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round values from `low` to `high` (steps of 1, 2 or 5 times a power of ten)."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / count))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= span / count)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def height_rules(span: Span, *, left: float, right: float, percents: bool, count: int = 5) -> str:
    """Return the horizontal rules of a chart with their values to the left."""
    parts = []
    for value in ticks(span.low, span.high, count):
        y = span.at(value)
        label = f"{100 * value:.0f} %" if percents else short(value)
        parts.append(f'<path class="rule" d="M{left:g} {y:g}H{right:g}"/>{text(left - 6, y + 4, label, "end soft")}')
    return "".join(parts)
