"""What a model does not know of drawn scenes: values of attributes, and pairs of them, among all there are.

Balanced scenes: every colour, shape and texture together, at every location, and groups of two to four.  A value is a
blind spot where it is recognised less than half as often as the others of its attribute; a pair (a red and dotted
thing) where both are recognised together less than half as often as each alone lets expect; those that are known
least are tried on new scenes.  Nothing says which are looked for: all are, and all of an attribute are judged together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import Limit, bar, claim, share_of
from wordsight.audit.drawn_questions import OF_ONE, AskedScenes, ask, balanced, is_known, known_limit, known_share
from wordsight.audit.finding import Claim, Finding
from wordsight.audit.scenes import NAME
from wordsight.audit.subject import ModelSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.data.planted_scenes import VALUES, balanced_groups
from wordsight.data.scenes import Scene
from wordsight.evaluate.measured import Measured

CHECK, TITLE = "blind-spots", "Blind spots"
LEAD = (
    "Drawn scenes in which everything is as frequent as everything else are asked for their colour, shape, texture, "
    "number and location; each value and each pair of values is compared with its neighbours."
)
LIMITS = (
    "Drawn objects are no photographs: what is missing here may be known of photographs, and the reverse. Concepts "
    "that scenes do not have are not looked for."
)
HALF = 0.5  # of what is expected: less is a blind spot; a convention, as large as 100 and 40 images can tell
PAIRED = ("colour", "shape", "texture")
TRIED = 6  # pairs that are tried on new scenes
TABLED = 12  # pairs in the table
SINGLE_OF_MANY = 3  # so many groups stand beside one single object in the question for the number


@dataclass(frozen=True, slots=True)
class KnownShare:
    """How a value or a pair of values is recognised, and the share below which it is a blind spot."""

    name: str
    result: Result
    limit: float
    pair: tuple[tuple[str, str], ...] = ()  # of attribute and value


def run(subject: ModelSubject) -> Finding:
    """Return the attributes, values and pairs of values that the model does not know."""
    scenes = balanced(subject.images)
    asked = dict(ask(subject.model, scenes, seed=subject.seed, attributes=OF_ONE))
    groups = balanced_groups()
    singles = scenes[:: SINGLE_OF_MANY * len(scenes) // len(groups)]
    asked |= ask(subject.model, [*groups, *singles], seed=subject.seed + 1, attributes=("count",))
    if len(np.unique(asked["location"].truths)) < len(asked["location"].values):
        del asked["location"]
    claims: list[Claim] = []
    measured = Measured([])
    for one in asked.values():
        whole, values = _of_attribute(one), values_known(one)
        claims.append(whole)
        if whole.judgement == "fine":  # of guesses no value is known less
            claims += _of_values(one.attribute, values)
        results = [whole.result, *(known.result for known in values)]
        measured = measured.and_also(Measured(results, [_bars(one, values)]))
    known_ones = [asked[name] for name in PAIRED if is_known(asked[name])]
    pairs = [known for one, other in combinations(known_ones, 2) for known in pairs_known(one, other)]
    if pairs:
        of_pairs = _of_pairs(subject, pairs)
        claims += of_pairs
        results = [*(known.result for known in pairs), *(one.result for one in of_pairs)]
        measured = measured.and_also(Measured(results, [_table(pairs)]))
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def values_known(asked: AskedScenes) -> list[KnownShare]:
    """Return how each value is recognised; its limit is half the mean share of the others."""
    results = [
        _share(f"recall/{asked.attribute}/{value}", asked.right[asked.truths == number], {"auc": _auc(asked, number)})
        for number, value in enumerate(asked.values)
    ]
    shares = np.array([result.value for result in results])
    others = (shares.sum() - shares) / (len(shares) - 1)
    return [
        KnownShare(value, result, HALF * float(other))
        for value, result, other in zip(asked.values, results, others, strict=True)
    ]


def pairs_known(one: AskedScenes, other: AskedScenes) -> list[KnownShare]:
    """Return how often both values of each pair are recognised; the limit is half the product of both shares.

    The shares are those of each value alone, so that a pair with a value that is not known at all is none.
    """
    known = []
    for i, value in enumerate(one.values):
        for j, second in enumerate(other.values):
            rows = (one.truths == i) & (other.truths == j)
            expected = float(one.right[one.truths == i].mean() * other.right[other.truths == j].mean())
            name = f"recall/{one.attribute}-{other.attribute}/{value}-{second}"
            result = _share(name, (one.right & other.right)[rows], {"expected": expected})
            pair = ((one.attribute, value), (other.attribute, second))
            known.append(KnownShare(f"{value} and {second}", result, HALF * expected, pair))
    return known


def _share(name: str, hits: NDArray[np.bool_], setting: dict[str, Value]) -> Result:
    return share_of(f"{NAME}/{name}", hits, setting)


def _auc(asked: AskedScenes, number: int) -> float:
    """Return how often an image of a value has a higher cosine with its text than one without (ties count half)."""
    scores, own = asked.scores[:, number], asked.truths == number
    ranks = np.searchsorted(np.sort(scores[~own]), scores[own], side="left")
    ties = np.searchsorted(np.sort(scores[~own]), scores[own], side="right") - ranks
    return round(float((ranks + ties / 2).mean() / (~own).sum()), 4)


def _of_attribute(asked: AskedScenes) -> Claim:
    chance = 1 / len(asked.values)
    named = "number" if asked.attribute == "count" else asked.attribute
    text = f"The {named} of drawn objects is right in {{}}; guessing gives {100 * chance:.3g} %."
    return claim(CHECK, known_share(asked), text, known_limit(asked), about=asked.attribute)


def _of_values(attribute: str, values: Sequence[KnownShare]) -> list[Claim]:
    """Return claims of the values that are blind spots, and in any case of the one that comes nearest to it."""
    order = sorted(values, key=lambda known: known.result.value - known.limit)
    claims = [
        claim(
            CHECK,
            known.result,
            f"{known.name} ({attribute}) is recognised in {{}}; below {100 * known.limit:.3g} % it would be a blind "
            "spot, half of what the others have.",
            Limit(known.limit, "below", len(values)),
            about=known.name,
        )
        for known in order
    ]
    return [one for number, one in enumerate(claims) if number == 0 or one.judgement == "problem"]


def tried(subject: ModelSubject, known: KnownShare, *, seed: int) -> KnownShare:
    """Return how often a pair is recognised in new scenes: single objects that have both, everything else at random."""
    rng = np.random.default_rng([seed, 1])
    drawn = [{name: str(rng.choice(VALUES[name])) for name in OF_ONE} | dict(known.pair) for _ in range(subject.images)]
    scenes = [Scene(one["colour"], one["shape"], one["texture"], 1, one["location"]) for one in drawn]
    names = [attribute for attribute, _ in known.pair]
    asked = ask(subject.model, scenes, seed=seed, attributes=names)
    name = f"tried/{known.name.replace(' and ', '-')}"
    both = asked[names[0]].right & asked[names[1]].right
    return KnownShare(known.name, _share(name, both, dict(known.result.setting)), known.limit, known.pair)


def _of_pairs(subject: ModelSubject, pairs: Sequence[KnownShare]) -> list[Claim]:
    """Return claims of the pairs that are known least, each tried on new scenes: of hundreds some fail by chance."""
    order = sorted(pairs, key=lambda known: known.result.value - known.limit)[:TRIED]
    again = [tried(subject, known, seed=subject.seed + 2 + number) for number, known in enumerate(order)]
    claims = [
        claim(
            CHECK,
            known.result,
            f"{known.name} are recognised together in {{}}; each alone lets expect {200 * known.limit:.3g} %.",
            Limit(known.limit, "below", len(again)),
            about=known.name,
        )
        for known in sorted(again, key=lambda known: known.result.value - known.limit)
    ]
    return [one for number, one in enumerate(claims) if number == 0 or one.judgement == "problem"]


def _bars(asked: AskedScenes, values: Sequence[KnownShare]) -> Detail:
    rows = [{**bar(known.name, known.result), "chance": 1 / len(values)} for known in values]
    return Detail(
        f"{NAME}/{CHECK}/{asked.attribute}", f"How often each {asked.attribute} is right", "bars", {"rows": rows}
    )


def _table(pairs: Sequence[KnownShare]) -> Detail:
    order = sorted(pairs, key=lambda known: known.result.value - known.limit)[:TABLED]
    rows = [
        [known.name, f"{100 * known.result.value:.0f} %", f"{200 * known.limit:.0f} %", known.result.count]
        for known in order
    ]
    head = ["pair", "both right", "expected of each alone", "images"]
    return Detail(f"{NAME}/{CHECK}/pairs", "The least known pairs", "table", {"head": head, "rows": rows})
