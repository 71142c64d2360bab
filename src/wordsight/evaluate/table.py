"""Results as a table for people: name, value, interval, number averaged over, and what the name does not tell.

for line in table(results): print(line)
"""

from collections.abc import Sequence

from wordsight.base.nouns import Result
from wordsight.base.terminal import escaped

NUMBER = "number"  # `unit` in the setting of a result that is no share
DIFFERENCE = "difference"  # of two shares: shown in points, with its sign
HEAD = ("result", "value", "95 % interval", "chance", "n", "")
NOTED = (  # settings, in the order of the notes
    *("split", "train_split", "image", "captions", "label", "limit", "templates", "gallery", "missing"),
    *("images", "strength", "draws", "k", "alpha", "p"),
)


def table(results: Sequence[Result]) -> list[str]:
    """Return the lines: a head, and one for each result; shares are shown in percent."""
    rows = [HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(HEAD) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(result: Result) -> tuple[str, ...]:
    low, high = result.interval or (result.value, result.value)
    notes = [f"{name} {_short(result.setting[name])}" for name in NOTED if result.setting.get(name) is not None]
    return (
        escaped(result.name),
        _figure(result.value, result, unit=True),
        f"{_figure(low, result)} to {_figure(high, result)}" if result.interval else "",
        _figure(float(chance), result, unit=True) if (chance := result.setting.get("chance")) is not None else "",
        f"{result.count:,}",
        escaped(", ".join(notes)),
    )


def _figure(value: float, result: Result, *, unit: bool = False) -> str:
    """Return a value as people read it: a share in percent, another number with three decimals."""
    if result.setting.get("unit") == NUMBER:
        return f"{value:.3f}"
    if result.setting.get("unit") == DIFFERENCE:
        return f"{100 * value:+.1f}"
    return f"{100 * value:.1f}{' %' if unit else ''}"


def _short(value: object) -> str:
    return (
        f"{100 * value:.1f} %" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
