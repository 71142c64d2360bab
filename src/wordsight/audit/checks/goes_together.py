"""What goes together in a set's captions and columns, and which combinations it lacks.

An attribute is a column with few values, or three words and more that are frequent and never stand in one caption: red,
blue, green.  Where one value of an attribute nearly settles another attribute, a model that learns from the set, or a
person who filters it, cannot tell the two apart.  Words of no attribute are listed, not judged: that waves go with
surfers is no fault.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

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
from wordsight.text.mentions import singular

CHECK, TITLE = "goes-together", "What goes together"
LEAD = (
    "Every value of every attribute is compared with every value of the others: how often do images with the one have "
    "the other, and how often do those without?"
)
LIMITS = (
    "A problem here is a link that a model may learn from the set, not an error of the set: the facts of a catalogue "
    "may well be so. Counted are words and columns, not what images show. Attributes that captions do not name are not "
    "seen, and a word that is missing everywhere leaves no trace."
)
SETTLES = 0.5  # difference of two shares from which on one value nearly settles another; a convention
LEAST_MET = 20.0  # images expected by chance, from which on a combination may count as missing
MOST = 6  # pairs that are claimed of each kind, and combinations that are missing
TABLED = 20
LISTED = 100  # missing combinations in the table


def run(subject: PlaceSubject) -> Finding | Skipped:
    """Return what goes together in the captions and columns of a library."""
    samples = list(subject.samples.samples)
    return of_samples(samples, subject.place)


def of_samples(samples: Sequence[Sample], name: str) -> Finding | Skipped:
    """Return what goes together in samples; those without captions, and without columns of few values, have none."""
    kinds = {"captions": caption_terms(samples), "columns": column_terms(samples)}
    claims: list[Claim] = []
    lacking: list[tuple[str, Link, int]] = []
    measured = Measured([])
    for kind, terms in kinds.items():
        pairs = links(terms)
        among = _of_attributes(kind, terms, pairs)
        claims += _together_most(kind, among, of_before=claims)
        if among:
            lacking += [(kind, link, len(among)) for link in missing(pairs, least=LEAST_MET)]
        measured = measured.and_also(Measured([], _tables(kind, pairs)))
    lacking = _once(lacking)
    claims += [_lacking(kind, link, among) for kind, link, among in lacking[:MOST]]
    if len(lacking) > MOST:
        more = f" The table has {len(lacking) - MOST:,} more combinations that hardly occur."
        claims[-1] = replace(claims[-1], text=claims[-1].text + more)
    measured = measured.and_also(Measured([one.result for one in claims], _missing_table(lacking)))
    if not claims:
        reason = f"{name} has no two attributes, in captions or columns, whose values 20 images or more share"
        return Skipped(CHECK, TITLE, reason, "give images with captions or several columns")
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _of_attributes(kind: str, terms: Sequence[Term], pairs: Sequence[Link]) -> list[Link]:
    """Return the pairs of two attributes: of columns all, of words those of families of three or more."""
    sizes = Counter(term.family for term in terms)
    return [
        link for link in pairs if kind == "columns" or min(sizes[link.first.family], sizes[link.second.family]) >= 3
    ]


def _together_most(kind: str, of_attributes: Sequence[Link], *, of_before: Sequence[Claim]) -> list[Claim]:
    """Return claims of the pairs of attributes that go together most, but those that were claimed of captions."""
    stated = {_without_columns(one.about) for one in of_before}
    claims = [_together(kind, link, len(of_attributes)) for link in of_attributes[:MOST]]
    shown = [one for number, one in enumerate(claims) if number == 0 or one.judgement != "fine"]
    return [one for one in shown if _without_columns(one.about) not in stated]


def _without_columns(about: str) -> tuple[str, ...]:
    """Return the values that a claim is about: those of "colour = red and shape = heart" are "red" and "heart"."""
    return tuple(_value(name) for name in about.split(" and "))


def _value(name: str) -> str:
    return singular((name.partition(" = ")[2] or name).lower())


def _once(lacking: Sequence[tuple[str, Link, int]]) -> list[tuple[str, Link, int]]:
    """Return combinations without those of the same two words, the most missed first."""
    by_words = {frozenset((_value(one[1].first.name), _value(one[1].second.name))): one for one in reversed(lacking)}
    return sorted(by_words.values(), key=lambda one: one[1].together - one[1].expected)


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
    one = claim(CHECK, result, text, Limit(SETTLES, "above", among), about=about)
    if one.judgement == "problem":
        return replace(one, text=f"{one.text} It may well be true: it is a link that a model may learn, not an error.")
    return one


def _lacking(kind: str, link: Link, among: int) -> Claim:
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


def _missing_table(lacking: Sequence[tuple[str, Link, int]]) -> list[Detail]:
    rows = [
        [link.first.name, link.second.name, link.together, f"{link.expected:,.0f}"] for _, link, _ in lacking[:LISTED]
    ]
    shown = f", of which the first {LISTED}" if len(lacking) > LISTED else ""
    title = f"Combinations that hardly occur ({len(lacking):,}{shown})"
    head = ["images with", "and", "images", "by chance"]
    return [Detail("goes-together/missing", title, "table", {"head": head, "rows": rows})] if rows else []


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
