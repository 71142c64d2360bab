"""How near a document is to a query, measured so that texts and images can be ranked together.

    measured = deviations(query, documents, usual)       # (n,) float64; relevant ones lie around 5, others around 0
    relevance(measured)                                  # (n,) 0 to 1, in the same order

A cosine of two texts, of a text and an image, and of two images mean different things: in most CLIP models any text is
nearer to any other than to any image.  So a cosine is compared with those that are usual in its place: a text of the
pair is exchanged for usual phrases (of two texts that of the query), of two images one for usual images.  The
difference to their mean in standard deviations has no unit and is alike for all kinds of pairs.  Knows no requests.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings

if TYPE_CHECKING:
    from wordsight.search.background import Moments

Deviations = NDArray[np.float64]
# Learned with `python benchmarks/mixed_ranking.py DATA --fit` on 2026-11-30, from captions and images of Flickr8k's
# train split and the bundled model: one relevant document of twenty, over the four kinds of pairs together.
FACTOR, CONSTANT = 1.767, -8.130
LEAST_SPREAD = 1e-4
ENOUGH = 8  # images of one request that can stand for usual ones
PHOTOS = (0.080, 0.163)  # mean and standard deviation of cosines between photos (Flickr8k), with the bundled model


class UsualMoments(NamedTuple):
    """Moments of usual phrases, and of usual images where they are known."""

    phrases: "Moments"
    images: "Moments | None" = None


class EmbeddedParts(NamedTuple):
    """The parts of a query or a document: their kinds, text or image, and unit embeddings (parts, width)."""

    kinds: tuple[str, ...]
    embeddings: Embeddings


def deviations(query: EmbeddedParts, documents: Sequence[EmbeddedParts], usual: UsualMoments) -> Deviations:
    """Return how far above the usual each document is near the query: the mean over their parts.

    Where usual images are not known, those of the documents stand for them, or, where they are few, what is usual
    between photos for the bundled model.
    """
    embeddings = np.concatenate([one.embeddings for one in documents])  # (P, D)
    is_image = np.array([kind == "image" for one in documents for kind in one.kinds])  # (P,)
    starts = np.cumsum([0, *(len(one.kinds) for one in documents[:-1])])
    if usual.images is None and is_image.sum() >= ENOUGH:
        from wordsight.search.background import moments

        usual = UsualMoments(usual.phrases, moments(embeddings[is_image]))
    measured = np.mean(
        [_of_part(kind == "image", one, (embeddings, is_image), usual) for kind, one in zip(*query, strict=True)],
        axis=0,
    )
    return np.add.reduceat(measured, starts) / np.diff([*starts, len(measured)])


def relevance(measured: Deviations) -> Deviations:
    """Return deviations as scores from 0 to 1 in the same order."""
    scores: Deviations = 1 / (1 + np.exp(-np.clip(FACTOR * measured + CONSTANT, -500, 500)))
    return scores


def _of_part(
    asks_image: bool, query: Embeddings, documents: tuple[Embeddings, NDArray[np.bool_]], usual: UsualMoments
) -> Deviations:
    """Return the deviations (P,) of one part (width,) of a query from all parts (P, width) of documents."""
    embeddings, is_image = documents
    cosines = np.asarray(embeddings @ query, np.float64)
    if not asks_image:
        mean, spread = _usual_near(embeddings, usual.phrases)
        return (cosines - mean) / spread
    text_mean, text_spread = _usual_near(query[None], usual.phrases)
    image_mean, image_spread = _usual_near(query[None], usual.images) if usual.images is not None else PHOTOS
    return np.where(is_image, (cosines - image_mean) / image_spread, (cosines - text_mean) / text_spread)


def _usual_near(embeddings: Embeddings, moments: "Moments") -> "tuple[Deviations, Deviations]":
    """Return mean and standard deviation (n,) of the usual cosines with each embedding (n, width)."""
    mean = np.asarray(embeddings @ moments.mean, np.float64)
    return mean, np.maximum(np.asarray(moments.spread(embeddings), np.float64), LEAST_SPREAD)
