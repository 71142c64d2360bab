"""A small true engine without weights: images by their colours, texts by colour names.

    engine = FakeEngine()
    engine.embed_texts(tokenizer.batch(["red"])) @ engine.embed_images(pixels).T    # red images win

Deterministic, fast and meaningful enough to test and demonstrate everything right of the engine.  Rows
have one dimension for each named colour and some for everything else: for images the brightness of a
4x4 grid, for other words a hash.
"""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels, Tokens, unit
from wordsight.base.errors import UsageError
from wordsight.base.files import sha256_bytes
from wordsight.engines.engine import check_pixels, check_tokens, needed_lengths
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

COLOURS = {  # name: sRGB
    "red": (220, 30, 30),
    "orange": (245, 140, 20),
    "yellow": (240, 225, 40),
    "green": (40, 150, 50),
    "blue": (40, 70, 210),
    "purple": (130, 40, 160),
    "pink": (245, 160, 190),
    "brown": (110, 70, 35),
    "black": (10, 10, 10),
    "grey": (128, 128, 128),
    "white": (250, 250, 250),
}
SIZE = 32  # pixels
CELLS = 4  # the grid of brightnesses, along one side
WIDTH = len(COLOURS) + CELLS * CELLS
MINOR = 0.2  # the length of what is not colour, beside colours of length about 1


class FakeEngine:
    """The `Engine` that needs nothing; its `folder` is not looked at."""

    def __init__(self, folder: Path | None = None, *, device: str = "auto", precision: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise UsageError(f"device {device!r} with the fake engine", cure="use auto or cpu")
        if precision not in ("auto", "fp32"):
            raise UsageError(f"precision {precision!r} with the fake engine", cure="use auto or fp32")
        self.spec = ModelSpec(
            name="fake",
            width=WIDTH,
            image=VitSpec(size=SIZE, width=64, layers=1, heads=1, patch=8),
            text=ClipTextSpec(width=64, layers=1, heads=1),
            preprocess=PreprocessSpec(size=SIZE),
            tokenizer=TokenizerSpec(),
        )
        self.fingerprint = sha256_bytes(repr((COLOURS, self.spec)).encode())[:16]
        self.scale = 20.0
        self.batch = 16
        self.bias: float | None = None

    def embed_images(self, pixels: Pixels) -> Embeddings:
        """Shares of the named colours, and the brightness of a coarse grid beside its mean."""
        checked = check_pixels(pixels, self.spec).astype(np.float32)  # (B, S, S, 3)
        table = np.array(list(COLOURS.values()), dtype=np.float32)  # (C, 3)
        distance = ((checked[:, ::2, ::2, None, :] - table) ** 2).sum(axis=-1)  # (B, S/2, S/2, C)
        shares = (distance.argmin(axis=-1)[..., None] == np.arange(len(table))).mean(axis=(1, 2))  # (B, C)
        side = SIZE // CELLS
        grid = checked.mean(axis=-1).reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4))  # (B, 4, 4)
        grid = grid.reshape(-1, CELLS * CELLS) / 255
        return unit(np.concatenate([shares, MINOR * (grid - grid.mean(axis=1, keepdims=True))], axis=1))

    def embed_texts(self, tokens: Tokens) -> Embeddings:
        """The colours named, and a hash of each other token."""
        checked = check_tokens(tokens, self.spec)
        embeddings = np.zeros((len(checked), WIDTH), dtype=np.float64)
        for embedding, ids, length in zip(embeddings, checked, needed_lengths(checked, self.spec), strict=True):
            for token in ids[:length].tolist():
                embedding += self._meaning(token)
        return unit(embeddings)

    def _meaning(self, token: int) -> NDArray[np.float64]:
        embedding = np.zeros(WIDTH)
        if token in self._colours:
            embedding[self._colours[token]] = 1.0
        else:
            noise = np.random.default_rng(token).standard_normal(CELLS * CELLS)
            embedding[len(COLOURS) :] = MINOR / 2 * noise / np.linalg.norm(noise)
        return embedding

    @cached_property
    def _colours(self) -> dict[int, int]:
        """Token id to the dimension of its colour; each name is one token of the published vocabulary."""
        tokenizer = ClipTokenizer.from_spec(self.spec.tokenizer)
        return {tokenizer.encode(name)[0]: index for index, name in enumerate(COLOURS)}
