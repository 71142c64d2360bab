"""A linear probe by AdamW, number for number as CLIP_benchmark 1.6.2 has it, so that results can stand beside others'.

    fitted = fit_adamw(learned, held_out=held_out)       # the weight decay is chosen on held-out rows
    fitted = fit_adamw(learned, shots=16)                # 16 of each class, without weight decay
    scores = measure_adamw(fitted.linear, test)

A linear layer starts where `torch.nn.Linear` does and learns by AdamW (Loshchilov and Hutter 2019) over shuffled
batches, with a learning rate that falls by a cosine.  Start and shuffles are those of PyTorch, sums are numpy's:
weights agree to rounding.  What it equals is a run without mixed precision whose features lie in the cache (`--no_amp
--skip_load`): otherwise the order of the rows depends on what the process drew before.
`linear` is the better probe: it minimises the loss to the end, where this one stops after ten epochs.
Shapes: N rows, E width of an embedding, C classes, D weight decays that are tried together, B rows of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.base.errors import UsageError
from wordsight.evaluate.linear import Labelled, Linear, Scores
from wordsight.evaluate.metrics import mean_per_class
from wordsight.evaluate.torch_stream import TorchStream

DECAYS = tuple(np.logspace(-6, 2, num=97).tolist())  # 12 a decade
FIRST, SPAN = 16, 8  # numbers between the decays tried at first, and from the best of them at the next trial
BETAS, SMALL = (0.9, 0.999), 1e-8  # of AdamW, as PyTorch sets them
TOGETHER = 1 << 20  # weights that are learned together: then they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class AdamwProtocol:
    """How long and how fast it is learned, and the seed of start and shuffles."""

    rate: float = 0.1
    epochs: int = 10
    batch: int = 64
    seed: int = 0


DEFAULT = AdamwProtocol()


@dataclass(frozen=True, slots=True)
class AdamwFit:
    """The classifier, and the weight decay it was learned with (0 without held-out rows)."""

    linear: Linear
    weight_decay: float


@dataclass(frozen=True, slots=True)
class AdamwScores:
    """Fractions of test rows: `acc1`, `acc5` (NaN below six classes), and the mean over classes of those right."""

    acc1: float
    acc5: float
    mean_per_class_recall: float


def fit_adamw(
    learned: Labelled,
    *,
    held_out: Labelled | None = None,
    shots: int | None = None,
    protocol: AdamwProtocol = DEFAULT,
) -> AdamwFit:
    """Return the classifier of the protocol; the classes are those up to the largest label of `learned`.

    With `shots` so many rows of each class are learned from, and a class with fewer raises `UsageError`.  With
    `held_out` the weight decay is chosen there, and without `shots` these rows are learned from too at the end.
    """
    classes = int(learned.labels.max()) + 1
    rows = _drawn(learned, shots, protocol.seed)
    if held_out is None:
        return AdamwFit(_fits(rows, (0.0,), classes, protocol)[0], 0.0)
    decay = choose_decay(rows, held_out, classes=classes, protocol=protocol)
    return AdamwFit(_fits(rows.also(held_out) if shots is None else rows, (decay,), classes, protocol)[0], decay)


def measure_adamw(linear: Linear, test: Labelled) -> AdamwScores:
    """Return what the protocol reports of a classifier; a row with NaN in its logits is wrong.

    There CLIP_benchmark gives whichever class its sorting ends at: the weights are NaN when a decay above 2 / rate is
    chosen, so where every classifier was as good as guessing.
    """
    scores = linear.scores(test.embeddings)
    top1 = _hits(scores, test.labels, 1)
    many = int(test.labels.max()) >= 5  # the protocol's condition: the labels that occur, not the classes
    top5 = float(_hits(scores, test.labels, 5).mean()) if many else float("nan")
    return AdamwScores(float(top1.mean()), top5, mean_per_class(top1, test.labels))


def choose_decay(rows: Labelled, held_out: Labelled, *, classes: int, protocol: AdamwProtocol) -> float:
    """Return the weight decay whose classifier is right most often on held-out rows; among equals the first tried.

    Seven of 97 from 1e-6 to 1e2 are tried, then the neighbours of the best at half the distance, down to the next ones.
    """
    known: dict[int, float] = {}

    def peak(numbers: Sequence[int]) -> int:
        new = sorted(set(numbers) - set(known))
        fits = _fits(rows, [DECAYS[number] for number in new], classes, protocol)
        for number, fit in zip(new, fits, strict=True):
            known[number] = float(_hits(fit.scores(held_out.embeddings), held_out.labels, 1).mean())
        best = max(numbers, key=lambda number: known[number])  # the first of equals
        return best if known[best] > 0 else 0

    best, span = peak(range(0, len(DECAYS), FIRST)), SPAN
    while span:
        best = peak((max(best - span, 0), best, min(best + span, len(DECAYS) - 1)))
        span //= 2
    return float(DECAYS[best])


def _drawn(learned: Labelled, shots: int | None, seed: int) -> Labelled:
    """Return the rows in the order of the seed; with `shots` only the first so many of each class."""
    shuffled = learned.of(TorchStream(seed).permutation(len(learned)))
    if shots is None:
        return shuffled
    kinds, counts = np.unique(learned.labels, return_counts=True)
    if shots < 1 or counts.min() < shots:
        raise UsageError(
            f"{shots} rows of each class are asked for, and class {kinds[counts.argmin()]} has {counts.min()}",
            cure="ask for fewer, at least 1",
        )
    return shuffled.first_of_each(shots)


def _hits(scores: Scores, labels: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return whether the label (N,) is among the first k; equals stand before it, and so do NaNs."""
    inside = labels < scores.shape[1]
    own = scores[np.arange(len(labels)), np.where(inside, labels, 0)]
    before = (~(scores < own[:, None])).sum(axis=1) - 1
    hits: NDArray[np.bool_] = inside & (before < k) & ~np.isnan(own)
    return hits


