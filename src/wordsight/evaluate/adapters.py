"""A few images of each class beside their names: a cached-feature adapter (Zhang et al. 2022, "Tip-Adapter").

    adapter = TipAdapter(few, classes=10)
    chosen = choose_blend(adapter, held_out, zero_shot)
    chosen.scores(embeddings, zero_shot_logits)

The logits of an image are those of its class names, plus alpha times the sum over the few images of
exp(-beta * (1 - cosine)), each counted for its own class.  `learn_keys` moves the few embeddings so that this is right
more often (Tip-Adapter-F).
Shapes: N images, M few images, E width of an embedding, C classes.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.evaluate.lbfgs import Float64s, minimise
from wordsight.evaluate.linear import Labelled, cross_entropy

Logits = NDArray[np.floating]
ALPHAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # 0: the names alone
BETAS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)  # how quickly a less similar image stops to count
PULL = 1.0  # of a key towards the image it was, beside its cross-entropy: with none they run away from few images
STEPS = 100  # of L-BFGS over the keys
LARGEST = 50.0  # exponent: learned keys may be longer than 1, and float32 ends at exp(88)


@dataclass(frozen=True, slots=True)
class TipAdapter:
    """`keys`: the few embeddings with their classes; `alpha` and `beta` as above."""

    keys: Labelled
    classes: int
    alpha: float = 1.0
    beta: float = 5.0

    def votes(self, embeddings: Embeddings) -> Logits:
        """Return what the few images say of each class, (N, C), without alpha."""
        near = np.exp(np.minimum(self.beta * (embeddings @ self.keys.embeddings.T - 1.0), LARGEST))  # (N, M)
        return np.asarray(near @ one_hot(self.keys.labels, self.classes))

    def scores(self, embeddings: Embeddings, zero_shot: Logits) -> Logits:
        """Return logits (N, C), given those of the class names (N, C)."""
        return np.asarray(zero_shot + self.alpha * self.votes(embeddings))


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return (M, C): 1 at the class of each row."""
    return np.eye(classes, dtype=np.float32)[labels]


def choose_blend(adapter: TipAdapter, held_out: Labelled, zero_shot: Logits) -> TipAdapter:
    """Return the adapter with the alpha and beta that are right most often on held-out rows.

    `zero_shot` are the logits (N, C) of these rows by the class names.  Among equals the names count most.
    """
    best, right = adapter, -1.0
    for beta in BETAS:
        votes = replace(adapter, beta=beta).votes(held_out.embeddings)
        for alpha in ALPHAS:
            accuracy = float(((zero_shot + alpha * votes).argmax(axis=1) == held_out.labels).mean())
            if accuracy > right or (accuracy == right and alpha < best.alpha):
                best, right = replace(adapter, alpha=alpha, beta=beta), accuracy
    return best


def choose_blend_published(
    adapter: TipAdapter, held_out: Labelled, zero_shot: Logits, *, most: tuple[float, float], counts: tuple[int, int]
) -> TipAdapter:
    """Return the adapter with the alpha and beta that the authors' search takes on held-out rows; never alpha 0.

    `most` and `counts` are their `search_scale` and `search_step`, both for beta first: so many values from 0.1 up,
    evenly spaced below `most`.  Among equals the first counts: the smallest beta, then the smallest alpha.
    """
    betas, alphas = (0.1 + (top - 0.1) / count * np.arange(count) for top, count in zip(most, counts, strict=True))
    best, right = adapter, 0.0
    for beta in betas.tolist():
        votes = replace(adapter, beta=beta).votes(held_out.embeddings)
        for alpha in alphas.tolist():
            accuracy = float(((zero_shot + alpha * votes).argmax(axis=1) == held_out.labels).mean())
            if accuracy > right:
                best, right = replace(adapter, alpha=alpha, beta=beta), accuracy
    return best


def learn_keys(adapter: TipAdapter, zero_shot: Logits) -> TipAdapter:
    """Return the adapter with keys moved to make the few images' own classes likelier; alpha and beta stay.

    `zero_shot` are the logits (M, C) of the few images themselves.  An image does not vote for itself while its key is
    learned: it would be right without learning anything.
    """
    few, alpha, beta = adapter.keys, max(adapter.alpha, 1.0), adapter.beta
    voters = one_hot(few.labels, adapter.classes).astype(np.float64)
    images = few.embeddings.astype(np.float64)
    others = 1.0 - np.eye(len(few))

    def loss(flat: Float64s) -> tuple[float, Float64s]:
        moved = flat.reshape(images.shape)
        near = np.exp(np.minimum(beta * (images @ moved.T - 1.0), LARGEST)) * others  # (M, M)
        value, slopes = cross_entropy(zero_shot + alpha * near @ voters, few.labels)
        towards = alpha * beta * near * (slopes @ voters.T)  # (M, M): of each cosine
        away = moved - images
        value += 0.5 * PULL / len(few) * float((away * away).sum())
        return value, (towards.T @ images + PULL / len(few) * away).ravel()

    moved = minimise(loss, images.ravel(), steps=STEPS).reshape(images.shape).astype(np.float32)
    return replace(adapter, keys=Labelled(moved, few.labels))
