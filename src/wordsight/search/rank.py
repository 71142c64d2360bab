"""The best of several images for a text, as among generated ones: cosines in order, the lead, and a probability.

    for one in rank(model, "a red car on a beach", ["1.png", "2.png", "3.png"]): ...
    one.image, one.cosine, one.margin, one.match

`match` is the probability that image and text belong together, where of such pairs one half does and one half is an
image with the text of another one.  It compares the cosine with those of the same image and everyday phrases; no
library is needed.  Its coefficients were learned for the bundled model: with any other it is None.  It does not know
how exact a match is: an image that shows nearly what the text says has a high one, too (docs/search.md).
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UsageError
from wordsight.search.background import Moments, usual_moments

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

T = TypeVar("T")
# Learned with `python benchmarks/ranking.py DATA --fit` on 2026-11-30 for the model with this fingerprint.
LEARNED_FOR = "c4a405e0f959cc8c"
CONSTANT, AHEAD, TYPICAL = -1.685, 1.26, 0.796


class Usual(NamedTuple):
    """What cosines images have with everyday phrases."""

    phrases: Moments


class RankedImage(NamedTuple, Generic[T]):
    """An image with its `number` from 1, its cosine, its lead over the next one, and the probability of a match.

    `margin` is None for the last one, `match` where it is not known.
    """

    number: int
    image: T
    cosine: float
    margin: float | None
    match: float | None

    def record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "rank": self.number,
            "path": str(self.image),
            "cosine": round(self.cosine, 6),
            "margin": None if self.margin is None else round(self.margin, 6),
            "match": None if self.match is None else round(self.match, 6),
        }


def rank(model: "Model", text: str, images: Iterable[T]) -> list[RankedImage[T]]:
    """Return the images, best first: paths, bytes, Pillow images or uint8 (H, W, 3) arrays.

    An empty text raises `UsageError`, the first image that cannot be read `BrokenImage`.
    """
    if not text.strip():
        raise UsageError("an empty text", cure='say what to rank by, for example "a red car on a beach"')
    given = list(images)
    embedded = list(zip(given, model.embed_images(given), strict=True))
    return ranked(model.embed_texts([text])[0], embedded, usual_cosines(model))


def ranked(text: Embeddings, embedded: Sequence[tuple[T, Embeddings]], usual: Usual | None) -> list[RankedImage[T]]:
    """Return images with their embeddings (D,) in order for a text (D,); without `usual` there is no `match`."""
    cosines = [float(embedding @ text) for _, embedding in embedded]
    order = sorted(range(len(embedded)), key=lambda number: -cosines[number])
    ranks = []
    for number, at in enumerate(order):
        image, embedding = embedded[at]
        margin = cosines[at] - cosines[order[number + 1]] if number + 1 < len(order) else None
        match = None if usual is None else probability_of(figures(usual, text, embedding))
        ranks.append(RankedImage(number + 1, image, cosines[at], margin, match))
    return ranks


def usual_cosines(model: "Model") -> Usual | None:
    """Return what cosines are usual; None where nothing was learned for the model.

    Everyday phrases are embedded once for each user, which takes seconds.
    """
    return Usual(usual_moments(model)) if model.fingerprint == LEARNED_FOR else None


def figures(usual: Usual, text: Embeddings, image: Embeddings) -> NDArray[np.float64]:
    """Return two figures without a unit for a pair: (2,).

    How far the cosine is above those of the image with everyday phrases, in their standard deviations; and how usual
    the text is among them.
    """
    mean = usual.phrases.mean
    ahead = (image @ (text - mean)) / usual.phrases.spread(image[None])[0]
    typical = ((text - mean) @ mean) / usual.phrases.spread(mean[None])[0]
    return np.array([ahead, typical], np.float64)


def probability_of(measured: NDArray[np.float64]) -> float:
    """Return the probability of a match for the figures of a pair."""
    return float(1 / (1 + np.exp(-(CONSTANT + measured @ np.array([AHEAD, TYPICAL])))))
