"""Whether two sets of embeddings lie nearer to one set of attributes than to another: WEAT, and iEAT with images.

    result = association(flowers, insects, pleasant, unpleasant)     # embeddings (X, D), (Y, D), (A, D), (B, D)
    result.effect, result.p_value

Targets and attributes may each be texts or images of one model: the test across the two is that of Steed and Caliskan
2021 (iEAT) and of Ross, Katz and Barbu 2021.  The p-value is of the targets given; it says nothing of other
words.  Knows nothing of models or word lists.
"""

import math
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.evaluate.metrics import Floats

EXACT = 100_000  # partitions up to which all are counted: 2 sets of 9 targets have 48,620
SAMPLED = 100_000  # partitions that are drawn beyond, the observed one included (May et al. 2019, appendix A)
AT_ONCE = 1 << 20  # targets of partitions that are held at a time


@dataclass(frozen=True, slots=True)
class Association:
    """`effect`: Cohen's d, about -2 to 2; `p_value`: one-sided, of one this large; `exact`: all partitions counted."""

    effect: float
    p_value: float
    exact: bool


def association(x: Floats, y: Floats, a: Floats, b: Floats, *, seed: int = 0) -> Association:
    """Return how much nearer than targets `y` the targets `x` are to attributes `a` than to `b`, (n, D) each.

    With s(w) the mean cosine of w to a minus that to b: effect = (mean s of x - mean s of y) / the standard deviation
    of s over both, with n - 1 (Caliskan, Bryson and Narayanan 2017, and their successors' code).  The p-value is the
    share of partitions of both targets into sets of these sizes with a difference at least as large, the observed one
    included: as May et al. 2019 (appendix A) "at least", where Caliskan et al. have "larger".  For sets of unlike size
    it is the difference of means.  Targets that all lie alike have no effect: NaN, with the p-value 1.
    """
    targets = association_scores(np.concatenate([x, y]), a, b)
    if len(x) == 0 or len(y) == 0:
        raise UsageError(f"{len(x)} and {len(y)} targets", cure="give one of each at least")
    spread = float(targets.std(ddof=1))
    if spread <= 1e-12:  # cosines are rounded to 1e-16
        return Association(float("nan"), 1.0, True)
    effect = float(targets[: len(x)].mean() - targets[len(x) :].mean()) / spread
    p_value, exact = _permutations(targets, len(x), seed)
    return Association(effect, p_value, exact)


def association_scores(targets: Floats, a: Floats, b: Floats) -> Floats:
    """Return the mean cosine to `a` (A, D) minus that to `b` (B, D), of `targets` (W, D): s(w, A, B)."""
    if len(a) == 0 or len(b) == 0:
        raise UsageError(f"{len(a)} and {len(b)} attributes", cure="give one of each at least")
    return np.asarray(_unit(targets) @ (_unit(a).mean(axis=0) - _unit(b).mean(axis=0)))


def _unit(vectors: Floats) -> Floats:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wrong = np.flatnonzero(~((lengths > 0) & np.isfinite(lengths)))
    if wrong.size:
        raise UsageError(f"embedding {wrong[0]} has the length {lengths[wrong[0], 0]}", cure="leave it out")
    return np.asarray(wide / lengths)


def _permutations(targets: Floats, count: int, seed: int) -> tuple[float, bool]:
    """Return the share of partitions whose first `count` targets have at least the sum of the observed ones.

    The sum of all is fixed, so that this sum orders partitions as the difference of the means does.
    """
    least = float(targets[:count].sum()) - 1e-12 * len(targets)  # the same targets in another order have another sum
    total = math.comb(len(targets), count)
    if total <= EXACT:
        parts = combinations(range(len(targets)), count)
        as_large = 0
        while block := list(islice(parts, max(1, AT_ONCE // count))):
            as_large += int((targets[np.array(block)].sum(axis=1) >= least).sum())
        return as_large / total, True
    generator = np.random.default_rng(seed)
    as_large, size = 1, max(1, AT_ONCE // len(targets))  # 1: the observed partition
    for start in range(1, SAMPLED, size):
        drawn = np.broadcast_to(targets, (min(size, SAMPLED - start), len(targets)))
        as_large += int((generator.permuted(drawn, axis=1)[:, :count].sum(axis=1) >= least).sum())
    return as_large / SAMPLED, False
