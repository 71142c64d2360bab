"""From cosines to probabilities: how likely is it that an image of a library shows what a query asks for?

    matches_of(background.read(folder, fingerprint), query.parts, embedding, neighbours)       # [0.71, 0.4, 0.08]

A logistic regression over eight figures that have no unit, so that it holds for models whose cosines lie elsewhere:
five compare the query's cosines with those of the library's background, three allow for how many images there are and
how alike.  Its coefficients were learned from labelled questions about broad and narrow libraries
(`benchmarks/match.py`, docs/search.md).  Of one query, a higher cosine is never less likely.  Knows the moments of a
background, and no index.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.search.background import Background, Moments

if TYPE_CHECKING:
    from wordsight.index.index import Neighbour
    from wordsight.search.query import Part

FIRST = 5  # hits whose own cosines with the background count: fewer are noisy, more are often wrong
Figures = NDArray[np.float64]  # (n, 8)


class Coefficients(NamedTuple):
    """Of the eight figures of `figures`, in their order, and the constant."""

    factors: tuple[float, ...]
    constant: float


class Breadth(NamedTuple):
    """What kind of library it is, as natural logarithms within what the coefficients were learned from.

    `size`: how many images, to 300; `spread`: their variance, to that of phrases; `differing`: the standard deviation
    of phrases' cosines by what the images differ in, to that by what they have in common.
    """

    size: float
    spread: float
    differing: float


# Learned with `python benchmarks/match.py DATA --work FOLDER --fit` on 2026-11-29, from the bundled model's answers
# about the train splits of Flickr8k, fashion products and furniture; those for images from broad libraries of the
# first two.  Three of the figures are enough for images.
TEXT = Coefficients((1.179, 4.154, 1.249, 0.977, -1.064, -1.212, -0.376, 0.542), -7.086)
MIXTURE = Coefficients((0.951, 6.154, 1.355, 0.917, -1.234, -1.356, -0.319, 0.648), -6.978)
IMAGE = Coefficients((0.75, 6.535, 0.303, 0.0, 0.0, 0.0, 0.0, 0.0), -2.167)
SIZES = (30, 3000)  # of the libraries that coefficients were learned from; so are the next two, as Breadth has them
SPREADS = (-0.9, 0.1)
DIFFERING = (-0.5, 1.25)
CUT = 0.03  # hits below it are not worth the time of people; docs/search.md says what that costs
NARROW = 0.4  # length of the mean image: photos and a shop of everything have 0.28 and 0.35, dogs 0.45, shoes 0.66
NARROW_ABOVE, BROAD_ABOVE = 2.0, 5.0  # deviations: "shoes" among shoes 6.4, "a man" among photos 2.5, gibberish < 1
CUT_LEAST = 300  # images: in smaller libraries it would hide more right hits; `Breadth.size` is relative to it


def matches_of(
    background: Background | None, parts: "Sequence[Part]", embedding: Embeddings, neighbours: "Sequence[Neighbour]"
) -> list[float] | list[None]:
    """Return the probability of each neighbour of a query, best first; None where the library has no background.

    None too where the query says what the whole library shows, as "shoes" in a shop of shoes: what is usual there then
    tells nothing apart.

    `embedding` (D,) is that of the query.  Texts, images and mixtures of them have coefficients of their own.
    """
    scores = np.array([one.score for one in neighbours], np.float64)
    likely = matches_of_scores(background, parts, embedding, first=neighbours[:FIRST], scores=scores[FIRST:])
    return [None] * len(neighbours) if likely is None else likely.tolist()


def matches_of_scores(
    background: Background | None,
    parts: "Sequence[Part]",
    embedding: Embeddings,
    *,
    first: "Sequence[Neighbour]",
    scores: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Return the probabilities of the `first` hits of a query and, behind them, of images with these `scores` (n,)."""
    known = coefficients_of(parts)
    if background is None or not first or (known is TEXT and is_everywhere(background, embedding)):
        return None
    together = np.concatenate([np.array([one.score for one in first], np.float64), scores])
    embeddings = np.array([one.embedding for one in first])
    measured = figures(background, asked_moments(background, parts), embedding, scores=together, embeddings=embeddings)
    return np.round(probabilities(measured, known), 6)


def coefficients_of(parts: "Sequence[Part]") -> Coefficients:
    """Return the coefficients for queries like this one: texts, images, or both."""
    texts = sum(bool(part.text) for part in parts)
    return TEXT if texts == len(parts) else MIXTURE if texts else IMAGE


