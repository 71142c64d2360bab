"""Shortcuts: answers to one question that change with something else, which was not asked for.

First a search on balanced drawn scenes over every pair of an answer and a value of another attribute: is "striped"
answered more often of red things than of others, where nothing is striped?  Then the pairs that stood out are tried on
new scenes, each drawn twice: once with the value, once with another, all else equal.  Since they are few and their
scenes new, a search over hundreds makes no finding of chance.  Nothing says which are looked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import POINTS, Limit, claim
from wordsight.audit.drawn_questions import OF_ONE, AskedScenes, ask, balanced, is_known
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.scenes import NAME
from wordsight.audit.subject import ModelSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.data.planted_scenes import VALUES, changed
from wordsight.data.scenes import Scene
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.metrics import NORMAL_95

CHECK, TITLE = "shortcuts", "Answers that follow something else"
LEAD = (
    "Drawn scenes are changed in one thing, and asked for another that stays: an answer that follows the change is a "
    "shortcut. All pairs are searched, and those that stand out tried on new scenes."
)
LIMITS = (
    "Only colour, shape, texture and location of single drawn objects are searched. A shortcut may come from the "
    "training data, or from what is hard to see: stripes on yellow. What the search ranks low is not tried."
)
TRIED = 8  # pairs of the search that are tried
TRIED_OF_ONE = 4  # of them, of one question: what is hard to see leans most
MATTERS = 0.1  # of the answers that a change turns: fewer is taken as harmless; a convention


@dataclass(frozen=True, slots=True)
class Lean:
    """Where nothing is `answer`, it is given more often with `value` than without: a difference of two shares."""

    asked: str
    answer: str
    changed: str
    value: str
    difference: float


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return the answers that follow something else most, tried on new scenes; what is not known is not asked for."""
    scenes = balanced(subject.images)
    asked = ask(subject.model, scenes, seed=subject.seed, attributes=OF_ONE)
    known = [attribute for attribute, one in asked.items() if is_known(one)]
    if not known:
        reason = f"{subject.name} knows no attribute of drawn scenes surely: guesses follow anything"
        return Skipped(CHECK, TITLE, reason, "give labelled groups of images: --data 'PLACE?groups=COLUMN'")
    leans = search(asked, known)
    claims, results, rows = [], [], []
    for number, lean in enumerate(_first(leans)):
        result, counts = tried(subject, lean, seed=subject.seed + 2 + number)
        text = (
            f"Where nothing is {lean.answer}, a change to {lean.value} makes {lean.answer!r} the answer more often by "
            f"{{}}: {counts[1]} of {result.count} scenes instead of {counts[0]}."
        )
        about = f"{lean.value} and {lean.answer}"
        claims.append(claim(CHECK, result, text, Limit(MATTERS, "above", TRIED), about=about))
        results.append(result)
        rows.append(
            [lean.value, lean.answer, f"{100 * lean.difference:+.0f}", f"{100 * result.value:+.0f}", result.count]
        )
    head = ["with", "the answer", "points in the search", "points in new scenes", "scenes"]
    table = Detail(
        f"{NAME}/{CHECK}", f"Of {len(leans)} pairs, those that stood out", "table", {"head": head, "rows": rows}
    )
    order = sorted(claims, key=lambda one: -one.result.value)
    return Finding(CHECK, TITLE, LEAD, order, Measured(results, [table]), LIMITS)


def search(asked: Mapping[str, AskedScenes], known: Sequence[str]) -> list[Lean]:
    """Return every pair of an answer to a known question and a value of another attribute, largest difference first."""
    leans = []
    for a, b in ((a, b) for a, b in permutations(asked, 2) if a in known):
        one, other = asked[a], asked[b]
        for answer, value in np.ndindex(len(one.values), len(other.values)):
            rows = one.truths != answer
            given, has = one.answers[rows] == answer, other.truths[rows] == value
            if has.any() and not has.all():
                difference = float(given[has].mean() - given[~has].mean())
                leans.append(Lean(a, one.values[answer], b, other.values[value], difference))
    return sorted(leans, key=lambda lean: -lean.difference)


def _first(leans: Sequence[Lean]) -> list[Lean]:
    """Return the pairs to try: those with the largest differences, not all of one question."""
    ranks: Counter[str] = Counter()
    chosen = []
    for lean in leans:
        ranks[lean.asked] += 1
        if ranks[lean.asked] <= TRIED_OF_ONE:
            chosen.append(lean)
    return chosen[:TRIED]


def tried(subject: ModelSubject, lean: Lean, *, seed: int) -> tuple[Result, tuple[int, int]]:
    """Return by how much the answer becomes more frequent in new scenes; how often it was given before and after."""
    before = _without(lean, subject.images, np.random.default_rng([seed, 1]))
    after = [changed(scene, lean.changed, lean.value) for scene in before]
    given = [
        _gives(ask(subject.model, scenes, seed=seed, attributes=(lean.asked,))[lean.asked], lean.answer)
        for scenes in (before, after)
    ]
    gained, lost = int((given[1] & ~given[0]).sum()), int((given[0] & ~given[1]).sum())
    name = f"{NAME}/{CHECK}/{lean.changed}-{lean.value}/{lean.asked}-{lean.answer}"
    setting: dict[str, Value] = {"unit": POINTS, "before": int(given[0].sum()), "after": int(given[1].sum())}
    interval = change_interval(gained, lost, len(before))
    result = Result(name, (gained - lost) / len(before), interval, len(before), setting=setting)
    return result, (int(given[0].sum()), int(given[1].sum()))


def change_interval(gained: int, lost: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of (gained - lost) / count, of pairs that were turned to yes and to no.

    Agresti and Min 2005: half a pair is added to each of the four cells, so that no change has a width, too.
    """
    up, down, wide = gained + 0.5, lost + 0.5, count + 2
    middle = (up - down) / wide
    half = NORMAL_95 * np.sqrt(up + down - (up - down) ** 2 / wide) / wide
    return float(max(-1.0, middle - half)), float(min(1.0, middle + half))


def _without(lean: Lean, count: int, rng: np.random.Generator) -> list[Scene]:
    """Return single objects that are neither the answer nor the value, everything else at random."""
    kept = {attribute: list(VALUES[attribute]) for attribute in OF_ONE}
    kept[lean.asked].remove(lean.answer)
    kept[lean.changed].remove(lean.value)
    drawn = [{name: str(rng.choice(values)) for name, values in kept.items()} for _ in range(count)]
    return [Scene(one["colour"], one["shape"], one["texture"], 1, one["location"]) for one in drawn]


def _gives(asked: AskedScenes, answer: str) -> NDArray[np.bool_]:
    return np.asarray(asked.answers == asked.values.index(answer))
