"""An encoder that knows drawn scenes by what they are, with faults that are planted: for tests of audits."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from wordsight.audit import drawn_questions
from wordsight.base.arrays import unit
from wordsight.data.planted_scenes import VALUES, value_of
from wordsight.data.scenes import LOCATIONS, Drawn

NAMES = [(attribute, value) for attribute, values in VALUES.items() for value in values]
PHRASES = {value: location.phrase for value, location in LOCATIONS.items()}


class SceneEncoder:
    """One direction for each value; `see` may change what an image is taken for: (scene, rng) -> {attribute: value}."""

    fingerprint = "5ce9e5"
    name = "scene-encoder"

    def __init__(self, see=lambda values, rng: values, noise: float = 0.2) -> None:
        self.scenes: list = []
        self._see, self._noise = see, noise

    def draw(self, scene, rng) -> Drawn:
        """Stand in for `draw`: an image that holds only the number of its scene."""
        self.scenes.append((scene, int(rng.integers(1 << 30))))
        number = np.array([len(self.scenes) >> 16 & 255, len(self.scenes) >> 8 & 255, len(self.scenes) & 255], np.uint8)
        return Drawn(scene, np.broadcast_to(number, (2, 2, 3)).copy(), ())

    def embed_images(self, items):
        return unit(np.stack([self._image(item) for item in items]).astype(np.float32))

    def _image(self, item):
        red, green, blue = (int(level) for level in np.asarray(Image.open(io.BytesIO(item)))[0, 0])
        scene, seed = self.scenes[(red << 16 | green << 8 | blue) - 1]
        rng = np.random.default_rng(seed)
        values = self._see({attribute: value_of(scene, attribute) for attribute in VALUES}, rng)
        embedding = self._noise * rng.normal(size=len(NAMES))
        for attribute, value in values.items():
            if value:
                embedding[NAMES.index((attribute, value))] += 1
        return embedding

    def embed_texts(self, texts):
        rows = np.full((len(texts), len(NAMES)), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for number, (attribute, value) in enumerate(NAMES):
                said = PHRASES[value] if attribute == "location" else value
                row[number] += bool(re.search(rf"\b{said}s?\b", text))
        return unit(rows)


@pytest.fixture
def encoder_of(monkeypatch):
    """Return a function that makes an encoder and lets the questions draw through it."""

    def make(*args, **keys):
        encoder = SceneEncoder(*args, **keys)
        monkeypatch.setattr(drawn_questions, "draw", encoder.draw)
        return encoder

    return make
