"""A linear classifier on embeddings: logistic regression, its regularisation chosen on held-out images.

    strength = choose_strength(learned, held_out, classes=10)
    linear = fit_linear(learned, classes=10, strength=strength)
    linear, strength = fit_all(learned, held_out, classes=10)
    linear, strength = fit_few(few, held_out, classes=10)     # few images, and no more to choose by than to learn from

The sum of the cross-entropies plus strength / 2 times the squared weights (the bias is free) is minimised with L-BFGS.
The sweep over the strength is that of Radford et al. 2021, appendix A.3.
Shapes: N images, E width of an embedding, C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.evaluate.lbfgs import Float64s, minimise

Scores = NDArray[np.float32]
POWERS = (-6.0, 6.0)  # of ten: the strengths that are tried
SWEEP_STEPS, SWEEP_TOLERANCE = 200, 1e-4  # of a fit whose accuracy alone is asked for
FIRST, LAST = 2.0, 0.125  # distance of the powers tried at first, and at last: then eight a decade


@dataclass(frozen=True, slots=True)
class Labelled:
    """Embeddings (N, E) with the numbers of their classes (N,)."""

    embeddings: Embeddings
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, rows: NDArray[np.int64]) -> "Labelled":
        """Return some of the rows."""
        return Labelled(self.embeddings[rows], self.labels[rows])

    def first_of_each(self, shots: int) -> "Labelled":
        """Return the first `shots` rows of each class, all of a class with fewer, in the order they are in."""
        by_class = np.argsort(self.labels, kind="stable")
        _, counts = np.unique(self.labels, return_counts=True)
        numbers = np.arange(len(self)) - np.repeat(np.cumsum(counts) - counts, counts)  # of each within its class
        return self.of(np.sort(by_class[numbers < shots]))

    def also(self, other: "Labelled") -> "Labelled":
        """Return these rows, and behind them the other's."""
        return Labelled(
            np.concatenate([self.embeddings, other.embeddings]), np.concatenate([self.labels, other.labels])
        )


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights (C, E) and bias (C,) of a linear classifier."""

    weights: Scores
    bias: Scores

    def scores(self, embeddings: Embeddings) -> Scores:
        """Return logits (N, C)."""
        logits: Scores = embeddings @ self.weights.T + self.bias
        return logits

    def accuracy(self, rows: Labelled) -> float:
        """Return the share of rows whose own class has the highest logit."""
        return float((self.scores(rows.embeddings).argmax(axis=1) == rows.labels).mean())


def fit_linear(
    rows: Labelled,
    *,
    classes: int,
    strength: float,
    start: Linear | None = None,
    steps: int = 1000,
    tolerance: float = 1e-5,
) -> Linear:
    """Return the classifier of least loss; `start` saves steps and does not change what is reached."""
    width = rows.embeddings.shape[1]
    features = np.ascontiguousarray(rows.embeddings, dtype=np.float32)

    def loss(flat: Float64s) -> tuple[float, Float64s]:
        weights, bias = flat[:-classes].reshape(classes, width), flat[-classes:]
        logits = (features @ weights.T.astype(np.float32)).astype(np.float64) + bias
        value, slopes = cross_entropy(logits, rows.labels)
        towards = (slopes.T.astype(np.float32) @ features).astype(np.float64) + strength / len(rows) * weights
        value += 0.5 * strength / len(rows) * float((weights * weights).sum())
        return value, np.concatenate([towards.ravel(), slopes.sum(axis=0)])

    first = Linear(np.zeros((classes, width), np.float32), np.zeros(classes, np.float32)) if start is None else start
    flat = np.concatenate([first.weights.ravel(), first.bias]).astype(np.float64)
    flat = minimise(loss, flat, steps=steps, tolerance=tolerance)
    return Linear(flat[:-classes].reshape(classes, width).astype(np.float32), flat[-classes:].astype(np.float32))


def cross_entropy(logits: Float64s, labels: NDArray[np.int64]) -> tuple[float, Float64s]:
    """Return the mean cross-entropy of logits (N, C), and its gradient (N, C)."""
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    totals = shares.sum(axis=1, keepdims=True)
    value = float((np.log(totals[:, 0]) - shifted[rows, labels]).mean())
    shares /= totals
    shares[rows, labels] -= 1.0
    return value, shares / len(labels)


def choose_strength(learned: Labelled, held_out: Labelled, *, classes: int) -> float:
    """Return the strength whose classifier is right most often on held-out rows; among equals the strongest.

    Every second power of ten from 1e-6 to 1e6, then around the best of them half the distance, until the distance is
    an eighth.
    """
    known: dict[float, float] = {}
    fitted: Linear | None = None

    def tried(power: float) -> float:
        nonlocal fitted
        if power not in known:
            fitted = fit_linear(
                learned,
                classes=classes,
                strength=10.0**power,
                start=fitted,
                steps=SWEEP_STEPS,
                tolerance=SWEEP_TOLERANCE,
            )
            known[power] = fitted.accuracy(held_out)
        return known[power]

    distance = FIRST
    for power in np.arange(POWERS[1], POWERS[0] - 1, -FIRST):
        tried(float(power))
    while True:
        best = max(known, key=lambda power: (known[power], power))
        if distance <= LAST:
            return float(10.0**best)
        distance /= 2
        for power in (best + distance, best - distance):
            if POWERS[0] <= power <= POWERS[1]:
                tried(power)


def fit_all(rows: Labelled, held_out: Labelled, *, classes: int) -> tuple[Linear, float]:
    """Return the classifier of all rows, held-out ones too, and its strength, which the held-out ones choose."""
    strength = choose_strength(rows, held_out, classes=classes)
    return fit_linear(rows.also(held_out), classes=classes, strength=strength), strength


def fit_few(few: Labelled, held_out: Labelled, *, classes: int) -> tuple[Linear, float]:
    """Return the classifier of a few rows and its strength, which as many held-out rows of each class choose at most.

    The first held-out rows of each class are used, and none of them is learned from: with more, "16 images a class"
    would say less than it takes (Zhou et al. 2022, CoOp, choose by at most 4).
    """
    shots = int(np.bincount(few.labels).max())
    strength = choose_strength(few, held_out.first_of_each(shots), classes=classes)
    return fit_linear(few, classes=classes, strength=strength), strength
