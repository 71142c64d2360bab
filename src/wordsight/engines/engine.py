"""The `Engine`: pixels and tokens in, float32 unit embeddings out.  PyTorch stops here.

    engine = open_engine(folder)                 # wordsight.engines.open
    embeddings = engine.embed_images(pixels)     # uint8 (B, S, S, 3) -> float32 (B, E)

Pixels are already resized and cropped (`wordsight.images.transform`); normalisation happens inside the
engine.  An engine knows nothing of files, captions or what its embeddings are used for.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels, RowIds, Tokens
from wordsight.base.errors import UsageError
from wordsight.towers.families import text_family
from wordsight.towers.spec import ModelSpec


class Engine(Protocol):
    """One model, ready to embed.

    `fingerprint` names the weights, preprocessing and tokenizer, so that embeddings of different models never
    meet; `scale` and `bias` are the learned values that turn cosines into scores (`bias` None for the
    softmax loss).
    """

    @property
    def spec(self) -> ModelSpec:
        """The architecture, preprocessing and tokenizer."""
        ...

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        ...

    @property
    def scale(self) -> float:
        """What cosines are multiplied by."""
        ...

    @property
    def bias(self) -> float | None:
        """What is added to scaled cosines, for models of the sigmoid loss."""
        ...

    @property
    def batch(self) -> int:
        """How many images at once keep it busy."""
        ...

    def embed_images(self, pixels: Pixels) -> Embeddings:
        """Return float32 (B, E) unit embeddings for uint8 (B, S, S, 3); other shapes raise `UsageError`."""
        ...

    def embed_texts(self, tokens: Tokens) -> Embeddings:
        """Return float32 (B, E) unit embeddings for token ids (B, L), as the model's tokenizer makes them.

        L is at most the context length, and that where the tower reads the padding too; others raise
        `UsageError`.
        """
        ...


def check_pixels(pixels: NDArray[Any], spec: ModelSpec) -> Pixels:
    """Return `pixels` if they are uint8 (B, S, S, 3) of the model's size, else raise `UsageError`.

    A model that keeps the shape of an image takes (B, H, W, 3), both sides multiples of its patch.
    """
    size, patch = spec.preprocess.size, spec.preprocess.patch
    if spec.preprocess.resize == "patches":
        sides = pixels.shape[1:3]
        fits = pixels.ndim == 4 and pixels.shape[3] == 3 and all(side > 0 and side % patch == 0 for side in sides)
        wanted = f"uint8 (B, H, W, 3), H and W multiples of {patch}"
    else:
        fits = pixels.ndim == 4 and pixels.shape[1:] == (size, size, 3)
        wanted = f"uint8 (B, {size}, {size}, 3)"
    if not fits or pixels.dtype != np.uint8:
        raise UsageError(
            f"pixels of shape {tuple(pixels.shape)} and type {pixels.dtype}",
            cure=f"{spec.name} wants {wanted}; wordsight.images.transform makes them",
        )
    return pixels


def check_tokens(tokens: NDArray[Any], spec: ModelSpec) -> Tokens:
    """Return `tokens` as int32 if the model's text tower can read them, else raise `UsageError`.

    That is ids of its vocabulary, with an end token in each row where the tower reads there and the tokenizer
    always puts one, and of the full context length where padding changes what is read.
    """
    size, context = spec.text.vocabulary_size, spec.text.context_length
    if tokens.ndim != 2 or not np.issubdtype(tokens.dtype, np.integer) or not 1 <= tokens.shape[1] <= context:
        raise UsageError(
            f"tokens of shape {tuple(tokens.shape)} and type {tokens.dtype}",
            cure=f"{spec.name} wants int32 (B, L) with L from 1 to {context}",
        )
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < size:
        raise UsageError(
            f"token ids from {tokens.min()} to {tokens.max()}",
            cure=f"{spec.name} has {size} tokens; use the tokenizer that belongs to it",
        )
    if needs_all(spec) and tokens.shape[1] != context:
        raise UsageError(
            f"tokens of shape {tuple(tokens.shape)}",
            cure=f"{spec.name} reads the padding too: give {context} columns, as its tokenizer does",
        )
    end = end_token(spec)
    ended = (tokens == end).any(axis=1)
    if end is not None and not ended.all():
        raise UsageError(
            f"row {int(np.argmin(ended))} of the tokens has no end token", cure=f"end every row with {end}"
        )
    return tokens.astype(np.int32, copy=False)


def end_token(spec: ModelSpec) -> int | None:
    """Return the id that every row must hold because it is read there; None where the tower needs none."""
    return text_family(spec.text).end_token(spec.text, spec.tokenizer)


def needs_all(spec: ModelSpec) -> bool:
    """Does a text's row depend on its padding, so that every text has to be computed at the full context length?"""
    return text_family(spec.text).reads_padding(spec.text, spec.tokenizer)


def needed_lengths(tokens: Tokens, spec: ModelSpec) -> RowIds:
    """Return how many positions of each row matter, (B,); what follows them changes nothing.

    All of them where the tower reads the padding too.
    """
    if needs_all(spec):
        return np.full(tokens.shape[0], tokens.shape[1])
    return text_family(spec.text).needed(tokens, spec.text)


def batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield `order` (N,) in pieces of at most `size`."""
    for start in range(0, len(order), size):
        yield order[start : start + size]
