"""The figures that head a page: what one data set shows by each kind of learning, with the picks of the bars below.

The data set is the one on which most kinds were measured, the first of several; which it is depends on no score.
What is left of three figures is filled with retrieval and calibration, of that data set where it has them.
"""

from collections.abc import Mapping, Sequence

from wordsight.base.nouns import Result
from wordsight.report.canvas import brief, percent
from wordsight.report.measured import Subject, bare, data_sets
from wordsight.report.tasks_overview import KINDS

MOST = 3  # figures
WORDS = {
    "zero-shot": "right without a single example",
    "few-shot": "right after a few examples of each class",
    "supervised": "right after training on all labels",
}
FURTHER = {
    "text_to_image/R@1": "of captions find their picture first (R@1)",
    "image_to_text/R@1": "of pictures find a caption first (R@1)",
    "calibration/ece": "calibration error (ECE)",
}
Picked = tuple[str, Result]  # how it is called, and what it is


def headline(subjects: Sequence[Subject]) -> list[tuple[str, str]]:
    """Return the figures that head the page, three at most: (figure, what it is)."""
    names = data_sets(subjects)
    if not names:
        return []
    counts = {name: sum(pick(s, name) is not None for pick in KINDS.values() for s in subjects) for name in names}
    data_set = max(names, key=lambda name: counts[name])
    cards = []
    for kind, pick in KINDS.items():
        chosen = {subject.label: choice for subject in subjects if (choice := pick(subject, data_set))}
        if chosen:
            cards.append(_card(WORDS[kind], data_set, chosen, alone=len(subjects) == 1))
    for measure, what in FURTHER.items():
        where, further = _further(subjects, measure, data_set)
        if further:
            cards.append(_card(what, where, further, alone=len(subjects) == 1))
    return cards[:MOST]


def _further(subjects: Sequence[Subject], measure: str, data_set: str) -> tuple[str, dict[str, Picked]]:
    """Return the data set of which a measure is shown, with the values: `data_set`, else that of the largest gallery.

    Recall among 80 pictures and among 1,000 have no mean, so of several data sets one is shown.
    """
    values: dict[str, dict[str, Picked]] = {}
    for subject in subjects:
        for title, result in subject.results.items():
            if bare(title.measure) == measure:
                values.setdefault(title.data_set, {})[subject.label] = ("", result)
    if not values or data_set in values:
        return data_set, values.get(data_set, {})
    where = max(values, key=lambda name: max(int(r.setting.get("gallery") or 0) for _, r in values[name].values()))
    return where, values[where]


def _card(what: str, data_set: str, chosen: Mapping[str, Picked], *, alone: bool) -> tuple[str, str]:
    """Return a figure with what it is; of several models their figures with their names, and on how many pictures."""
    shown = ", ".join(percent(result.value) for _, result in chosen.values())
    called = ", ".join(dict.fromkeys(label for label, _ in chosen.values() if label))
    words = f"{what}{f' ({called})' if called else ''}, {brief(data_set)}"
    if len(chosen) == 1:
        words += _facts(next(iter(chosen.values()))[1])
    else:
        words += f"; n {', '.join(dict.fromkeys(f'{result.count:,}' for _, result in chosen.values()))}"
    return shown, words if alone else f"{words} ({', '.join(brief(label) for label in chosen)})"


def _facts(result: Result) -> str:
    """Return number, interval and chance of a result."""
    low_high = (
        f"; 95 % interval {100 * result.interval[0]:.1f} to {100 * result.interval[1]:.1f}" if result.interval else ""
    )
    chance = result.setting.get("chance")
    noise = result.setting.get("by_chance_up_to")  # what a perfectly calibrated model shows on so few pictures
    guessing = f"; chance {percent(float(chance))}" if chance is not None else ""
    calibrated = f"; a calibrated model shows up to {percent(float(noise))}" if noise is not None else ""
    return f"; n {result.count:,}{low_high}{guessing}{calibrated}"
