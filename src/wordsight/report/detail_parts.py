"""The recorded details of a data set under their titles: of what was measured several times the latest is open.

Versions of one detail are those of one title, form and measure in different tasks.  Titles may hold figures ("a
temperature of 2.22"): titles that differ in their figures alone are one title.  Further versions, and those of further
measures, are folded away, each under the settings in which it differs, or under its time where none does.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from wordsight.base.details import Detail
from wordsight.report.canvas import brief, plain
from wordsight.report.forms import Drawing, drawn
from wordsight.report.measured import Subject, distinctions
from wordsight.report.page import kind_mark, note, titled

DRAWN = "few-shot"  # its recorded curves are drawn from the results, with the zero-shot line
TITLE = 200  # letters of a title, at most: titles wrap
OF_CLEAN = (
    "Last column: the mean over the strengths as a share of the accuracy on clean pictures; above 100 % the changed "
    "pictures were answered better than the clean ones, which on few pictures happens by chance."
)
MONDRIAN = (
    "Mondrian sets have a threshold for each class: a class with too few calibration pictures for the promise is put "
    "into every set."
)
NOTES = {  # what is said below the details of a measure and form
    ("robustness", "lines"): "Strength 0: the same pictures unchanged.",
    ("robustness", "table"): OF_CLEAN,
    ("conformal", "table"): MONDRIAN,
}
FIGURES = re.compile(r"\d[\d.,]*")


class Recorded(NamedTuple):
    """A detail of a subject: its measure, its data as its form's value, and the settings of its task."""

    subject: Subject
    measure: str
    detail: Detail
    value: Any
    facts: dict[str, Any]


def details(subjects: Sequence[Subject], data_set: str) -> str:
    """Return the recorded details of a data set in the order of their record, those of several subjects together."""
    groups: dict[tuple[object, ...], list[Recorded]] = {}
    for subject in subjects:
        seen: dict[tuple[object, ...], int] = {}
        for title, detail, value in subject.details:
            if title.data_set != data_set or (detail.form == "lines" and title.measure == DRAWN):
                continue
            task = detail.setting.get("task")
            words = detail.title if task is None else FIGURES.sub("#", detail.title)
            within = (title.measure, task, words, detail.form)  # a task may have several titles alike but for figures
            seen[within] = seen.get(within, -1) + (task is not None)
            facts = {**detail.setting, **subject.tasks.get(str(task), {})}
            group = groups.setdefault((words, detail.form, max(0, seen[within])), [])
            group.append(Recorded(subject, title.measure, detail, value, facts))
    return "".join(_alike(group, subjects) for group in groups.values())


def _alike(group: Sequence[Recorded], subjects: Sequence[Subject]) -> str:
    """Return the details of one title: of the measure recorded first the latest of each subject, the others folded."""
    shown: list[tuple[Recorded, str]] = []
    opened, folded, first = "", [], group[0].measure
    for measure in dict.fromkeys(one.measure for one in group):
        latest, earlier = _latest([one for one in group if one.measure == measure])
        block = _side_by_side([one for one, _ in latest], subjects)
        if measure == first:
            shown, opened = latest, block
        elif block:
            folded.append(_folded(latest[0][0].detail.title, measure, "", block))
        for one, words in earlier:
            who = f"{brief(one.subject.label)}, {words}" if len(subjects) > 1 else words
            folded.append(_folded(one.detail.title, measure, who, _side_by_side([one], subjects)))
    if not opened and not any(folded):
        return ""
    notes = dict.fromkeys(words for _, words in shown if words)
    words = ", ".join([*([plain(first)] if first else []), *notes])
    aside = f' <span class="soft">{escape(words)}</span>' if words else ""
    heading = titled(_common_title(one.detail.title for one, _ in shown), first, aside)
    return f"{heading}{opened}{''.join(folded)}"


