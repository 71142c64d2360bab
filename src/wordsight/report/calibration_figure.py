"""The reliability diagram: how often a model is right beside how sure it was, bin by bin, and how many are in each.

Bars are the share right of each bin (Guo et al. 2017, On Calibration of Modern Neural Networks, figure 1); the gap
to the mean confidence is drawn over them; below stand the counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from wordsight.report.canvas import Span, figure, height_rules, percent, svg, text

SIDE = 280  # pixels of the diagram's height
COUNTS = 62  # pixels of the counts below it


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose confidence lies between `low` and `high`: its mean, the share right, how many."""

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


def reliability_diagram(name: str, bins: Sequence[Bin], *, title: str) -> str:
    """Return the figure of one model; bins without pictures are empty, and nothing is drawn where all are."""
    if not any(part.count for part in bins):
        return ""
    return figure(name, title=title, draw=lambda width: _diagram(bins, min(width, 460)), wide=460)


def _diagram(bins: Sequence[Bin], width: int) -> str:
    left, top = 50, 32
    across = Span(0.0, 1.0, left, width - 14)
    up = Span(0.0, 1.0, top + SIDE, top)
    most = max(part.count for part in bins)
    down = Span(0.0, most, top + SIDE + 34 + COUNTS, top + SIDE + 34)
    parts = [_names(), height_rules(up, left=left, right=width - 14, percents=True)]
    parts += [_bin(part, across, up, down) for part in bins if part.count]
    parts.append(f'<path class="dash" d="M{across.start:g} {up.start:g}L{across.end:g} {up.end:g}"/>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        kind = "end" if share == 1 else "mid"
        parts.append(
            text(across.at(share) + (12 if share == 1 else 0), up.start + 17, f"{100 * share:.0f} %", f"{kind} soft")
        )
    parts.append(f'<path class="axis" d="M{left:g} {down.start:g}H{width - 14:g}"/>')
    parts.append(
        text(left - 6, down.end + 10, f"{most:,}", "end soft") + text(left - 6, down.start + 2, "0", "end soft")
    )
    parts.append(text(width - 14, down.start + 18, "pictures against confidence", "end soft"))
    return svg("".join(parts), width, down.start + 26)


def _names() -> str:
    return (
        '<rect x="0" y="3" width="12" height="11" rx="2" class="full"/>'
        + text(18, 13, "share right")
        + '<rect x="112" y="3" width="12" height="11" rx="2" class="gap"/>'
        + text(130, 13, "gap to confidence")
        + '<path class="dash" d="M258 9h16"/>'
        + text(280, 13, "ideal")
    )


def _bin(part: Bin, across: Span, up: Span, down: Span) -> str:
    start, end = across.at(part.low), across.at(part.high)
    count = down.at(part.count)
    box = f'x="{start + 0.5:g}" width="{max(1.0, end - start - 1):.1f}"'
    hint = escape(
        f"confidence {part.low:g} to {part.high:g}: {percent(part.accuracy or 0.0)} right of {part.count:,}, "
        f"mean confidence {percent(part.confidence or 0.0)}"
    )
    parts = [f'<rect {box} y="{count:g}" height="{down.start - count:.1f}" class="quiet"><title>{hint}</title></rect>']
    if part.accuracy is not None:
        top = up.at(part.accuracy)
        parts.append(f'<rect {box} y="{top:g}" height="{up.start - top:.1f}" class="full"><title>{hint}</title></rect>')
    if part.accuracy is not None and part.confidence is not None:
        edges = sorted((up.at(part.accuracy), up.at(part.confidence)))
        parts.append(f'<rect {box} y="{edges[0]:g}" height="{edges[1] - edges[0]:.1f}" class="gap"/>')
    return "".join(parts)
