"""What an evaluation needs of a model, and the way its images and texts go through it.

Anything with the two methods and the fingerprint of `Encoder` can be measured: `wordsight.load(...)`, or
the trainer's towers while they learn.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.base.progress import bar
from wordsight.base.threads import ordered_map
from wordsight.embeddings.classes import class_embeddings
from wordsight.evaluate.sample_set import SampleSet, blocks

BLOCK = 256  # images or texts given to the model at a time
CHANGED = 64  # prepared images that are held and changed at a time


class Encoder(Protocol):
    """Images and texts to float32 unit embeddings, and what made them."""

    @property
    def fingerprint(self) -> str:
        """Name the model."""

    def embed_images(self, items: Sequence[Any]) -> Embeddings:
        """Return unit embeddings (n, D) for paths, bytes, PIL images or uint8 (H, W, 3) arrays."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, D)."""


@runtime_checkable
class Scorer(Protocol):
    """An encoder whose cosines become probabilities, as those of a finished model do."""

    scale: float

    def probabilities(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return cosines (n, classes) as probabilities whose rows sum to 1."""


@runtime_checkable
class PromptEncoder(Protocol):
    """An encoder that embeds the classes of prompts at once, and may have them kept."""

    def embed_prompts(self, prompts: Sequence[Sequence[str]]) -> Embeddings:
        """Return one unit embedding a class, (C, D)."""


@runtime_checkable
class Preparer(Protocol):
    """An encoder that prepares images by itself, so that they can be changed before they are embedded."""

    def load_pixels(self, item: Any, *, name: str = "") -> Pixels:
        """Return what the image tower sees of an image, uint8 (H, W, 3)."""


def prepared(encoder: Encoder, items: Sequence[Any], names: Sequence[str]) -> list[Pixels]:
    """Return images (n) as the image tower sees them; an encoder that prepares none raises `UsageError`."""
    if not isinstance(encoder, Preparer):
        raise UsageError("changed images need an encoder that prepares them", cure="measure a whole model")
    return list(ordered_map(lambda pair: encoder.load_pixels(pair[0], name=pair[1]), zip(items, names, strict=True)))


def changed_embeddings(
    encoder: Encoder, images: SampleSet, change: Callable[[int, Pixels], Pixels], *, name: str
) -> Embeddings:
    """Return the embeddings (n, D) of images that `change(row, pixels)` has changed, as the image tower sees them."""
    parts = []
    with bar(len(images), unit="img", desc=name) as progress:
        progress.leave = False
        for part in blocks(len(images), CHANGED):
            names = [sample.key for sample in images.samples[part]]
            seen = prepared(encoder, images.images[part], names)
            changed = ordered_map(lambda pair: change(pair[0], pair[1]), enumerate(seen, start=part.start))
            parts.append(encoder.embed_images(list(changed)))
            progress.update(len(parts[-1]))
    return np.concatenate(parts)


def image_embeddings(encoder: Encoder, items: Sequence[Any], *, name: str) -> Embeddings:
    """Return the embeddings of many images, (n, D), with a progress bar called `name`."""
    parts = []
    with bar(len(items), unit="img", desc=name) as progress:
        progress.leave = False  # a validation every few minutes should not fill the terminal
        for start in range(0, len(items), BLOCK):
            parts.append(encoder.embed_images(items[start : start + BLOCK]))
            progress.update(len(parts[-1]))
    return np.concatenate(parts)


def text_embeddings(encoder: Encoder, texts: Sequence[str]) -> Embeddings:
    """Return the embeddings of many texts, (n, D); those of about one length go together, which is faster."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts = [
        encoder.embed_texts([texts[i] for i in order[start : start + BLOCK]]) for start in range(0, len(order), BLOCK)
    ]
    by_length = np.concatenate(parts)
    embeddings = np.empty_like(by_length)
    embeddings[order] = by_length
    return embeddings


def prompt_embeddings(encoder: Encoder, prompts: Sequence[Sequence[str]]) -> Embeddings:
    """Return one embedding a class, (C, D), the mean of those of its prompts, normalised again."""
    if isinstance(encoder, PromptEncoder):
        return encoder.embed_prompts(prompts)
    return class_embeddings(partial(text_embeddings, encoder), prompts)


def scorer_of(encoder: Encoder, task: str) -> Scorer:
    """Return the encoder as one whose cosines become probabilities, or raise `UsageError`."""
    if not isinstance(encoder, Scorer):
        raise UsageError(f"{task} needs probabilities, which this encoder does not give", cure="measure a whole model")
    return encoder
