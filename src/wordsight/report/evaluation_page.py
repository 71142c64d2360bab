"""The page of evaluations and training runs: what was measured, drawn data set by data set, models side by side.

    write_evaluation_page([Path("runs/a"), Path("runs/b")], Path("report.html"))

Reads results.jsonl, details.jsonl, metrics.jsonl, space/ and config.json of each folder; any of them may be missing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from wordsight.base.files import atomic_write
from wordsight.report.canvas import brief, plain
from wordsight.report.data_set_parts import data_set_parts
from wordsight.report.headline import headline
from wordsight.report.measured import Subject, by_data_set, data_sets, read_subjects
from wordsight.report.page import anchored, contents, facts, kinds_of, note, page
from wordsight.report.results_table import results_tables
from wordsight.report.run_page import all_curves, configuration
from wordsight.report.runs import check_runs, read_metrics
from wordsight.report.space_part import space_part
from wordsight.report.tasks_overview import overview, paired_differences, side_by_side
from wordsight.report.ways_of_learning import ways_of_learning

ALL = "Every result"
TITLED = 2  # runs whose names are the title, at most


def write_evaluation_page(runs: Sequence[Path], out: Path) -> Path:
    """Write one page about one or several runs to `out`; return it."""
    check_runs(runs)
    named = _named(runs)
    subjects = read_subjects(named)
    title = " and ".join(named) if len(named) <= TITLED else f"{len(named)} runs"
    parts = _parts(named, subjects)
    shown = {heading: block for heading, block in parts.items() if block}
    blocks = [
        facts(headline(subjects)),
        contents({heading: kinds_of(block) for heading, block in shown.items()}),
        *(anchored(heading, block) for heading, block in shown.items()),
        *(configuration(name, run) for name, run in named.items()),
    ]
    with atomic_write(out, "w") as handle:
        handle.write(page(plain(title), lead=_lead(subjects), blocks=blocks, foot=_foot(subjects)))
    return out


def _parts(named: Mapping[str, Path], subjects: Sequence[Subject]) -> dict[str, str]:
    """Return the sections of the page: heading -> HTML, empty where nothing was recorded for it."""
    parts: dict[str, str] = {}
    parts["Task by task"] = overview(subjects) + ways_of_learning(subjects)
    parts["Model against model"] = side_by_side(subjects) + paired_differences(subjects)
    spaces = [(name, space_part(run)) for name, run in named.items()]
    several = sum(bool(block) for _, block in spaces) > 1
    parts["One space, while it is learned"] = "".join(
        (f"<h3>{escape(plain(name))}</h3>" if several else "") + block for name, block in spaces if block
    )
    parts["Curves"] = all_curves({name: read_metrics(run) for name, run in named.items()})
    split = [by_data_set(subject) for subject in subjects]
    for data_set in data_sets(subjects):
        own = [
            parts_of.get(data_set) or Subject(s.label, s.folder, {}, [])
            for s, parts_of in zip(subjects, split, strict=True)
        ]
        heading = data_set if data_set not in parts else f"Data set {data_set}"
        parts[heading] = data_set_parts(own, data_set)
    parts[ALL if ALL not in parts else f"{ALL}, all data sets"] = results_tables(subjects) or note(
        "No results are recorded yet."
    )
    return parts


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """Return the runs by the name of their folder, those of one name by their whole path."""
    folders = [run.resolve() for run in runs]
    counts = Counter(folder.name for folder in dict.fromkeys(folders))
    return {folder.name if counts[folder.name] == 1 else str(folder): folder for folder in folders}


def _lead(subjects: Sequence[Subject]) -> str:
    labels = [brief(subject.label) for subject in subjects]
    models = labels[0] if len(labels) == 1 else f"{len(labels)} models ({', '.join(labels[:6])})"
    results = sum(len(subject.results) for subject in subjects)
    names = [brief(name) for name in data_sets(subjects)]
    where = f" on {', '.join(names[:6])}{' and more' if len(names) > 6 else ''}" if names else ""
    days = sorted({str(day)[:10] for s in subjects for r in s.results.values() if (day := r.environment.get("time"))})
    when = f", {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "") if days else ""
    return f"{models}: {results:,} results{where}{when}. What was recorded, as it was recorded."


def _foot(subjects: Sequence[Subject]) -> str:
    environments = [r.environment for subject in subjects for r in subject.results.values() if r.environment]
    versions = sorted({f"wordsight {env['wordsight']}" for env in environments if "wordsight" in env})
    machines = sorted({str(env["processor"]) for env in environments if env.get("processor")})
    if not versions:
        return ""
    return f"Measured with {', '.join(versions)}{' on ' + ', '.join(machines) if machines else ''}."
