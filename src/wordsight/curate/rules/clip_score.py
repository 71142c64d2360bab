"""Pairs whose image and caption agree in the model's eyes: a cosine of at least X, or the best share of the pool.

LAION kept cosines of at least 0.28 (ViT-B/32 of OpenAI's); cosines of other models lie elsewhere, so that a threshold
has to be chosen by looking at `wordsight data score`.  DataComp's best simple filter is the top 30 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.curate.pool import Pool
from wordsight.curate.rules.table import Judgement

NEEDS = ("scores",)
AMONG_KEPT = False


@dataclass(frozen=True, slots=True)
class ClipScoreOptions:
    """Either `least`, a cosine, or `top`, a share of all pairs above 0 and up to 1."""

    least: float | None = None
    top: float | None = None

    def __post_init__(self) -> None:
        if (self.least is None) == (self.top is None):
            raise UsageError("the rule clip-score without its one threshold", cure="give least=0.28 or top=30%")
        if self.least is not None and not -1 <= self.least <= 1:
            raise UsageError(f"clip-score: least={self.least}", cure="give a cosine, for example 0.28")
        if self.top is not None and not 0 < self.top <= 1:
            raise UsageError(f"clip-score: top={self.top}", cure="give a share, for example 0.3 or 30%")


OPTIONS = ClipScoreOptions


def judge(pool: Pool, options: ClipScoreOptions, alive: NDArray[np.bool_]) -> Judgement:
    """Judge every pair; the figure is its cosine.  Of equal cosines at the edge of the share all are kept."""
    cosines = pool.scores().cosines
    known = np.sort(cosines[~np.isnan(cosines)])
    least = options.least
    if least is None:
        assert options.top is not None
        count = max(1, round(options.top * len(known)))
        least = float(known[-count]) if len(known) else 0.0
    return Judgement(cosines >= np.float32(least), cosines)
