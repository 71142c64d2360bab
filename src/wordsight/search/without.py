"""Staying away from what is not wanted: the best images of a query lose what they share with other queries.

neighbours = index.search(embedding, candidates(k))[0]
neighbours = weighed(neighbours, [Unwanted(1.0, embedding_of_sandals)])      # the best first again
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.index.index import Neighbour

CANDIDATES = 10  # times k: how many of the best are weighed
LEAST_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A query to stay away from; `embedding` is (width,), `name` as it was asked."""

    weight: float
    embedding: Embeddings = field(compare=False)
    name: str = ""


def candidates(k: int) -> int:
    """Return how many of the best images are weighed where k are wanted."""
    return max(CANDIDATES * k, LEAST_CANDIDATES)


def weighed(neighbours: Sequence[Neighbour], unwanted: Sequence[Unwanted]) -> list[Neighbour]:
    """Take off each score, for every unwanted query, weight times what its cosine is above the mean of all."""
    if not neighbours:
        return []
    embeddings = np.array([neighbour.embedding for neighbour in neighbours])  # (n, width)
    scores = np.array([neighbour.score for neighbour in neighbours], np.float64)
    for one in unwanted:
        cosines = embeddings @ one.embedding
        scores -= one.weight * np.maximum(0, cosines - cosines.mean())
    return [replace(neighbours[i], score=float(scores[i])) for i in np.argsort(-scores, kind="stable")]
