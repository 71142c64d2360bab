"""CLIP_benchmark's side: its own functions, run on the processor over embeddings that are given.

Two things stand in the way and are put aside for a test: the linear probe insists on CUDA, and its accuracy calls
`float` on an array of one number, which numpy refuses since 2.4.
"""

import math
import warnings

import numpy as np
import torch
from clip_benchmark.metrics import linear_probe, zeroshot_classification

from wordsight.evaluate.linear import Labelled


def on_processor(monkeypatch):
    """Let `cuda` be the processor, and `float` take arrays of one number as it did."""
    to = torch.Tensor.to

    def number(value):
        return float(value.item() if isinstance(value, np.ndarray) else value)

    def stay(self, *args, **options):
        return self if args == ("cuda",) else to(self, *args, **options)

    monkeypatch.setattr(torch.Tensor, "to", stay)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    monkeypatch.setattr(torch.nn, "DataParallel", lambda model, device_ids: model)
    monkeypatch.setattr(zeroshot_classification, "float", number, raising=False)


def probe(folder, parts: dict[str, Labelled], *, shots=-1, seed=0):
    """Return what its linear probe reports; `parts` are "train", "test" and, to choose the weight decay, "val"."""
    (folder / "model").mkdir()
    for name, rows in parts.items():
        torch.save(torch.from_numpy(rows.embeddings), folder / "model" / f"features_{name}.pt")
        torch.save(torch.from_numpy(rows.labels), folder / "model" / f"targets_{name}.pt")
    torch.manual_seed(seed)  # as its command does, and with --skip_load nothing is drawn before the probe
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return linear_probe.evaluate(
            torch.nn.Identity(),
            None,
            None,
            fewshot_k=shots,
            batch_size=64,
            num_workers=0,
            lr=0.1,
            epochs=10,
            model_id="model",
            seed=seed,
            feature_root=str(folder),
            device="cuda",
            val_dataloader=object() if "val" in parts else None,
            amp=False,
        )


class GivenModel:
    """Images are embeddings already; a text is the number of one."""

    def __init__(self, texts):
        self._texts = torch.from_numpy(texts)

    def encode_image(self, images):
        return images

    def encode_text(self, numbers):
        return self._texts[numbers]


class Batches:
    """Pairs of images and what belongs to them, some at a time, as its data loaders give them."""

    def __init__(self, images, others, *, classes=(), size=7):
        self.dataset = self
        self.classes = classes
        self._images, self._others, self._size = torch.from_numpy(images), others, size

    def __len__(self):
        return math.ceil(len(self._images) / self._size)

    def __iter__(self):
        for start in range(0, len(self._images), self._size):
            yield self._images[start : start + self._size], self._others[start : start + self._size]