def _latest(versions: Sequence[Recorded]) -> tuple[list[tuple[Recorded, str]], list[tuple[Recorded, str]]]:
    """Return the latest version of each subject, and the earlier ones, each with what tells it from the others."""
    latest, earlier = [], []
    for subject in dict.fromkeys(id(one.subject) for one in versions):
        own = [one for one in versions if id(one.subject) == subject]
        times = [str(one.facts.get("time") or "") for one in own]
        if all(times):
            own = [own[i] for i in sorted(range(len(own)), key=lambda i: times[i])]
        notes = [_note(settings) for settings in distinctions([one.facts for one in own])]
        latest.append((own[-1], notes[-1]))
        earlier += [(one, words or "recorded earlier") for one, words in zip(own[-2::-1], notes[-2::-1], strict=True)]
    return latest, earlier


def _note(settings: dict[str, Any]) -> str:
    parts = [f"{key} {value}" if value is not None else f"without {key}" for key, value in settings.items()]
    return plain(", ".join(parts))


def _folded(title: str, measure: str, aside: str, block: str) -> str:
    if not block:
        return ""
    words = ", ".join(part for part in (plain(measure), aside) if part)
    summary = f"<summary>{escape(brief(title, TITLE))}: {escape(words)}</summary>"
    return f"<details{kind_mark(measure)}>{summary}{block}</details>"


def _common_title(titles: Iterable[str]) -> str:
    """Return the title, or what titles with different figures begin with alike."""
    first, *others = dict.fromkeys(titles)
    if not others:
        return brief(first, TITLE)
    same = next((i for i, letters in enumerate(zip(first, *others, strict=False)) if len(set(letters)) > 1), 0)
    cut = max(first.rfind(mark, 0, same) for mark in ",;(")
    return brief(first[:cut].rstrip() if cut > 0 else first, TITLE)


def _side_by_side(own: Sequence[Recorded], subjects: Sequence[Subject]) -> str:
    """Return the drawings of a detail, each under the name of its subject where there are several."""
    blocks = []
    titles = {one.detail.title for one in own}
    for one in own:
        name, title = one.detail.name, one.detail.title
        words = f"{name}: {title}" + (f", {one.subject.label}" if len(subjects) > 1 else "")
        block = drawn(one.detail, one.value, Drawing(one.subject.folder, f"{name}-{title}", words))
        whose = brief(one.subject.label) + (f": {brief(title, TITLE)}" if len(titles) > 1 else "")
        heading = f"<h4>{escape(whose)}</h4>" if len(subjects) > 1 and block else ""
        blocks.append(f"<div>{heading}{block}</div>" if block else "")
    if not any(blocks):
        return ""
    below = _below(own)
    narrow = own[0].detail.form in ("reliability", "lines") and len(own) > 1
    return (f'<div class="row">{"".join(blocks)}</div>' if narrow else "".join(blocks)) + below


def _below(own: Sequence[Recorded]) -> str:
    """Return what a reader needs below details: on how many pictures, what bands and columns are."""
    measure, form = own[0].measure, own[0].detail.form
    if (stated := NOTES.get((measure, form))) is None:
        return ""
    counts = dict.fromkeys(count for one in own if (count := _count(one)))
    words = [
        f"n {', '.join(f'{count:,}' for count in counts)}{' pictures at each point' if form == 'lines' else ''}."
        if counts
        else ""
    ]
    if form == "lines" and any(curve.band is not None for one in own for curve in one.value[0]):
        words.append("Bands: 95 % intervals.")
    return note(" ".join(part for part in (*words, stated) if part))


def _count(one: Recorded) -> int:
    """Return on how many pictures the points of a detail were measured: those of the results of its task below it."""
    for title, result in one.subject.results.items():
        below = title.measure.startswith(f"{one.measure}/") and result.name.startswith(f"{one.detail.name}/")
        if below and result.setting.get("task") == one.detail.setting.get("task"):
            return result.count
    return 0
