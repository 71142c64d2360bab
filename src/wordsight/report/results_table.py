"""Every result in tables, data set by data set: values with intervals, chance, and the settings of each."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wordsight.base.nouns import Result
from wordsight.report.canvas import number, percent, plain
from wordsight.report.measured import Subject, Title, chance_of, data_sets, is_share, written, written_interval
from wordsight.report.page import box, note

FOLDED = 60  # results of a data set from which on its table is folded away
HIDDEN = frozenset({"chance", "model", "unit", "class", "task"})  # settings that stand elsewhere in the table
LONGEST = 160  # letters of a setting


def results_tables(subjects: Sequence[Subject]) -> str:
    """Return all results, a table for each data set and a column for each subject; nothing where there are none."""
    tables = [_table(subjects, data_set) for data_set in data_sets(subjects)]
    if not any(tables):
        return ""
    return "".join(tables) + note(
        "With the 95 % bootstrap interval and the number averaged over. Settings stand where they change: a row "
        "without any has those of the row above."
    )


def _table(subjects: Sequence[Subject], data_set: str) -> str:
    titles = dict.fromkeys(title for subject in subjects for title in subject.results if title.data_set == data_set)
    if not titles:
        return ""
    head = "".join(
        f"<th>{_html(cell)}</th>" for cell in ("measure", "chance", *(s.label for s in subjects), "settings")
    )
    rows, above = [], ""
    for title in titles:
        settings = _stated(subjects, title)
        rows.append(_row(subjects, title, settings if settings != above else ""))
        above = settings
    whole = f'<table class="results"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    block = box(whole)
    if len(titles) > FOLDED:
        return f"<h3>{_html(data_set)}</h3><details><summary>{len(titles):,} results</summary>{block}</details>"
    return f"<h3>{_html(data_set)}</h3>{block}"


def _stated(subjects: Sequence[Subject], title: Title) -> str:
    """Return the settings of a measurement, those of several subjects once each."""
    recorded = [result for subject in subjects if (result := subject.results.get(title)) is not None]
    return "; ".join(dict.fromkeys(_settings(result.setting) for result in recorded))


def _row(subjects: Sequence[Subject], title: Title, settings: str) -> str:
    results = [subject.results.get(title) for subject in subjects]
    recorded = [result for result in results if result is not None]
    chance = next((written for result in recorded if (written := _chance(result))), "")
    several = len(subjects) > 1
    cells = "".join(
        f'<td class="figure">{_who(subject.label) if several else ""}{_value(result)}</td>'
        for subject, result in zip(subjects, results, strict=True)
    )
    return (
        f'<tr><td>{_html(title.measure or title.data_set)}</td><td class="chances-of">{chance}</td>{cells}'
        f'<td class="small-print">{_html(settings)}</td></tr>'
    )


def _who(label: str) -> str:
    return f'<span class="who">{_html(label)} </span>'


def _chance(result: Result) -> str:
    chance = chance_of(result)
    if chance is None:
        return ""
    return percent(chance) if is_share(result) else number(chance)


def _value(result: Result | None) -> str:
    if result is None:
        return "–"
    aside = "; ".join(part for part in (written_interval(result), f"{result.count:,}" if result.count else "") if part)
    return written(result) + (f" <small>({aside})</small>" if aside else "")


def _settings(setting: Mapping[str, Any]) -> str:
    shown = (f"{key} {value}" for key, value in setting.items() if key not in HIDDEN and value is not None)
    return ", ".join(text if len(text) <= LONGEST else f"{text[:LONGEST]}…" for text in shown)


def _html(text: str) -> str:
    return escape(plain(text))
