"""Zero-shot, few-shot and supervised of one model against one another, on the same pictures.

The results compared are those that stand for each kind in the bars; their hits are own by name and task.
"""

from collections.abc import Sequence
from html import escape

from wordsight.base.nouns import Result
from wordsight.report.canvas import brief
from wordsight.report.measured import Subject, by_data_set
from wordsight.report.page import note
from wordsight.report.paired import Difference, RecordedHits, compare
from wordsight.report.tasks_overview import KINDS, NAMES, difference_block

PAIRS = (("few-shot", "zero-shot"), ("supervised", "zero-shot"), ("supervised", "few-shot"))
READING = (
    "Both ways answered the same pictures, which are resampled together (1,000 times). Where the interval holds 0 "
    "these pictures do not show a difference. Few-shot is the mean over its draws: there the first counts as the only "
    "one right where it was right in more of them."
)


def ways_of_learning(subjects: Sequence[Subject]) -> str:
    """Return for each subject the differences of its ways of learning, data set by data set; nothing without hits."""
    parts = []
    for subject in subjects:
        rows, missing = [], []
        for data_set, part in by_data_set(subject).items():
            own, without = _differences(part, data_set)
            rows += own
            missing += without
        if not rows:
            continue
        heading = f"<h4>{escape(brief(subject.label))}</h4>" if len(subjects) > 1 else ""
        left_out = f"Left out, without hits of the same pictures: {'; '.join(missing[:12])}." if missing else ""
        parts.append(heading + difference_block("ways-of-learning", "data set: first minus second", rows))
        parts.append(note(left_out) if left_out else "")
    return f"<h3>Ways of learning, on the same pictures</h3>{''.join(parts)}{note(READING)}" if parts else ""


def _differences(subject: Subject, data_set: str) -> tuple[list[tuple[str, Difference]], list[str]]:
    """Return the differences of a data set, named, and the pairs whose hits are not there or of other pictures."""
    known = {(d.name, str(d.setting.get("task"))): hits for _, d, hits in subject.details if d.form == "hits"}
    picked = {kind: choice for kind, pick in KINDS.items() if (choice := pick(subject, data_set))}
    hits = {kind: own for kind, (_, result) in picked.items() if (own := _hits(known, result))}
    names = [own for (name, _), own in known.items() if name.endswith(f"/{NAMES}")]
    rows, missing = [], []
    for first, second in PAIRS:
        if first not in picked or second not in picked:
            continue
        others = [own for own in (hits.get(second), *(names if second == "zero-shot" else ())) if own is not None]
        pairs = (compare(hits[first], other) for other in others if first in hits)
        difference = next((pair for pair in pairs if pair is not None), None)
        if difference is None:
            missing.append(f"{brief(data_set)}, {first} minus {second}")
        else:
            called = f"{first} ({picked[first][0]})" if picked[first][0] != first else first
            rows.append((f"{data_set}: {called} minus {second}", difference))
    return rows, missing


def _hits(known: dict[tuple[str, str], RecordedHits], result: Result) -> RecordedHits | None:
    return known.get((result.name, str(result.setting.get("task"))))
