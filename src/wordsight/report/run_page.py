"""The page of training runs and evaluations: their curves over one another, their results beside each other.

write_run_page([Path("runs/a"), Path("runs/b")], Path("report.html"))

Reads metrics.jsonl, results.jsonl and config.json of each folder; any of them may be missing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from wordsight.base.files import atomic_write, read_json
from wordsight.base.nouns import Result
from wordsight.report.figures import Curve, line_chart
from wordsight.report.page import box, note, page, section, table
from wordsight.report.runs import CONFIG, RESULTS, check_runs, read_metrics, read_results

LOSSES = {"contrastive": "contrastive loss", "words": "bag-of-words loss"}  # metric: what it is called
CUT = (
    "split",
    "image",
    "captions",
    "label",
    "templates",
    "limit",
    "missing",
)
Lines = Sequence[Mapping[str, Any]]


def write_run_page(runs: Sequence[Path], out: Path) -> Path:
    """Write one page about one or several runs to `out`; return it."""
    check_runs(runs)
    named = _named(runs)
    metrics = {name: read_metrics(run) for name, run in named.items()}
    results = {name: read_results(run / RESULTS) for name, run in named.items()}
    blocks = [
        section("Results", _results(results)),
        section("Curves", _all_curves(metrics)),
        *(_configuration(name, run) for name, run in named.items()),
    ]
    title = " and ".join(named) if len(named) <= 2 else f"{len(named)} runs"
    with atomic_write(out, "w") as handle:
        handle.write(page(title, lead="What was recorded, as it was recorded.", blocks=blocks, foot=_foot(results)))
    return out


def learning_curves(lines: Lines, *, accuracies: Mapping[str, str], chance: float | None = None) -> str:
    """Return the charts of one run: the loss, and accuracies (metric name -> what it is called) over the steps."""
    drawn = {label: points(lines, name) for name, label in LOSSES.items()}
    losses = [Curve(label, values) for label, values in drawn.items() if any(y for _, y in values)]  # 0: not used
    loss = line_chart(losses, x_label="step", title="loss over steps")
    curves = [Curve(label, points(lines, name)) for name, label in accuracies.items() if points(lines, name)]
    right = (
        line_chart(curves, x_label="step", title="accuracy over steps", percent=True, chance=chance) if curves else ""
    )
    if not loss:
        return ""
    return f'<div class="row">{box(loss)}{box(right)}</div>'


def points(lines: Lines, name: str) -> list[tuple[float, float]]:
    """Return (step, value) of one metric."""
    return [(float(line["step"]), float(line[name])) for line in lines if line.get(name) is not None]


def _all_curves(metrics: Mapping[str, Lines]) -> str:
    names = dict.fromkeys(name for lines in metrics.values() for line in lines for name in line if name != "step")
    charts = []
    for name in names:
        curves = [Curve(run, points(lines, name)) for run, lines in metrics.items() if points(lines, name)]
        share = "/" in name and all(0 <= y <= 1 for curve in curves for _, y in curve.points)
        chart = box(line_chart(curves, x_label="step", title=name, percent=share))
        charts.append(f"<div><h3>{escape(name)}</h3>{chart}</div>")
    return f'<div class="row">{"".join(charts)}</div>' if charts else ""


def _results(results: Mapping[str, Sequence[Result]]) -> str:
    cut = _distinguishing([result for recorded in results.values() for result in recorded])
    by_name = {run: {_title(result, cut): result for result in recorded} for run, recorded in results.items()}
    names = dict.fromkeys(name for recorded in by_name.values() for name in recorded)
    if not names:
        return note("No results are recorded yet.")
    rows = [
        [name, _chance(name, by_name), *(_value(recorded.get(name)) for recorded in by_name.values())] for name in names
    ]
    return box(table(["measure", "chance", *by_name], rows)) + note(
        "With the 95 % bootstrap interval and the number averaged over."
    )


def _distinguishing(results: Sequence[Result]) -> dict[str, list[str]]:
    """Return for each name the settings in which its results differ: such results are different measurements."""
    settings: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        settings.setdefault(result.name, []).append(result.setting)
    return {
        name: [key for key in CUT if len({setting.get(key) for setting in of_name}) > 1]
        for name, of_name in settings.items()
    }


def _title(result: Result, cut: Mapping[str, Sequence[str]]) -> str:
    """Return the name of a result, with the settings that tell it from others of the name."""
    notes = [f"{key} {result.setting[key]}" for key in cut[result.name] if result.setting.get(key) is not None]
    return f"{result.name} ({', '.join(notes)})" if notes else result.name


def _chance(name: str, by_name: Mapping[str, Mapping[str, Result]]) -> str:
    chance = next(
        (recorded[name].setting.get("chance") for recorded in by_name.values() if name in recorded),
        None,
    )
    return "" if chance is None else f"{100 * float(chance):.1f} %"


def _value(result: Result | None) -> str:
    if result is None:
        return "–"
    low, high = result.interval or (result.value, result.value)
    return f"{100 * result.value:.1f} % ({100 * low:.1f} to {100 * high:.1f}; {result.count:,})"


def _configuration(name: str, run: Path) -> str:
    path = run / CONFIG
    if not path.exists():
        return ""
    rows = [[key, value] for key, value in flat(read_json(path))]
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


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """Return the runs by the name of their folder, those of one name by their whole path."""
    folders = [run.resolve() for run in runs]
    counts = Counter(folder.name for folder in dict.fromkeys(folders))
    return {folder.name if counts[folder.name] == 1 else str(folder): folder for folder in folders}


def _foot(results: Mapping[str, Sequence[Result]]) -> str:
    versions = {
        f"wordsight {r.environment['wordsight']}"
        for recorded in results.values()
        for r in recorded
        if "wordsight" in r.environment
    }
    return f"Measured with {', '.join(sorted(versions))}." if versions else ""
