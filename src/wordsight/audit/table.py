"""The checks by name, in the order of the page: a new one is a file in `checks/` and a row here."""

from collections.abc import Mapping
from typing import NamedTuple


class Check(NamedTuple):
    """`target` is the "module:function", called with a subject, that gives a `Finding` or a `Skipped`."""

    target: str
    title: str


MODEL_CHECKS: Mapping[str, Check] = {  # of a `ModelSubject`
    "gibberish": Check("wordsight.audit.checks.gibberish:run", "Nonsense"),
}
PLACE_CHECKS: Mapping[str, Check] = {}  # of a `PlaceSubject`
