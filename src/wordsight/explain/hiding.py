"""A cheap test of one map: does the score fall more when its strongest tenth and fifth are hidden than others are?

    result = hiding(engine, pixels, text, relevance)      # relevance (H, W), text (E,)
    result.passes                                         # more than with each of 19 random maps
    print(result)

These are the first two steps of the deletion curve of `wordsight.explain.faithfulness`.  It takes 41 images, where
that takes 399.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.engines.engine import Engine
from wordsight.explain.faithfulness import LEVEL, Perturbation, random_maps
from wordsight.explain.heat import Maps
from wordsight.explain.perturbed import blended, check_request, cosines, filled

USUAL = Perturbation()
# Of 40 hits of ten queries (photos, occlusion on a grid of 8, bundled model, 2026-11-30) so many maps pass, and so many
# maps of another query: a tenth and a fifth together 27 and 4, a tenth alone 21 and 5, a fifth alone 16 and 3.
SHARES = (0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Hiding:
    """By how much the cosine fell when the strongest pixels of a map were hidden, and of each random map.

    Both are means over `SHARES`.
    """

    fall: float
    randoms: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """The share of all maps, this one among them, with at least this fall: an exact test by drawing."""
        return (1 + sum(one >= self.fall for one in self.randoms)) / (1 + len(self.randoms))

    @property
    def passes(self) -> bool:
        """Whether the map beats random maps: `p_value` at most 0.05."""
        return self.p_value <= LEVEL

    def __str__(self) -> str:
        """One line."""
        return (
            f"hiding its strongest tenth and fifth changes the cosine by {-self.fall:+.3f} on average, with "
            f"{len(self.randoms)} random maps by {-float(np.mean(self.randoms)):+.3f}: "
            f"{'passes' if self.passes else 'fails'} (p = {self.p_value:.2f})"
        )


def hiding(engine: Engine, pixels: Pixels, text: Embeddings, relevance: Maps, *, how: Perturbation = USUAL) -> Hiding:
    """Return how a map (H, W) of an image (H, W, 3) for one embedding (E,) stands the test.

    `how` says what stands in for hidden pixels, and how many random maps of which kind there are.  A map of one value
    has no strongest pixels and fails: every random map is the same one.
    """
    check_request(engine, pixels, text[None])
    if relevance.shape != pixels.shape[:2] or not np.isfinite(relevance).all():
        cure = f"give finite values of the shape {pixels.shape[:2]}"
        raise UsageError(f"a map of the shape {relevance.shape}", cure=cure)
    other = filled(pixels, how.removed)
    maps = np.concatenate([relevance[None], random_maps(relevance, how)])
    hidden = (blended(pixels, other, _rest(one, share, how.seed)) for one in maps for share in SHARES)
    whole, *scores = cosines(engine, (image for part in ([pixels], hidden) for image in part), text[None])[:, 0]
    falls = (whole - np.reshape(scores, (len(maps), len(SHARES)))).mean(axis=1).tolist()
    return Hiding(falls[0], tuple(falls[1:]))


def _rest(relevance: Maps, share: float, seed: int) -> NDArray[np.bool_]:
    """Return where a map (H, W) is not among its strongest; of equal values some are taken at random."""
    flat = relevance.ravel()
    count = round(share * flat.size)
    if count == 0:
        return np.ones(relevance.shape, np.bool_)
    least = np.partition(flat, flat.size - count)[flat.size - count]
    rest = flat <= least
    ties = np.flatnonzero(flat == least)
    rest[np.random.default_rng(seed).permutation(ties)[: count - int((flat > least).sum())]] = False
    return np.asarray(rest.reshape(relevance.shape))