def is_everywhere(background: Background, query: Embeddings) -> bool:
    """Return whether a text `query` (D,) says what all images of the library have in common.

    It does where its cosine with the mean image is far above that of phrases, and the less far the more alike the
    images are.
    """
    mean, texts = background.images.mean, background.texts
    usual = max(float(mean @ texts.covariance @ mean), 1e-12) ** 0.5
    above = float((query - texts.mean) @ mean) / usual
    return bool(above > (NARROW_ABOVE if np.linalg.norm(mean) > NARROW else BROAD_ABOVE))


def least_for_people(background: Background | None) -> float | None:
    """Return the probability below which a hit is not worth showing to people; None where the evidence is thin."""
    return CUT if background is not None and background.count >= CUT_LEAST else None


def asked_moments(background: Background, parts: "Sequence[Part]") -> Moments:
    """Return the moments of queries like this one: as many phrases and images, with the same weights."""
    sets = [background.texts if part.text else background.images for part in parts]
    weights = np.array([part.weight for part in parts], np.float32)
    weights /= weights.max()
    mean = np.sum([w * one.mean for w, one in zip(weights, sets, strict=True)], axis=0)
    covariance = np.sum([w * w * one.covariance for w, one in zip(weights, sets, strict=True)], axis=0)
    square = np.float32(mean @ mean + np.trace(covariance))  # of the length, in the mean: of one set it is 1
    return Moments(mean / np.sqrt(square), covariance / square)


def breadth(background: Background) -> Breadth:
    """Return what kind of library it is; what is beyond the libraries that were learned from counts as the last."""
    images, texts = background.images, background.texts
    spread = np.trace(images.covariance) / np.trace(texts.covariance)
    common = max(float(images.mean @ texts.covariance @ images.mean), 1e-12)
    differing = float(np.sum(images.covariance * texts.covariance)) / common
    return Breadth(
        float(np.log(np.clip(background.count, *SIZES) / CUT_LEAST)),
        float(np.clip(np.log(max(spread, 1e-12)), *SPREADS)),
        float(np.clip(np.log(max(differing, 1e-12)) / 2, *DIFFERING)),
    )


def figures(
    background: Background, asked: Moments, query: Embeddings, *, scores: NDArray[np.floating], embeddings: Embeddings
) -> Figures:
    """Return eight figures (n, 8) for the hits of a `query` (D,), with their `scores` (n,) and `embeddings` (n, D).

    1. How far the score is above the mean of this query's cosines with the library, in their standard deviations.
    2. The logarithm of these, to those of all such queries.
    3. How far the first hits' scores are above those images' cosines with all such queries.
    4. How usual the query is.
    5. How far the first scores are above the mean of the library's cosines with all such queries, in their usual
       standard deviations.
    6. The fifth times the library's spread; 7. its size; 8. the first times what its images differ in (`Breadth`).

    Only the first and the last differ between the hits of a query; their sum rises with the score.
    """
    images, kind = background.images, breadth(background)
    variance = np.sum(images.covariance * asked.covariance) + asked.mean @ images.covariance @ asked.mean
    usual = float(np.sqrt(max(float(variance), 1e-12)))
    own = float(images.spread(query[None])[0])
    first = embeddings[:FIRST]
    ahead = float(np.mean((scores[:FIRST] - first @ asked.mean) / asked.spread(first)))
    typical = float((query - asked.mean) @ asked.mean / asked.spread(asked.mean[None])[0])
    above = (scores - query @ images.mean) / own
    peak = float((scores[:FIRST].mean() - asked.mean @ images.mean) / usual)
    of_query = (np.log(own / usual), ahead, typical, peak, peak * kind.spread, kind.size)
    shared = np.broadcast_to(of_query, (len(scores), len(of_query)))
    return np.concatenate([above[:, None], shared, above[:, None] * kind.differing], axis=1)


def line(
    background: Background,
    asked: Moments,
    query: Embeddings,
    *,
    scores: NDArray[np.floating],
    embeddings: Embeddings,
    known: Coefficients = TEXT,
) -> tuple[float, float]:
    """Return slope and constant of the logit of a `query` (D,) by its score, for any image of the library.

    `scores` and `embeddings` are those of its first hits, as in `figures`: all else is the same for every image.
    `known` are the coefficients for queries like it.
    """
    ends = np.concatenate([scores[:FIRST], [0.0, 1.0]])
    low, high = logits(figures(background, asked, query, scores=ends, embeddings=embeddings[:FIRST]), known)[-2:]
    return float(high - low), float(low)


def logits(measured: Figures, coefficients: Coefficients) -> NDArray[np.float64]:
    """Return the logits (n,) of hits with these figures."""
    return np.asarray(measured @ np.array(coefficients.factors) + coefficients.constant)


def probabilities(measured: Figures, coefficients: Coefficients) -> NDArray[np.float64]:
    """Return the probabilities (n,) of hits with these figures."""
    return sigmoid(logits(measured, coefficients))


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logits as probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))))
