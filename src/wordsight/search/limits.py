"""How many hits are wanted, and how good they have to be.

    HitLimits(k=5, min_match=0.5)             # UsageError for what nobody can mean

`HitLimitOptions` are the same as keyword arguments.
"""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from wordsight.base.errors import UsageError


class HitLimitOptions(TypedDict, total=False):
    """The fields of `HitLimits`, each with its default where it is not given."""

    k: int
    min_match: float | None
    min_cosine: float | None
    absent: bool


@dataclass(frozen=True, slots=True)
class HitLimits:
    """At most `k` hits, of at least a probability (0 to 1; below 0 none is meant) and a cosine (-1 to 1).

    `absent`: images that were not there when last looked are answered too.
    """

    k: int = 10
    min_match: float | None = None
    min_cosine: float | None = None
    absent: bool = False

    def __post_init__(self) -> None:
        k, least = self.k, {"min_match": self.min_match, "min_cosine": self.min_cosine}
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise UsageError(f"k = {k!r}", cure="ask for at least one hit, in whole numbers")
        cures = {
            "min_match": "give a probability from 0 to 1, for example 0.5",
            "min_cosine": "give a cosine from -1 to 1",
        }
        for name, value in least.items():
            if value is not None and not (isinstance(value, int | float | np.number) and -1 <= value <= 1):
                raise UsageError(f"{name} = {value!r}", cure=cures[name])
