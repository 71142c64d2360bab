"""The parts of a page about training: curves over the steps, and the settings of runs."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.base.files import read_json
from wordsight.report.canvas import plain
from wordsight.report.line_charts import Axes, Curve, Level, line_chart
from wordsight.report.page import box, section, table
from wordsight.report.runs import CONFIG, is_number

LOSSES = {"contrastive": "contrastive loss", "words": "bag-of-words loss"}  # metric: what it is called
Lines = Sequence[Mapping[str, Any]]


def learning_curves(lines: Lines, *, accuracies: Mapping[str, str], chance: float | None = None) -> str:
    """Return the charts of one run: the loss, and accuracies (metric name -> what it is called) over the steps."""
    named = {label: points(lines, name) for name, label in LOSSES.items()}
    losses = [Curve(label, values) for label, values in named.items() if any(y for _, y in values)]  # 0: not used
    loss = line_chart("loss", losses, axes=Axes("step"), title="loss over steps", wide=420)
    curves = [Curve(label, points(lines, name)) for name, label in accuracies.items() if points(lines, name)]
    levels = [] if chance is None else [Level("chance", chance)]
    axes = Axes("step", percents=True)
    right = line_chart("accuracy", curves, axes=axes, title="accuracy over steps", levels=levels, wide=420)
    if not loss:
        return ""
    return f'<div class="row">{box(loss)}{box(right)}</div>'


def points(lines: Lines, name: str) -> list[tuple[float, float]]:
    """Return (step, value) of one metric."""
    return [(float(line["step"]), float(line[name])) for line in lines if is_number(line.get(name))]


def all_curves(metrics: Mapping[str, Lines]) -> str:
    """Return a chart for each metric of runs (name -> lines), their curves over one another."""
    names = dict.fromkeys(name for lines in metrics.values() for line in lines for name in line if name != "step")
    charts = []
    for name in names:
        curves = [Curve(run, points(lines, name)) for run, lines in metrics.items() if points(lines, name)]
        share = "/" in name and all(0 <= y <= 1 for curve in curves for _, y in curve.points)
        axes = Axes("step", percents=share)
        drawing = line_chart(f"curve-{name}", curves, axes=axes, title=f"{name} over steps", wide=420)
        charts.append(f"<div><h3>{escape(plain(name))}</h3>{box(drawing)}</div>" if drawing else "")
    return f'<div class="row">{"".join(charts)}</div>' if any(charts) else ""


def configuration(name: str, run: Path) -> str:
    """Return the settings that a run recorded, folded away."""
    path = run / CONFIG
    if not path.exists():
        return ""
    config = read_json(path)
    if not isinstance(config, dict):
        raise FormatError(f"{path} holds no settings but a {type(config).__name__}", cure="record the run again")
    rows = [[plain(key), plain(value)] for key, value in flat(config)]
    block = f"<details><summary>every setting of the run</summary>{box(table(['setting', 'value'], rows))}</details>"
    return section(f"Settings of {name}", block)


def flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Return nested settings as ("a.b", "value") in order."""
    entries: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            entries += flat(value, f"{above}{key}.")
        else:
            entries.append((f"{above}{key}", str(value)))
    return entries
