"""The `Engine`: pixels and tokens in, float32 unit rows out.  PyTorch stops here.

    engine = open_engine(folder)                 # wordsight.engines.open
    rows = engine.embed_images(pixels)           # uint8 (B, S, S, 3) -> float32 (B, E)

Pixels are already resized and cropped (`wordsight.images.transform`); normalisation happens inside the
engine.  An engine knows nothing of files, words or what its rows are used for.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import UsageError
from wordsight.towers.spec import ModelSpec

Pixels = NDArray[np.uint8]  # (B, S, S, 3)
Tokens = NDArray[np.int32]  # (B, L)
Rows = NDArray[np.float32]  # (B, E), unit length


class Engine(Protocol):
    """One model, ready to embed.

    `fingerprint` names the weights, preprocessing and tokenizer, so that rows of different models never
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

    def embed_images(self, pixels: Pixels) -> Rows:
        """Return float32 (B, E) unit rows for uint8 (B, S, S, 3); other shapes raise `UsageError`."""
        ...

    def embed_texts(self, tokens: Tokens) -> Rows:
        """Return float32 (B, E) unit rows for token ids (B, L), L at most the context length.

        Each row is read up to its first end token; a row without one raises `UsageError`.
        """
        ...


def check_pixels(pixels: NDArray[Any], spec: ModelSpec) -> Pixels:
    """Return `pixels` if they are uint8 (B, S, S, 3) of the model's size, else raise `UsageError`."""
    size = spec.preprocess.size
    if pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3) or pixels.dtype != np.uint8:
        raise UsageError(
            f"pixels of shape {tuple(pixels.shape)} and type {pixels.dtype}",
            cure=f"{spec.name} wants uint8 (B, {size}, {size}, 3); wordsight.images.transform makes them",
        )
    return pixels


def check_tokens(tokens: NDArray[Any], spec: ModelSpec) -> Tokens:
    """Return `tokens` as int32 if they are rows of the model's vocabulary with an end token each, else `UsageError`."""
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
    ended = (tokens == size - 1).any(axis=1)
    if not ended.all():
        raise UsageError(
            f"row {int(np.argmin(ended))} of the tokens has no end token", cure=f"end every row with {size - 1}"
        )
    return tokens.astype(np.int32, copy=False)


def needed_lengths(tokens: Tokens, spec: ModelSpec) -> NDArray[np.int64]:
    """Return how many positions of each row matter, (B,): attention is causal, so nothing after the first end token."""
    lengths: NDArray[np.int64] = (tokens == spec.text.vocabulary_size - 1).argmax(axis=1) + 1
    return lengths


def batches(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield `order` (N,) in pieces of at most `size`."""
    for start in range(0, len(order), size):
        yield order[start : start + size]
