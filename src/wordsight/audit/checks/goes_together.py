"""What goes together in a set's captions and columns, and which combinations it lacks.

An attribute is a column with few values, or three words and more that are frequent and never stand in one caption: red,
blue, green.  Where one value of an attribute nearly settles another attribute, a model that learns from the set, or a
person who filters it, cannot tell the two apart.  Words of no attribute are listed, not judged: that waves go with
surfers is no fault.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from wordsight.audit.associations import Link, Term, caption_terms, column_terms, links, missing
from wordsight.audit.claims import POINTS, Limit, claim
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.subject import PlaceSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Result, Sample
from wordsight.base.value import Value
from wordsight.evaluate.fairness import wilson_interval
from wordsight.evaluate.measured import Measured

CHECK, TITLE = "goes-together", "What goes together"
LEAD = (
    "Every value of every attribute is compared with every value of the others: how often do images with the one have "
    "the other, and how often do those without?"
)
LIMITS = (
    "Counted are words and columns, not what images show. Attributes that captions do not name are not seen, and a "
    "word that is missing everywhere leaves no trace."
)
SETTLES = 0.5  # difference of two shares from which on one value nearly settles another; a convention
LEAST_MET = 20.0  # images expected by chance, from which on a combination may count as missing
MOST = 6  # pairs that are claimed of each kind
TABLED = 20


def run(subject: PlaceSubject) -> Finding | Skipped:
    """Return what goes together in the captions and columns of a library."""
    samples = list(subject.samples.samples)
    return of_samples(samples, subject.place)


def of_samples(samples: Sequence[Sample], name: str) -> Finding | Skipped:
    """Return what goes together in samples; those without captions, and without columns of few values, have none."""
    kinds = {"captions": caption_terms(samples), "columns": column_terms(samples)}
    claims: list[Claim] = []
    measured = Measured([])
    for kind, terms in kinds.items():
        pairs = links(terms)
        judged = _claims_of(kind, terms, pairs)
        claims += judged
        measured = measured.and_also(Measured([one.result for one in judged], _tables(kind, pairs)))
    if not claims:
        reason = f"{name} has no two attributes, in captions or columns, whose values 20 images or more share"
        return Skipped(CHECK, TITLE, reason, "give images with captions or several columns")
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _claims_of(kind: str, terms: Sequence[Term], pairs: Sequence[Link]) -> list[Claim]:
    """Return claims of the pairs of attributes that go together most and that miss each other most."""
    sizes = Counter(term.family for term in terms)
    of_attributes = [
        link for link in pairs if kind == "columns" or min(sizes[link.first.family], sizes[link.second.family]) >= 3
    ]
    if not of_attributes:
        return []
    claims = [_together(kind, link, len(of_attributes)) for link in of_attributes[:MOST]]
    shown = [one for number, one in enumerate(claims) if number == 0 or one.judgement != "fine"]
    lacking = missing(pairs, least=LEAST_MET)
    settled = {frozenset(one.about.split(" and ")) for one in shown if one.judgement == "problem"}
    return [*shown, *(_lacking(kind, link, settled, len(of_attributes)) for link in lacking[:MOST])]


def _together(kind: str, link: Link, among: int) -> Claim:
    name = f"goes-together/{kind}/{link.first.name}/{link.second.name}"
    setting: dict[str, Value] = {
        "unit": POINTS,
        "share": round(link.share, 4),
        "share_without": round(link.share_without, 4),
    }
    result = Result(name, link.difference, link.interval(), link.firsts, setting=setting)
    text = (
        f"{kind.capitalize()}: of {link.firsts:,} images with {link.first.name} {100 * link.share:.0f} % have "
        f"{link.second.name}, of the others {100 * link.share_without:.0f} %: a difference of {{}}."
    )
    about = f"{link.first.name} and {link.second.name}"
    return claim(CHECK, result, text, Limit(SETTLES, "above", among), about=about)


def _lacking(kind: str, link: Link, settled: set[frozenset[str]], among: int) -> Claim:
    """Return the claim of a combination that hardly occurs: the share of the images that have it."""
    low, high = wilson_interval(np.array([link.together]), np.array([link.images]))
    name = f"goes-together/{kind}/missing/{link.first.name}/{link.second.name}"
    expected = link.expected / link.images
    interval = (float(low[0]), float(high[0]))
    result = Result(name, link.together / link.images, interval, link.images, setting={"expected": round(expected, 5)})
    text = (
        f"{kind.capitalize()}: {link.first.name} with {link.second.name} is in {link.together:,} images where chance "
        f"would give {link.expected:,.0f}: {{}}."
    )
    about = f"{link.first.name} and {link.second.name}"
    return claim(CHECK, result, text, Limit(expected / 2, "below", among), about=about)


def _tables(kind: str, pairs: Sequence[Link]) -> list[Detail]:
    rows = [
        [
            link.first.name,
            link.second.name,
            link.firsts,
            f"{100 * link.share:.0f} %",
            f"{100 * link.share_without:.0f} %",
            f"{link.lift:.1f}",
        ]
        for link in pairs[:TABLED]
    ]
    head = ["images with", "have", "images", "of those with", "of those without", "times chance"]
    return [
        Detail(f"goes-together/{kind}", f"What goes together most in {kind}", "table", {"head": head, "rows": rows})
    ]
