"""The rules by name.  A new rule is one file beside this one and one row here.

    rule = open_rule("clip-score")
    ruling = rule.judge(pool, rule.OPTIONS(top=0.3), alive)

A rule sees all pairs and says of each whether it keeps it, with the figure that decided.  Those that choose one of
several alike (`AMONG_KEPT`) choose among the pairs that the rules before them kept; all others look at each pair for
itself, or at the whole pool, so that their order does not count.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest
from wordsight.curate.pool import PairPool

RULES: Mapping[str, str] = {  # name: module
    "basic": "wordsight.curate.rules.basic",
    "language": "wordsight.curate.rules.language",
    "text-based": "wordsight.curate.rules.text_based",
    "clip-score": "wordsight.curate.rules.clip_score",
    "image-based": "wordsight.curate.rules.image_based",
    "duplicates": "wordsight.curate.rules.duplicates",
    "near-duplicates": "wordsight.curate.rules.near_duplicates",
    "decontaminate": "wordsight.curate.rules.decontaminate",
    "balance": "wordsight.curate.rules.balance",
}


@dataclass(frozen=True)
class Ruling:
    """What a rule says: `kept` (P,), the `figures` that decided (P,), and of those dropped which of `whys` it was."""

    kept: NDArray[np.bool_]
    figures: NDArray[np.float32]
    whys: tuple[str, ...] = ("",)
    why: NDArray[np.uint8] | None = field(default=None, repr=False)  # (P,)


class RuleModule(Protocol):
    """A module of this folder."""

    OPTIONS: type[Any]  # a frozen dataclass: what the rule may be told
    NEEDS: tuple[str, ...]  # of `pool.NEEDS`
    AMONG_KEPT: bool

    def judge(self, pool: PairPool, options: Any, alive: NDArray[np.bool_]) -> Ruling:
        """Judge all pairs; `alive` (P,) are those that came through the rules before."""


def open_rule(name: str) -> RuleModule:
    """Return a rule by name; an unknown one is a `UsageError` that names the near ones."""
    if name not in RULES:
        raise UsageError(f"no rule {name!r}", cure=suggest(name, RULES))
    rule: Any = importlib.import_module(RULES[name])
    return cast(RuleModule, rule)


def by_image(pool: PairPool, values: NDArray[Any]) -> NDArray[Any]:
    """Return what is known of each image (N,) for each pair (P,)."""
    return values[pool.records.owners]
