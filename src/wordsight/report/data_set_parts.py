"""The parts of a page about one data set: curves by shots, retrieval, robustness, classes, and recorded details."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from wordsight.base.nouns import Result
from wordsight.report.bar_charts import Group, grouped_bars, interval_bars
from wordsight.report.canvas import brief, percent, plain
from wordsight.report.detail_parts import TITLE, details
from wordsight.report.forms import FOLDED
from wordsight.report.line_charts import Axes, Curve, Level, line_chart
from wordsight.report.measured import Subject, Title, bar_of, chance_of, written, written_interval
from wordsight.report.page import box, note, table, titled
from wordsight.report.tasks_overview import by_shots, supervised, zero_shot

RECALL = re.compile(r"(text_to_image|image_to_text)/R@(\d+)(.*)")
CLEAN = "robustness/clean/top-1"  # the same pictures unchanged
CHANGED = re.compile(r"robustness/(.+)-(\d+)/top-1")
OF_CLASS = re.compile(r"(.+/top-1)/(.+)")
DIRECTIONS = {"text_to_image": "a caption finds its picture", "image_to_text": "a picture finds a caption"}
TOGETHER = 6  # curves in one chart, at most: as many as there are colours


def of_data_set(subject: Subject, data_set: str) -> dict[str, Result]:
    """Return the results of one data set by measure."""
    return {title.measure: result for title, result in subject.results.items() if title.data_set == data_set}


def data_set_parts(subjects: Sequence[Subject], data_set: str) -> str:
    """Return all that subjects measured on a data set, as HTML; nothing where there is nothing to draw."""
    return "".join(
        [
            few_shot_curves(subjects, data_set),
            retrieval(subjects, data_set),
            robustness(subjects, data_set),
            classes(subjects, data_set),
            details(subjects, data_set),
        ]
    )


def few_shot_curves(subjects: Sequence[Subject], data_set: str) -> str:
    """Return accuracy by the number of shots, a line for each method, zero-shot and supervised as dashed lines."""
    parts = []
    for subject in subjects:
        methods: dict[str, list[tuple[int, Result]]] = {}
        for (shots, method), result in by_shots(subject, data_set).items():
            methods.setdefault(method, []).append((shots, result))
        curves = [_curve(name, sorted(values, key=lambda value: value[0])) for name, values in methods.items()]
        axes = Axes("shots: labelled pictures of each class", percents=True, spacing="even")
        title = f"{data_set}: accuracy by the number of shots, {subject.label}"
        levels = _levels(subject, data_set)
        drawing = line_chart(f"{data_set}-few-shot", curves, axes=axes, title=title, levels=levels)
        parts.append(_headed(subject, subjects, drawing))
    body = "".join(parts)
    reading = "Bands: 95 % intervals. Dashed: zero-shot, and all labels, on as many pictures as the curves."
    return f"{titled('By the number of shots', 'few-shot')}{body}{note(reading)}" if body else ""


def _levels(subject: Subject, data_set: str) -> list[Level]:
    """Return zero-shot and supervised as levels, where they were measured on as many pictures as few-shot."""
    counts = {result.count for result in by_shots(subject, data_set).values()}
    zero, learned = zero_shot(subject, data_set), supervised(subject, data_set)
    named = [("zero-shot (0 shots)", zero), (f"{learned[0]} (all labels)" if learned else "", learned)]
    chosen = [(name, choice[1]) for name, choice in named if choice is not None]
    return [Level(f"{name} {percent(one.value)}", one.value) for name, one in chosen if counts == {one.count}]


def _curve(name: str, values: Sequence[tuple[int, Result]]) -> Curve:
    """Return results by a number, of shots or a strength, as a curve; its band where all have an interval."""
    points = [(float(at), result.value) for at, result in values]
    whole = [result.interval for _, result in values if result.interval is not None]
    return Curve(name, points, whole if len(whole) == len(points) else None)


def _headed(subject: Subject, subjects: Sequence[Subject], drawing: str) -> str:
    """Return a drawing in its box, under the name of its subject where there are several."""
    if not drawing:
        return ""
    name = f"<h4>{escape(brief(subject.label))}</h4>" if len(subjects) > 1 else ""
    return box(name + drawing)


def retrieval(subjects: Sequence[Subject], data_set: str) -> str:
    """Return recall at each k in both directions: bars, and a table with intervals and chance."""
    groups: dict[tuple[str, str], dict[str, Result]] = {}
    for subject in subjects:
        for measure, result in of_data_set(subject, data_set).items():
            if match := RECALL.fullmatch(measure):
                groups.setdefault((match[1], f"R@{match[2]}{match[3]}"), {})[subject.label] = result
    if not groups:
        return ""
    labels = [subject.label for subject in subjects]
    rows, drawings = [], []
    for direction, called in DIRECTIONS.items():
        own = {k: results for (way, k), results in groups.items() if way == direction}
        bars = [Group(k, [bar_of(f"{label}, {k}", own[k].get(label)) for label in labels]) for k in own]
        title = f"{data_set}: {called}"
        drawing = grouped_bars(f"{data_set}-{direction}", bars, series=labels, title=title)
        drawings.append(f"<div>{box(f'<h4>{called}</h4>{drawing}')}</div>" if drawing else "")
        rows += [[called, k, *(_recall(own[k].get(label)) for label in labels), _chance(own[k])] for k in own]
    head = ["", "k", *(plain(label) for label in labels), "chance"]
    heading = titled("Retrieval", "retrieval")
    return f'{heading}<div class="row">{"".join(drawings)}</div>{box(table(head, rows))}'


def _recall(result: Result | None) -> str:
    if result is None:
        return "–"
    interval = written_interval(result)
    return f"{written(result)} ({interval}; {result.count:,})" if interval else written(result)


def _chance(results: Mapping[str, Result]) -> str:
    chance = next((chance for result in results.values() if (chance := chance_of(result)) is not None), None)
    return "" if chance is None else percent(chance)


def robustness(subjects: Sequence[Subject], data_set: str) -> str:
    """Return accuracy by how strongly pictures are changed: one chart, or one for each change where there are many.

    Of a single subject that recorded its own charts nothing is drawn here.
    """
    measured = [subject for subject in subjects if any(CHANGED.fullmatch(m) for m in of_data_set(subject, data_set))]
    if len(measured) == 1 and _has_lines(measured[0], Title(data_set, "robustness")):
        return ""
    by_change: dict[str, list[Curve]] = {}
    counts: dict[int, None] = {}
    for subject in measured:
        changes: dict[str, dict[int, Result]] = {}
        for measure, result in of_data_set(subject, data_set).items():
            if match := CHANGED.fullmatch(measure):
                changes.setdefault(match[1], {})[int(match[2])] = result
        clean = subject.results.get(Title(data_set, CLEAN))
        for change, values in changes.items():
            start = {0: clean} if clean else {}
            curve = _curve(subject.label if len(subjects) > 1 else change, sorted({**start, **values}.items()))
            by_change.setdefault(change, []).append(curve)
            counts.update((result.count, None) for result in values.values() if result.count)
    if not by_change:
        return ""
    below = note(
        f"{f'n {number} pictures at each point. ' if (number := _counted(counts)) else ''}Bands: 95 % intervals."
    )
    heading = titled("Robustness", "robustness")
    axes = Axes("how strongly (0: unchanged)", percents=True)
    if len(subjects) == 1 and len(by_change) <= TOGETHER:
        curves = [curve for curves in by_change.values() for curve in curves]
        title = f"{data_set}: accuracy on changed pictures"
        chart = box(line_chart(f"{data_set}-robustness", curves, axes=axes, title=title))
        return f"{heading}{chart}{below}"
    charts = [
        box(
            f"<h4>{escape(brief(change))}</h4>"
            + _small(f"{data_set}-robustness-{change}", curves, axes, f"{data_set}: {change}")
        )
        for change, curves in by_change.items()
    ]
    return f'{heading}<div class="row">{"".join(f"<div>{chart}</div>" for chart in charts)}</div>{below}'


def _counted(counts: Iterable[int]) -> str:
    return ", ".join(f"{count:,}" for count in counts)


def _has_lines(subject: Subject, title: Title) -> bool:
    return any(own == title and detail.form == "lines" for own, detail, _ in subject.details)


def _small(name: str, curves: Sequence[Curve], axes: Axes, title: str) -> str:
    return line_chart(name, curves, axes=axes, title=title, wide=420)


def classes(subjects: Sequence[Subject], data_set: str) -> str:
    """Return bars of the results within each class (`NAME/zero-shot/top-1/CLASS`), in the order of their values.

    Where bars of the measurement are recorded as a detail, those are drawn instead.
    """
    parts = []
    for subject in subjects:
        drawn_below = {t.measure for t, d, _ in subject.details if t.data_set == data_set and d.form == "bars"}
        by_measure: dict[str, list[tuple[str, Result]]] = {}
        for measure, result in of_data_set(subject, data_set).items():
            if (match := OF_CLASS.fullmatch(measure)) and match[1].removesuffix("/top-1") not in drawn_below:
                by_measure.setdefault(match[1], []).append((match[2], result))
        for measure, values in by_measure.items():
            ordered = sorted(values, key=lambda value: value[1].value)
            bars = [bar for name, result in ordered if (bar := bar_of(name, result))]
            title = f"{data_set}: {measure} within each class, {subject.label}"
            drawing = interval_bars(f"{data_set}-classes-{measure}", bars, title=title)
            block = _headed(subject, subjects, drawing)
            folded = f"<details><summary>{len(bars):,} classes</summary>{block}</details>"
            shown = folded if len(bars) > FOLDED else block
            heading = titled(f"{brief(measure, TITLE)} within each class, lowest first", measure)
            parts.append(heading + shown if block else "")
    return "".join(parts)