def _fits(rows: Labelled, decays: Sequence[float], classes: int, protocol: AdamwProtocol) -> list[Linear]:
    """Return a classifier for each weight decay; they share the start and the batches."""
    features = np.ascontiguousarray(rows.embeddings, dtype=np.float32)
    stream = TorchStream(protocol.seed)
    start = stream.linear(classes, features.shape[1])
    orders = [stream.shuffle(len(rows)) for _ in range(protocol.epochs)]
    size = max(1, TOGETHER // start.weights.size)
    fits: list[Linear] = []
    for first in range(0, len(decays), size):
        some = decays[first : first + size]
        with np.errstate(over="ignore", invalid="ignore"):  # a decay above 2 / rate moves the weights away without end
            fits += _learn(Labelled(features, rows.labels), start, orders, some, protocol)
    return fits


def _learn(
    rows: Labelled, start: Linear, orders: Sequence[RowIds], decays: Sequence[float], protocol: AdamwProtocol
) -> list[Linear]:
    """Return the classifier of each weight decay after all batches."""
    count, classes = len(decays), len(start.bias)
    shrink = np.repeat(np.array(decays), classes)
    weights = Adamw(np.tile(start.weights, (count, 1)), shrink[:, None])  # (D * C, E)
    bias = Adamw(np.tile(start.bias, count), shrink)  # (D * C,)
    batches = [order[i : i + protocol.batch] for order in orders for i in range(0, len(order), protocol.batch)]
    for number, batch in enumerate(batches):
        rate = 0.5 * (1 + np.cos(np.pi * number / len(batches))) * protocol.rate
        features = rows.embeddings[batch]
        logits = (features @ weights.values.T + bias.values).reshape(len(batch), count, classes)
        slopes = _slopes(logits, rows.labels[batch]).reshape(len(batch), -1)  # (B, D * C)
        weights.step(slopes.T @ features, rate)
        bias.step(slopes.sum(axis=0), rate)
    return [Linear(*pair) for pair in zip(np.split(weights.values, count), np.split(bias.values, count), strict=True)]


def _slopes(logits: Scores, labels: NDArray[np.int64]) -> Scores:
    """Return the gradient (B, D, C) of the mean cross-entropy of each decay's logits (B, D, C)."""
    shares: Scores = np.exp(logits - logits.max(axis=2, keepdims=True))
    shares /= shares.sum(axis=2, keepdims=True)
    shares[np.arange(len(labels)), :, labels] -= 1.0
    shares /= len(labels)
    return shares


class Adamw:
    """AdamW over one array of float32: `values` change in place, each with its own weight `decay` (broadcast)."""

    def __init__(self, values: Scores, decay: NDArray[np.float64]) -> None:
        self.values = values
        self._decay = decay
        self._mean, self._square, self._room = np.zeros_like(values), np.zeros_like(values), np.empty_like(values)
        self._steps = 0

    def step(self, gradient: Scores, rate: float) -> None:
        """Move the values against the gradient, in the order of sums that PyTorch has."""
        self._steps += 1
        first, second = BETAS
        values, mean, square, room = self.values, self._mean, self._square, self._room
        values *= (1 - rate * self._decay).astype(np.float32)
        np.subtract(gradient, mean, out=room)
        room *= np.float32(1 - first)
        mean += room
        np.multiply(gradient, gradient, out=room)
        room *= np.float32(1 - second)
        square *= np.float32(second)
        square += room
        np.sqrt(square, out=room)
        room /= np.float32(np.sqrt(1 - second**self._steps))
        room += np.float32(SMALL)
        np.divide(mean, room, out=room)
        room *= np.float32(rate / (1 - first**self._steps))
        values -= room
