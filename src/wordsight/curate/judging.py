"""Rules applied to a pool: which pairs come through all of them, and for each other pair the rule that dropped it.

    verdicts = judge(pool, read_rules(["basic", "clip-score:top=30%"]))
    verdicts.kept, verdicts.rule, verdicts.figures     # (P,)
    verdicts.steps[1].alone, verdicts.steps[1].dropped # how many that rule drops for itself, and behind those before

A pair is kept when every rule keeps it: the intersection, as in DataComp's best filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wordsight.curate.pool import PairPool
from wordsight.curate.rule_text import AskedRule
from wordsight.curate.rules.table import Ruling

BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class RuleStep:
    """A rule as it was asked for; of all pairs it drops `alone`, of those left by the rules before it `dropped`."""

    rule: str
    alone: int
    dropped: int
    left: int


@dataclass(frozen=True)
class Verdicts:
    """What came of every pair (P,): the `step` that dropped it (-1: none), the reason there and the figure."""

    kept: NDArray[np.bool_] = field(repr=False)
    step: NDArray[np.int8] = field(repr=False)
    why: NDArray[np.uint8] = field(repr=False)
    figures: NDArray[np.float32] = field(repr=False)
    steps: tuple[RuleStep, ...] = ()
    whys: tuple[tuple[str, ...], ...] = ()

    def reason(self, pair: int) -> tuple[str, str]:
        """Return the rule that dropped a pair and why, "" and "" for a kept one."""
        step = int(self.step[pair])
        if step < 0:
            return "", ""
        return self.steps[step].rule, self.whys[step][self.why[pair]]


def judge(pool: PairPool, rules: Sequence[AskedRule]) -> Verdicts:
    """Apply the rules in their order."""
    pool.prepare([need for rule in rules for need in rule.module.NEEDS])
    pairs = pool.records.pairs
    everything = np.ones(pairs, bool)
    broken = ~pool.sound()[pool.records.owners]
    alive, step, why = ~broken, np.full(pairs, -1, np.int8), np.zeros(pairs, np.uint8)
    figures = np.full(pairs, np.nan, np.float32)
    steps: list[RuleStep] = []
    whys: list[tuple[str, ...]] = []
    if broken.any():
        step[broken] = 0
        steps.append(RuleStep(BROKEN, int(broken.sum()), int(broken.sum()), int(alive.sum())))
        whys.append(("",))
    for rule in rules:
        judged = rule.module.judge(pool, rule.options, everything)
        alone = int((~judged.kept & ~broken).sum())
        if rule.module.AMONG_KEPT and not alive.all():
            judged = rule.module.judge(pool, rule.options, alive)
        dropped = alive & ~judged.kept
        _note(judged, dropped, len(steps), (step, why, figures))
        alive &= judged.kept
        figures[alive] = judged.figures[alive]
        steps.append(RuleStep(rule.text, alone, int(dropped.sum()), int(alive.sum())))
        whys.append(judged.whys)
    return Verdicts(alive, step, why, figures, tuple(steps), tuple(whys))


def _note(
    judged: Ruling,
    dropped: NDArray[np.bool_],
    number: int,
    into: tuple[NDArray[np.int8], NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    step, why, figures = into
    step[dropped] = number
    if judged.why is not None:
        why[dropped] = judged.why[dropped]
    figures[dropped] = judged.figures[dropped]
