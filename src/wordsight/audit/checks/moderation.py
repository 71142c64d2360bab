"""Alarms of watched labels on images not known to show such things, overall and within each group of images.

The shipped label set `moderation` has watched labels (nudity, weapons, drugs…) and everyday ones that compete with
them.  None of the images is said to show anything watched, though a few may: every alarm is counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.asked import generated
from wordsight.audit.claims import Limit, bar, claim, share_of
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.scenes import in_words
from wordsight.audit.subject import LabelledSet, ModelSubject
from wordsight.base.details import Detail
from wordsight.base.errors import InputError
from wordsight.base.nouns import Result
from wordsight.evaluate.encode import Scorer, image_embeddings
from wordsight.evaluate.fairness import group_shares
from wordsight.evaluate.measured import Measured, small_image
from wordsight.evaluate.sample_set import SampleSet, without_broken
from wordsight.evaluate.watched import ALARM, watch_for
from wordsight.text.label_sets import label_set

CHECK, TITLE = "moderation", "Alarms of watched labels"
LEAD = (
    "Each image is compared with the watched and the everyday labels of the shipped set. An alarm is where the watched "
    "ones together have a probability of one half or more. None of these images is known to show such things, though a "
    "few may: every alarm counts."
)
LIMITS = (
    "How many images that do show such things raise an alarm is not measured: none are at hand, and none ship. A few "
    "alarms may be true; the table shows them. Rates are of these images and this wording of the labels."
)
SET = "moderation"
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
RATE = 0.01  # of harmless images: more than one in a hundred is more than people look through; a convention
TIMES = 2.0  # the rate of all, which a group may have; a convention
LEAST = 20  # images of a group
SHOWN = 12


@dataclass(frozen=True, slots=True)
class WatchedSet:
    """Of N images of a set: `watched` (N,) is the probability of all watched labels, `first` (N,) the likeliest one."""

    name: str
    images: SampleSet
    groups: Sequence[str]
    watched: NDArray[np.float64]
    first: Sequence[str]

    @property
    def alarms(self) -> NDArray[np.bool_]:
        """Which images raise an alarm, (N,)."""
        return np.asarray(self.watched >= ALARM)


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return the rates of alarms of each set, or of drawn scenes where none is given."""
    if not isinstance(subject.model, Scorer):
        return Skipped(CHECK, TITLE, f"{subject.name} gives no probabilities", "audit a whole model")
    claims: list[Claim] = []
    measured = Measured([])
    for name, images, groups in _sets(subject):
        seen = watch(subject, name, images, groups)
        part = _of_set(seen)
        claims += part.claims
        measured = measured.and_also(part.measured)
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def watch(subject: ModelSubject, name: str, images: SampleSet, groups: Sequence[str]) -> WatchedSet:
    """Return how likely the watched labels are for each image of a set."""
    assert isinstance(subject.model, Scorer)
    watching = watch_for(label_set(SET), subject.model)
    shares = watching.shares(image_embeddings(subject.model, images.images, name=name))
    first = [watching.labels[i].name for i in watching.likeliest(shares)]
    return WatchedSet(name, images, groups, watching.watched(shares), first)


def _sets(subject: ModelSubject) -> list[tuple[str, SampleSet, list[str]]]:
    """Return the images of each set with the group of each: of its column, else its class, else ""."""
    sets = []
    for one in subject.data:
        failures: list[InputError] = []
        images = without_broken(subject.reader.sets(one.task("zero-shot")).test, failures)
        images = images.of(row for row, image in enumerate(images.images) if image is not None)
        sets.append((one.name, images, _groups(one, images)))
    if not sets:
        images = generated(subject).images
        sets.append((images.name, images, [str(sample.meta["colour"]) for sample in images.samples]))
    return sets


def _groups(one: LabelledSet, images: SampleSet) -> list[str]:
    if one.groups:
        return [str(sample.meta.get(one.groups, "")) for sample in images.samples]
    return [sample.label or "" for sample in images.samples]


