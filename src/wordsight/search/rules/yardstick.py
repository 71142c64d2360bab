"""What decides whether one image matches a rule: a measure that is taken once, so that no other new image counts.

    measure = measure_of(index, query, direction, usual)       # of the library as it is now
    measure.score(direction, embedding)                         # a cosine, less what `without` takes off
    measure.match(score)                                        # the probability

A search tells probabilities from its first hits and from the mean over the best images, both of which change when
images come.  Here both are kept: of one query the logit of the probability is a straight line in the score, so two
numbers are all that has to be remembered.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.index.index import Index
from wordsight.search.match import FIRST, TEXT, asked_moments, coefficients_of, is_everywhere, line, sigmoid
from wordsight.search.query import Query
from wordsight.search.without import candidates, weighed

if TYPE_CHECKING:
    from wordsight.search.background import Background
    from wordsight.search.direction import Direction

K = 10  # hits of the search whose `without` is meant


@dataclass(frozen=True, slots=True)
class Yardstick:
    """`slope` and `offset` of the logit, None where the library cannot tell; `means` of cosines with what is unwanted.

    `images`: how many the library had.
    """

    slope: float | None
    offset: float | None
    means: tuple[float, ...]
    images: int

    def score(self, direction: "Direction", embedding: Embeddings) -> float:
        """Return the score of an embedding (width,)."""
        score = float(direction.embedding @ embedding)
        for one, mean in zip(direction.unwanted, self.means, strict=True):
            score -= one.weight * max(0.0, float(one.embedding @ embedding) - mean)
        return score

    def match(self, score: float) -> float | None:
        """Return the probability of an image with this score; None where the library cannot tell."""
        if self.slope is None or self.offset is None:
            return None
        return round(float(sigmoid(np.array(self.slope * score + self.offset))), 6)


def measure_of(index: Index, query: Query, direction: "Direction", usual: "Background | None") -> Yardstick:
    """Return the measure of a query in a library as it is now."""
    near = index.search(direction.embedding[None], candidates(K) if direction.unwanted else FIRST)[0]
    embeddings = np.array([one.embedding for one in near]).reshape(len(near), len(direction.embedding))
    means = tuple(float((embeddings @ one.embedding).mean()) if near else 0.0 for one in direction.unwanted)
    known = coefficients_of(query.parts)
    if usual is None or not near or (known is TEXT and is_everywhere(usual, direction.embedding)):
        return Yardstick(None, None, means, len(index))
    first = weighed(near, direction.unwanted)[:FIRST]
    if len(first) < FIRST:  # what stands behind the first hits would count among them
        return Yardstick(None, None, means, len(index))
    scores, embeddings = np.array([one.score for one in first]), np.array([one.embedding for one in first])
    asked = asked_moments(usual, query.parts)
    slope, offset = line(usual, asked, direction.embedding, scores=scores, embeddings=embeddings, known=known)
    return Yardstick(slope, offset, means, len(index))
