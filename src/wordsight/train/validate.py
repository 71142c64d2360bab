"""The trainer measures itself with the same tasks that users call."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wordsight.base.arrays import Embeddings
from wordsight.base.nouns import Result
from wordsight.evaluate.tasks import build_task, run_task
from wordsight.images.transform import load_pixels
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.towers.two import TwoTowers
from wordsight.train.config import ValidationConfig
from wordsight.train.objective import Objective, normalise
from wordsight.train.precision import autocast


class TowersEncoder:
    """Towers in memory as an `Encoder`: images and texts to unit embeddings."""

    fingerprint = ""  # the weights change with every step

    def __init__(self, towers: TwoTowers, tokenizer: ClipTokenizer, *, device: torch.device, precision: str) -> None:
        self._towers = towers
        self._tokenizer = tokenizer
        self._device = device
        self._precision = precision
        objective = Objective(towers, head=None, bag_of_words=0.0, device=device)
        self._mean, self._std = objective.mean, objective.std

    @torch.inference_mode()
    def embed_images(self, items: Sequence[Any]) -> Embeddings:
        """Return unit embeddings (n, D)."""
        pixels = np.stack([load_pixels(item, self._towers.spec.preprocess) for item in items])
        batch = normalise(torch.from_numpy(pixels).to(self._device), self._mean, self._std)
        with autocast(self._device, self._precision):
            return self._numpy(self._towers.encode_image(batch))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, D)."""
        tokens = torch.from_numpy(self._tokenizer.batch(texts, pad_to="longest")).to(self._device)
        with autocast(self._device, self._precision):
            return self._numpy(self._towers.encode_text(tokens))

    def _numpy(self, embeddings: torch.Tensor) -> Embeddings:
        array: Embeddings = embeddings.float().cpu().numpy()
        return array


class Validation:
    """The tasks of a recipe, their images decoded once."""

    def __init__(self, config: ValidationConfig, *, root: Path, encoder: TowersEncoder, spec: Any) -> None:
        self._encoder = encoder
        self._tasks = []
        for name, task in config.tasks.items():
            built = build_task(replace(task, name=task.name or name), root=root)
            self._tasks.append(replace(built, images=[load_pixels(item, spec) for item in built.images]))

    def run(self) -> list[Result]:
        """Measure the towers as they are now."""
        return [result for task in self._tasks for result in run_task(self._encoder, task)]
