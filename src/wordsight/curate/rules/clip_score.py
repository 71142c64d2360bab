"""Pairs whose image and caption agree in the model's eyes: a cosine of at least X, the best share, or above chance.

LAION kept cosines of at least 0.28 (ViT-B/32 of OpenAI's); cosines of other models lie elsewhere, so that a threshold
has to be chosen by looking at `wordsight data score`.  DataComp's best simple filter is the top 30 %.  Both ask
for a number that depends on model and data; `chance` does not: with 1 % a pair is kept when its cosine is above that of
99 % of captions with images that are not theirs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.curate.pool import PairPool
from wordsight.curate.rules.table import Ruling
from wordsight.curate.scores import PairScores

NEEDS = ("scores",)
AMONG_KEPT = False


@dataclass(frozen=True, slots=True)
class ClipScoreRuleOptions:
    """One of `least`, a cosine; `top`, a share of all pairs; `chance`, the share of mismatched pairs to pass."""

    least: float | None = None
    top: float | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        if [self.least, self.top, self.chance].count(None) != 2:
            cure = "give least=0.28, top=30% or chance=1%"
            raise UsageError("the rule clip-score without its one threshold", cure=cure)
        if self.least is not None and not -1 <= self.least <= 1:
            raise UsageError(f"clip-score: least={self.least}", cure="give a cosine, for example 0.28")
        if self.top is not None and not 0 < self.top <= 1:
            raise UsageError(f"clip-score: top={self.top}", cure="give a share, for example 0.3 or 30%")

        if self.chance is not None and not 0 < self.chance < 1:
            raise UsageError(f"clip-score: chance={self.chance}", cure="give a share, for example 0.01 or 1%")


OPTIONS = ClipScoreRuleOptions


def judge(pool: PairPool, options: ClipScoreRuleOptions, alive: NDArray[np.bool_]) -> Ruling:
    """Judge every pair; the figure is its cosine.  Of equal cosines at the edge of the share all are kept."""
    cosines = pool.scores().cosines
    return Ruling(cosines >= np.float32(_least(pool.scores(), options)), cosines)


def _least(scores: PairScores, options: ClipScoreRuleOptions) -> float:
    """Return the least cosine that is kept."""
    if options.least is not None:
        return options.least
    if options.top is not None:
        known = np.sort(scores.cosines[~np.isnan(scores.cosines)])
        return float(known[-max(1, round(options.top * len(known)))]) if len(known) else 0.0
    assert options.chance is not None
    others = scores.mismatched[~np.isnan(scores.mismatched)]
    if len(others) < 1 / options.chance:
        problem = f"clip-score: chance={options.chance:g} of {len(others)} mismatched pairs"
        raise UsageError(problem, cure="give a larger share, or least=")
    return float(np.quantile(others, 1 - options.chance))
