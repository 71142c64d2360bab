"""`wordsight search --explain`: why each hit came, asked of the libraries that answered, in lines and in JSON.

Nothing heavy is imported before it is asked for.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from wordsight.base.errors import UsageError
from wordsight.base.progress import bar, notice, print_error
from wordsight.search.hits import Located

if TYPE_CHECKING:
    from pathlib import Path

    from wordsight.search.nearest import Scope
    from wordsight.search.query import Query
    from wordsight.search.why import Reason

FORMS = ("csv", "paths_only", "null", "facets_only")  # which have no room for reasons
NOTED = 3.0  # seconds: what takes longer says so
Reasons = Mapping[int, "Reason"]  # by the identity of the hit's object


class AskedLibrary(NamedTuple):
    """A library that answered, for the place that was searched, and the query as it was put to it."""

    location: "Path"
    scope: "Scope"
    query: "Query"


def add_explaining(parser: ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--explain",
        action="store_true",
        help="why each hit came: what each part of the query gave to the score, and where in the image it is seen "
        "(with --html as a map over it); takes about a second a hit",
    )


def check_explaining(args: Namespace) -> None:
    """Raise `UsageError` where reasons would be seen nowhere."""
    form = next((name for name in FORMS if getattr(args, name)), "")
    if args.explain and form and not (args.html or args.open):
        cure = "leave one of them out, or add --html FILE"
        raise UsageError(f"--explain with --{form.replace('_', '-')}", cure=cure)


def reasons_for(hits: Sequence[Located], asked: Sequence[AskedLibrary]) -> "Reasons":
    """Return why each of these hits came; those whose image cannot be read are named on standard error."""
    once = list({id(one.hit): one for one in hits}.values())
    reasons: dict[int, Reason] = {}
    with bar(len(once), unit="hit", desc="explaining") as progress:
        done = _Steps(progress, len(once))
        for location, scope, query in asked:
            own = [one.hit for one in once if one.location == location]
            if not own:
                continue
            named = [replace(hit, key=f"{scope.prefix}{hit.key}") for hit in own]
            with scope.library as library:
                made = library.why(query, named, done=done)
            reasons.update((id(hit), reason) for hit, reason in zip(own, made, strict=True))
    for one in once:
        if reasons[id(one.hit)].problem:
            print_error(f"not explained: {reasons[id(one.hit)].problem}")
    return reasons


class _Steps:
    """Moves a bar by one for each hit, and says how long all take, by the second: the first opens the towers, too."""

    def __init__(self, progress: Any, count: int) -> None:
        self._progress, self._count = progress, count
        self._times: list[float] = []

    def __call__(self) -> None:
        self._progress.update(1)
        self._times.append(time.monotonic())
        if len(self._times) == 2:
            seconds = (self._times[1] - self._times[0]) * self._count
            if seconds > NOTED:
                notice(f"explaining {self._count:,} hits takes about {seconds:.0f} s")


def failed(reasons: "Reasons") -> bool:
    """Say whether the image of a hit could not be read."""
    return any(one.problem for one in reasons.values())


def explanation_of(reason: "Reason | None") -> dict[str, object]:
    """Return what JSON has of a reason, nothing where none was asked for."""
    if reason is None:
        return {}
    parts = [{"part": one.name, "cosine": round(one.cosine, 6), "share": round(one.share, 6)} for one in reason.shares]
    spot, hiding, swap = reason.spot, reason.hiding, reason.swap
    checks = (
        {}
        if hiding is None or swap is None
        else {
            "hiding": {
                "fall": round(hiding.fall, 6),
                "random_maps": [round(one, 6) for one in hiding.randoms],
                "p": round(hiding.p_value, 4),
                "passes": hiding.passes,
            },
            "text_swap": {"correlation": round(swap.correlation, 4), "passes": swap.passes},
        }
    )
    return {
        "explanation": {
            "parts": parts,
            "without": round(reason.without, 6),
            "method": reason.method or None,
            "strongest": None if spot is None else spot.region,
            "box": None if spot is None else [round(value, 4) for value in spot.box],
            "passes": reason.passes,
            "checks": checks,
            "problem": reason.problem or None,
        }
    }
