"""How groups are spread over the first answers of rankings: MaxSkew and NDKL, as means over prompts.

    value = max_skew(scores, groups, k=1000, desired="uniform")              # scores (P, N): prompts, images
    value = ndkl(scores, groups, k=1000, desired="set")

`k` has no default: over the whole set every ranking has the set's own distribution, so MaxSkew of it is no number of
the model (the field's best-known code does that if not told a k).  What is said in ties of scores is the expected
composition over their orders: the order of the data does not matter.  Shapes: P prompts, N images, G groups.  Knows
nothing of models.
"""

from typing import Literal

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.evaluate.metrics import Floats, Ints
from wordsight.evaluate.resampling import run_sums, runs_of, sums_up_to

Desired = Literal["uniform", "set"]


def desired_shares(groups: Ints, desired: Desired | Floats) -> Floats:
    """Return the shares (G,) that the groups that occur, sorted, should have among first answers.

    "uniform": all alike (equality of opportunity); "set": as in all images (demographic parity); or shares of their
    own, (G,) of sum 1 (Geyik, Ambler and Kenthapadi 2019).
    """
    counts = np.unique(groups, return_counts=True)[1]
    if isinstance(desired, str):
        if desired not in ("uniform", "set"):
            raise UsageError(f"desired distribution {desired!r}", cure="give 'uniform', 'set' or shares")
        return np.full(len(counts), 1 / len(counts)) if desired == "uniform" else counts / counts.sum()
    shares = np.asarray(desired, dtype=np.float64)
    if shares.shape != counts.shape or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        cure = f"give {len(counts)} numbers over 0 with the sum 1"
        raise UsageError(f"desired shares {shares.tolist()} for {len(counts)} groups", cure=cure)
    return shares


def skews(scores: Floats, groups: Ints, *, k: int, desired: Desired | Floats) -> Floats:
    """Return ln(share of a group among the first `k` / its desired share), (P, G), of `scores` (P, N), `groups` (N,).

    Skew@k of Geyik, Ambler and Kenthapadi 2019.  A group of which no image is among them counts as one image, 1/k, as
    Berg et al. 2022 have it in their code: with a desired share below 1/k its skew is then over 0.
    """
    wanted = desired_shares(groups, desired)
    shares = _prefix_counts(scores, groups, k)[:, -1] / k
    return np.asarray(np.log(np.where(shares > 0, shares, 1 / k) / wanted))


def max_skew(scores: Floats, groups: Ints, *, k: int, desired: Desired | Floats) -> float:
    """Return MaxSkew@k, the largest of the `skews` of a prompt, as the mean over prompts; 0 is best.

    Geyik, Ambler and Kenthapadi 2019; Berg et al. 2022, section 3, with k = 1,000.
    """
    return float(skews(scores, groups, k=k, desired=desired).max(axis=1).mean())


def ndkl(scores: Floats, groups: Ints, *, k: int, desired: Desired | Floats) -> float:
    """Return the mean over prompts of the normalised discounted cumulative KL divergence of the first `k`; 0 is best.

    Sum over i = 1..k of KL(shares among the first i || desired) / log2(i + 1), divided by the sum of 1 / log2(i + 1),
    in nats (Geyik, Ambler and Kenthapadi 2019).  The first few terms are large for any ranking: i = 1 has one group
    only.
    """
    wanted = desired_shares(groups, desired)
    positions = np.arange(1, k + 1)
    shares = _prefix_counts(scores, groups, k) / positions[:, None]
    logs = np.log(np.where(shares > 0, shares, 1.0) / np.where(shares > 0, wanted, 1.0))
    weights = 1 / np.log2(positions + 1)
    return float(np.average((shares * logs).sum(axis=2), axis=1, weights=weights).mean())


def _prefix_counts(scores: Floats, groups: Ints, k: int) -> Floats:
    """Return how many of each group are among the first 1 to `k` of each prompt, (P, k, G); ties as expected."""
    if scores.ndim != 2 or scores.shape[1:] != groups.shape or 0 in scores.shape:
        cure = "give (prompts, images) and one group for each image"
        raise UsageError(f"scores of the shape {scores.shape} and groups of {groups.shape}", cure=cure)
    if not 1 <= k <= len(groups):
        raise UsageError(f"the first {k} of {len(groups)} images", cure="give a k from 1 to the number of images")
    if np.isnan(scores).any():
        raise UsageError("a score is NaN", cure="leave such images out")
    names = np.unique(groups)
    members = (groups == names[:, None]).astype(np.float64)
    results = np.empty((len(scores), k, len(names)))
    for prompt, row in enumerate(scores):
        order, starts = runs_of(row)
        sums = run_sums(members[:, order], starts)
        sizes = np.broadcast_to(sums.sum(axis=0), sums.shape)
        results[prompt] = sums_up_to(sizes, sums, np.arange(1.0, k + 1)).T
    return results
