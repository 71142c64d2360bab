"""A linear classifier of few images that holds on to the class names (Huang et al. 2024, "LP++").

    fitted = fit_lp_plus_plus(few, names)
    fitted.linear(names).scores(embeddings)

The logit of class k is f . (w_k + alpha_k t_k): f an image, t_k the class name, w_k a prototype, alpha_k how much the
name counts.  The mean cross-entropy is lowered by majorise-minimise steps in turn: several on the prototypes, one on
the multipliers, each to the lowest point of a parabola whose curvature bounds that of the loss.  The bounds come from
the data, so there is nothing to choose on held-out images; it ends after a fixed number of steps.  The curvatures, the
start and the turns are those of the authors' release, which differs from their formula in that it adds a bias and
momentum and keeps the step that is best on held-out images; here are neither.
Shapes: M few images, E width of an embedding, C classes.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from wordsight.base.arrays import Embeddings
from wordsight.evaluate.lbfgs import Float64s
from wordsight.evaluate.linear import Labelled, Linear, cross_entropy

STEPS = 300  # on the prototypes
TURN = 10  # of these before a step on the multipliers
NAMES_FIRST = 250.0  # how much names count at the start, times the mean cosine of images with their own names


@dataclass(frozen=True, slots=True)
class LpPlusPlus:
    """Prototypes (C, E) and multipliers (C,)."""

    prototypes: Float64s
    multipliers: Float64s

    def linear(self, names: Embeddings) -> Linear:
        """Return the classifier, given the embeddings (C, E) of the class names; its bias is 0."""
        weights = self.prototypes + self.multipliers[:, None] * names
        return Linear(weights.astype(np.float32), np.zeros(len(names), dtype=np.float32))


def fit_lp_plus_plus(few: Labelled, names: Embeddings, *, steps: int = STEPS) -> LpPlusPlus:
    """Return what the few images make of the class names (C, E); `steps=0` is the start, which needs no learning.

    Each step lowers the loss or leaves it.  For the prototypes together the curvature is at most
    lambda_max(F'F) / (2 M) (Boehning 1992), twice what is taken, which still never climbs; for the multipliers it is at
    most max_k sum_i (f_i . t_k)^2 / (2 M), an eighth of what is taken.
    """
    with threadpool_limits(1, user_api="blas"):
        return _fit(few, names, steps)


def _fit(few: Labelled, names: Embeddings, steps: int) -> LpPlusPlus:
    images = few.embeddings.astype(np.float64)
    cosines = images @ names.T.astype(np.float64)  # (M, C)
    prototypes, multipliers = _start(few, cosines)
    by_prototypes, by_multipliers = _step_sizes(images, cosines)
    for number in range(1, steps + 1):
        _, slopes = cross_entropy(images @ prototypes.T + cosines * multipliers, few.labels)
        prototypes = prototypes - by_prototypes * (slopes.T @ images)
        if number % TURN == 0:
            _, slopes = cross_entropy(images @ prototypes.T + cosines * multipliers, few.labels)
            multipliers = multipliers - by_multipliers * (slopes * cosines).sum(axis=0)
    return LpPlusPlus(prototypes, multipliers)


def _start(few: Labelled, cosines: Float64s) -> tuple[Float64s, Float64s]:
    """Return the sums of the images of each class (C, E), and one multiplier for all (C,)."""
    own = np.zeros(cosines.shape)  # (M, C)
    own[np.arange(len(few)), few.labels] = 1.0
    counts = own.sum(axis=0)
    means = (own * cosines).sum(axis=0)[counts > 0] / counts[counts > 0]
    return own.T @ few.embeddings.astype(np.float64), np.full(cosines.shape[1], NAMES_FIRST * means.mean())


def _step_sizes(images: Float64s, cosines: Float64s) -> tuple[float, float]:
    """Return one over the curvature for prototypes and for multipliers."""
    count, width = images.shape
    gram = images @ images.T if count < width else images.T @ images  # the same largest eigenvalue
    largest = float(np.linalg.eigvalsh(gram)[-1])
    return 4 * count / largest, count / (4 * float((cosines * cosines).sum(axis=0).max()))
