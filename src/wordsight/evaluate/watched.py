"""Watched labels that compete with everyday ones: how likely is it that an image shows any of the watched?

    watch = watch_for(label_set("moderation"), model)
    watch.shares(embeddings)                # float32 (n, labels): of each label among all; rows sum to 1
    watch.watched(shares)                   # float64 (n,): of all watched labels together

A label set with the sections `[watched]` and `[everyday]` is one to watch for.  An alarm is where the watched labels
together are likelier than `ALARM`.  The shares say which label fits best, and not that any does: an image of something
that no label names has shares, too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.evaluate.encode import Encoder, Scorer, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.text.label_sets import Label, LabelSet

WATCHED, EVERYDAY = "watched", "everyday"
ALARM = 0.5  # more likely than not, by the model's own probabilities


@dataclass(frozen=True, slots=True)
class Competition:
    """`is_watched` (labels,) says which labels are watched, `texts` (labels, D) are their embeddings."""

    labels: tuple[Label, ...]
    texts: Embeddings
    is_watched: NDArray[np.bool_]
    model: Scorer

    def shares(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Return the probability of each label among all, (n, labels), for images (n, D)."""
        return self.model.probabilities(products(embeddings, self.texts).astype(np.float32, copy=False))

    def watched(self, shares: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of all watched labels together, (n,)."""
        return np.asarray(shares[:, self.is_watched].sum(axis=1), np.float64)

    def likeliest(self, shares: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the number of the likeliest watched label of each image, (n,)."""
        return np.asarray(np.where(self.is_watched, shares, -1.0).argmax(axis=1))


def is_to_watch(labels: LabelSet) -> bool:
    """Return whether a label set has watched labels and everyday ones that compete with them."""
    return {WATCHED, EVERYDAY} <= set(labels.sections)


def watch_for(labels: LabelSet, model: Encoder) -> Competition:
    """Return the watch for a label set; `UsageError` without its two sections, or for a model without probabilities."""
    if not is_to_watch(labels):
        raise UsageError(
            f"the label set {labels.name} has no [{WATCHED}] and [{EVERYDAY}]", cure="give both sections labels"
        )
    if not isinstance(model, Scorer):
        raise UsageError("this encoder gives no probabilities", cure="use a whole model")
    texts = prompt_embeddings(model, [label.phrases for label in labels.labels])
    is_watched = np.array([label.section == WATCHED for label in labels.labels])
    return Competition(labels.labels, texts, is_watched, model)