def _of_set(seen: WatchedSet) -> Finding:
    """Return the rate of all images, those of the groups, which labels raise alarms and on what."""
    alarms, count = seen.alarms, len(seen.watched)
    rates = [_rate(f"{seen.name}/{CHECK}/at-{one}", seen.watched >= one) for one in THRESHOLDS]
    whole = rates[THRESHOLDS.index(ALARM)]
    raised = Counter(label for label, alarm in zip(seen.first, alarms, strict=True) if alarm)
    most = f", most often by {raised.most_common(1)[0][0]!r}" if raised else ""
    text = (
        f"{in_words(seen.name)}: watched labels raise an alarm on {alarms.sum():,} of {count:,} images that are not "
        f"known to show such things{most}: {{}}."
    )
    claims = [claim(CHECK, whole, text, Limit(RATE, "above"), about=in_words(seen.name))]
    rows = [
        [f"{100 * one:.0f} %", f"{100 * rate.value:.1f} %", _ends(rate)]
        for one, rate in zip(THRESHOLDS, rates, strict=True)
    ]
    rows.append(
        [f"{100 * np.quantile(seen.watched, 1 - RATE):.0f} %", f"{100 * RATE:.0f} % (chosen on these images)", ""]
    )
    details = [
        _table(seen, "thresholds", "Alarms by threshold", ["probability from", "alarms", "95 % interval"], rows),
    ]
    groups = _by_group(seen, whole, claims)
    if groups:
        details.append(Detail(f"{seen.name}/{CHECK}", "Alarms within each group", "bars", {"rows": groups[1]}))
        rates += groups[0]
    if raised:
        title = "Which label raises alarms"
        details.append(_table(seen, "labels", title, ["label", "images"], [[*one] for one in raised.most_common()]))
    worst, small = _worst(seen)
    return Finding(CHECK, TITLE, "", claims, Measured(rates, [*details, *worst], small))


def _by_group(
    seen: WatchedSet, whole: Result, claims: list[Claim]
) -> tuple[list[Result], list[dict[str, object]]] | None:
    """Return the rates of the groups, with their bars, and add a claim of the highest; None where there are none."""
    sizes = Counter(seen.groups)
    names = sorted(name for name, size in sizes.items() if name and size >= LEAST)
    if len(names) < 2:
        return None
    rows = np.flatnonzero([name in names for name in seen.groups])
    codes = np.array([names.index(seen.groups[row]) for row in rows.tolist()])
    shares = group_shares(seen.alarms[rows], codes)
    results, bars = [], []
    for code, name in enumerate(names):
        result = _rate(f"{seen.name}/{CHECK}/group/{name}", seen.alarms[rows][codes == code])
        results.append(result)
        bars.append(bar(name, result))
    worst = results[shares.highest]
    text = (
        f"{in_words(seen.name)}: of {len(names)} groups {names[shares.highest]} has the most alarms on images that are "
        f"not known to show such things, {{}}; all images have {100 * whole.value:.1f} %. If groups did not matter, "
        f"gaps as large would be seen in {_of_hundred(shares.p_value)} of 100 such sets."
    )
    limit = max(RATE, TIMES * whole.value)
    claims.append(claim(CHECK, worst, text, Limit(limit, "above", len(names)), about=names[shares.highest]))
    return results, bars


def _rate(name: str, alarms: NDArray[np.bool_]) -> Result:
    return share_of(name, alarms, {"labels": SET})


def _of_hundred(probability: float) -> str:
    return "fewer than 1" if probability < 0.01 else f"{100 * probability:.0f}"


def _ends(result: Result) -> str:
    low, high = result.interval or (0.0, 1.0)
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _table(seen: WatchedSet, part: str, title: str, head: list[str], rows: Sequence[Sequence[object]]) -> Detail:
    return Detail(f"{seen.name}/{CHECK}/{part}", title, "table", {"head": head, "rows": [list(row) for row in rows]})


def _worst(seen: WatchedSet) -> tuple[list[Detail], dict[str, bytes]]:
    """Return the images with the most likely watched labels, where they raise an alarm."""
    entries: list[dict[str, object]] = []
    small: dict[str, bytes] = {}
    for row in np.argsort(-seen.watched, kind="stable")[:SHOWN].tolist():
        if not seen.alarms[row]:
            break
        key = seen.images.samples[row].key
        file, data = small_image(seen.images.images[row], name=key)
        small[file] = data
        lines = [key, f"watched labels together {100 * seen.watched[row]:.0f} %"]
        entries.append({"picture": file, "title": seen.first[row], "lines": lines, "right": False})
    title = "The surest alarms"
    return ([Detail(f"{seen.name}/{CHECK}/images", title, "pictures", {"pictures": entries})] if entries else []), small
