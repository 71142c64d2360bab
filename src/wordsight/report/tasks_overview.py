"""What was measured, data set by data set: zero-shot, few-shot and supervised side by side, and models side by side.

Which few-shot result stands for a data set is decided by its name, never by its score: of the largest number of
shots, the first method of `FEW_SHOT` that was measured.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import combinations

from wordsight.base.nouns import Result
from wordsight.report.bar_charts import Bar, Group, difference_bars, grouped_bars
from wordsight.report.canvas import brief, plain
from wordsight.report.measured import Subject, bar_of, bare, by_data_set, data_sets
from wordsight.report.page import box, note, table
from wordsight.report.paired import Difference, compare

FEW_SHOT = ("tip-adapter-f", "tip-adapter", "lp++", "linear")  # which method stands for few-shot, first to last
SUPERVISED = ("supervised", "probe")
NAMES = "few-shot-0/names/top-1"  # zero-shot on the very pictures that few-shot was measured on
OF_SHOTS = re.compile(r"few-shot-(\d+)/([^/]+)/top-1")
Pick = Callable[[Subject, str], tuple[str, Result] | None]
NOT_BY_SCORE = (
    "Few-shot is that of the largest number of shots, by the first of these methods that was measured: "
    f"{', '.join(FEW_SHOT)}; supervised is the probe where nothing else was trained. Neither is chosen by its score."
)
READING = "Bars: share right (top-1). Whiskers: 95 % interval. Dashed tick: what guessing gives."


def zero_shot(subject: Subject, data_set: str) -> tuple[str, Result] | None:
    """Return the zero-shot result of a data set; of several, with other prompts, that of the prompts recorded first.

    Where few-shot was measured on other pictures (another number of them), that of the names alone on those.
    """
    few, names = few_shot(subject, data_set), _top_1(subject, data_set).get(NAMES, [])
    own = _top_1(subject, data_set).get("zero-shot/top-1", [])
    first = [one for one in own if one.setting.get("templates") == own[0].setting.get("templates")]
    if names and (not own or (few is not None and few[1].count != first[-1].count)):
        return "zero-shot on the pictures of few-shot", names[-1]
    return ("zero-shot", first[-1]) if first else None


def _top_1(subject: Subject, data_set: str) -> dict[str, list[Result]]:
    """Return the results of a data set by measure, those of one measure in the order of their record."""
    measures: dict[str, list[Result]] = {}
    for title, result in subject.results.items():
        if title.data_set == data_set:
            measures.setdefault(bare(title.measure), []).append(result)
    return measures


def by_shots(subject: Subject, data_set: str) -> dict[tuple[int, str], Result]:
    """Return the few-shot results by number of shots and method; of one measured several times the latest."""
    return {
        (int(match[1]), match[2]): results[-1]
        for measure, results in _top_1(subject, data_set).items()
        if measure != NAMES and (match := OF_SHOTS.fullmatch(measure))
    }


def few_shot(subject: Subject, data_set: str) -> tuple[str, Result] | None:
    """Return the few-shot result that stands for a data set, with its shots and method."""
    matches = by_shots(subject, data_set)
    known = [key for key in matches if key[1] in FEW_SHOT]
    if not known:
        return None
    shots, method = min(known, key=lambda key: (-key[0], FEW_SHOT.index(key[1])))
    return f"{shots} shots, {method}", matches[shots, method]


def supervised(subject: Subject, data_set: str) -> tuple[str, Result] | None:
    """Return the latest supervised result of a data set, or that of a linear probe where there is none."""
    for kind in SUPERVISED:
        if results := _top_1(subject, data_set).get(f"{kind}/top-1"):
            return kind, results[-1]
    return None


KINDS: Mapping[str, Pick] = {"zero-shot": zero_shot, "few-shot": few_shot, "supervised": supervised}


def overview(subjects: Sequence[Subject]) -> str:
    """Return one figure a subject: data sets along the x-axis, the kinds of learning side by side."""
    parts = []
    for subject in subjects:
        groups, stated = [], []
        for data_set, part in by_data_set(subject).items():
            picked = {kind: pick(part, data_set) for kind, pick in KINDS.items()}
            chosen = [choice and bar_of(f"{data_set}, {choice[0]}", choice[1]) for choice in picked.values()]
            groups.append(Group(data_set, chosen))
            stated.append("; ".join(f"{choice[0]} (n {choice[1].count:,})" for choice in picked.values() if choice))
        kept = [i for i, group in enumerate(groups) if any(group.bars)]
        if not kept:
            continue
        title = f"Accuracy of {subject.label}, task by task"
        drawing = grouped_bars("overview", [groups[i] for i in kept], series=list(KINDS), title=title)
        heading = f"<h3>{escape(brief(subject.label))}</h3>" if len(subjects) > 1 else ""
        shown = "; ".join(f"{brief(groups[i].name)}: {stated[i]}" for i in kept[:12] if stated[i])
        parts.append(heading + box(drawing) + note(f"Shown here: {shown}." if shown else ""))
    return "".join(parts) + note(f"{READING} {NOT_BY_SCORE}") if parts else ""


def side_by_side(subjects: Sequence[Subject]) -> str:
    """Return for each kind of learning that several subjects measured one figure with the subjects side by side."""
    if len(subjects) < 2:
        return ""
    parts = []
    split = [by_data_set(subject) for subject in subjects]
    for kind, pick in KINDS.items():
        groups = []
        for data_set in data_sets(subjects):
            chosen = [pick(own[data_set], data_set) if data_set in own else None for own in split]
            if sum(choice is not None for choice in chosen) > 1:
                groups.append(Group(data_set, [_bar(s, c) for s, c in zip(subjects, chosen, strict=True)]))
        if groups:
            series = [subject.label for subject in subjects]
            drawing = grouped_bars(f"compare-{kind}", groups, series=series, title=f"{kind}, model beside model")
            parts.append(f"<h3>{kind.capitalize()}</h3>{box(drawing)}")
    return "".join(parts)


def _bar(subject: Subject, choice: tuple[str, Result] | None) -> Bar | None:
    return choice and bar_of(f"{subject.label}, {choice[0]}", choice[1])


def paired_differences(subjects: Sequence[Subject]) -> str:
    """Return the differences of every two subjects on the same pictures: a figure, and a table of the same."""
    hits = {subject.label: {t: value for t, d, value in subject.details if d.form == "hits"} for subject in subjects}
    rows: list[tuple[str, Difference]] = []
    unequal = 0
    for first, second in combinations(subjects, 2):
        for title, own in hits[first.label].items():
            other = hits[second.label].get(title)
            difference = None if other is None else compare(own, other)
            unequal += other is not None and difference is None
            if difference is not None:
                rows.append((f"{title.data_set} {title.measure}: {first.label} minus {second.label}", difference))
    missing = note(f"{unequal} comparisons are left out: their pictures were not the same.") if unequal else ""
    if not rows:
        return missing
    return difference_block("paired-differences", "task: first minus second", rows) + note(_PAIRED) + missing


def difference_block(name: str, first_column: str, rows: Sequence[tuple[str, Difference]]) -> str:
    """Return paired differences as a figure and a table of the same; `name` is that of the figure."""
    bars = [Bar(words, diff.value, diff.interval, None, diff.count) for words, diff in rows]
    head = [first_column, "difference", "95 % interval, paired", "only the first right", "only the second", "n"]
    cells = [[plain(words), *_row(difference)] for words, difference in rows]
    drawing = difference_bars(name, bars, title=f"{name.replace('-', ' ')}: first minus second")
    return box(drawing) + box(table(head, cells))


def _row(difference: Difference) -> list[str]:
    low, high = difference.interval
    return [
        f"{100 * difference.value:+.1f} points",
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        f"{difference.only_first:,}",
        f"{difference.only_second:,}",
        f"{difference.count:,}",
    ]


_PAIRED = (
    "Both models answered the same pictures, which are resampled together (1,000 times). Where the interval holds 0 "
    "these pictures do not show a difference."
)
