"""What an audit finds: claims that are counted, each with its n and its interval.

    Claim("gibberish", "fine", "Nonsense beats the true caption of 3 of 200 images (1.5 %, 0.3 to 4.3 %).", result)

A check gives a `Finding`, or a `Skipped` that says what it would need.  Knows no check, no page and no command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from wordsight.base.nouns import Result
from wordsight.evaluate.measured import Measured

Judgement = Literal["problem", "fine", "unclear"]  # unclear: the interval allows both


@dataclass(frozen=True, slots=True)
class Claim:
    """One counted claim: `text` is a sentence with the figure, `result` the figure with its n and interval.

    `about` is what it is said of ("green star", "gender = women"), "" for the whole.
    """

    check: str
    judgement: Judgement
    text: str
    result: Result
    about: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `measured` are all its results, details to draw and small images.

    `lead` says in a sentence or two what was done, `limits` what it does not tell.
    """

    check: str
    title: str
    lead: str
    claims: Sequence[Claim]
    measured: Measured = field(default_factory=lambda: Measured([]))
    limits: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made: why, and what would make it possible."""

    check: str
    title: str
    reason: str
    cure: str
