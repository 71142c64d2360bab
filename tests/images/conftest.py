"""Pictures for these tests: smooth surfaces, hard edges and noise, of any size; files of every kind."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wordsight.base.arrays import Pixels


def _photo(height: int, width: int, *, seed: int = 0) -> Pixels:
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    phase = rng.uniform(0, 6, 3)
    slopes = 128 + 90 * np.sin(rows[..., None] / 17 + columns[..., None] / 29 + phase)
    slopes[height // 4 : height // 2, width // 4 : width // 2] = 255
    slopes[height // 2 :, : width // 3] = 255 * ((columns[height // 2 :, : width // 3, None] // 3) % 2)
    noise = rng.normal(0, 25, (height, width, 3)) * (columns[..., None] > width * 0.6)
    pixels: Pixels = np.clip(slopes + noise, 0, 255).astype(np.uint8)
    return pixels


def _encoded(picture: Image.Image | Pixels, kind: str = "PNG", **options: Any) -> bytes:
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def photo() -> Callable[..., Pixels]:
    """Give `photo(height, width, seed=0)`: slopes, a white box with sharp corners, stripes and noise."""
    return _photo


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """Give `encoded(picture, kind="PNG", **options)`: the bytes of a file."""
    return _encoded
