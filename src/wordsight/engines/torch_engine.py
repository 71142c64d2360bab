"""The engine on PyTorch: a GPU, or the towers as they were trained.

    engine = TorchEngine(folder, device="cuda")      # bf16 there; fp32 on the processor
    engine = TorchEngine.of(towers, fingerprint=...)  # towers in memory, for a trainer's own validation

Needs the extra "train".
"""

from pathlib import Path

import numpy as np
import torch

from wordsight.base.errors import UsageError
from wordsight.engines.engine import Pixels, Rows, Tokens, batches, check_pixels, check_tokens, needed_lengths
from wordsight.towers.two import TwoTowers
from wordsight.weights.folder import load_towers, read_fingerprint

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
BATCH = {"cpu": 16, "cuda": 256}  # rows at once


class TorchEngine:
    """An `Engine` on PyTorch; `precision` "auto" is bf16 on CUDA and fp32 elsewhere."""

    def __init__(self, folder: Path, *, device: str = "auto", precision: str = "auto") -> None:
        place = choose_device(device)
        kind = PRECISIONS[choose_precision(precision, place)]
        towers = load_towers(folder)
        self._describe(towers, read_fingerprint(folder))  # before bf16 rounds the scale
        self._take(towers.to(place, kind))

    @classmethod
    def of(cls, towers: TwoTowers, *, fingerprint: str) -> "TorchEngine":
        """Wrap towers in memory, on their device and in their precision; they are put into evaluation mode."""
        engine = cls.__new__(cls)
        engine._describe(towers, fingerprint)
        engine._take(towers)
        return engine

    def _describe(self, towers: TwoTowers, fingerprint: str) -> None:
        self.spec = towers.spec
        self.fingerprint = fingerprint
        self.scale = float(towers.scale.item())
        self.bias = None if towers.logit_bias is None else float(towers.logit_bias.item())

    def _take(self, towers: TwoTowers) -> None:
        self._towers = towers.eval()
        self._device = towers.logit_scale.device
        self._batch = BATCH.get(self._device.type, BATCH["cpu"])
        self._mean, self._deviation = (
            255 * torch.tensor(values, device=self._device).view(3, 1, 1)
            for values in (self.spec.preprocess.mean, self.spec.preprocess.std)
        )

    @torch.inference_mode()
    def embed_images(self, pixels: Pixels) -> Rows:
        """Return unit rows (B, E) for uint8 (B, S, S, 3)."""
        checked = check_pixels(pixels, self.spec)
        rows = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.arange(len(checked)), self._batch):
            raw = torch.from_numpy(checked[part]).to(self._device)  # (B, S, S, 3)
            normal = (raw.permute(0, 3, 1, 2).float() - self._mean) / self._deviation
            rows[part] = self._towers.encode_image(normal).float().cpu().numpy()
        return rows

    @torch.inference_mode()
    def embed_texts(self, tokens: Tokens) -> Rows:
        """Return unit rows (B, E) for token ids (B, L)."""
        checked = check_tokens(tokens, self.spec)
        lengths = needed_lengths(checked, self.spec)
        rows = np.empty((len(checked), self.spec.width), dtype=np.float32)
        for part in batches(np.argsort(lengths, kind="stable"), self._batch):
            needed = torch.from_numpy(checked[part, : lengths[part[-1]]]).to(self._device)
            rows[part] = self._towers.encode_text(needed, trim=False).float().cpu().numpy()
        return rows


def choose_device(name: str) -> torch.device:
    """Return the device of that name, "auto" a GPU when there is one; what is not there raises `UsageError`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device {name!r} cannot be used here: {reason}", cure="use auto or cpu") from None
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """Return "fp32" or "bf16"; "auto" is bf16 on CUDA."""
    if name == "auto":
        return "bf16" if device.type == "cuda" else "fp32"
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} with the torch engine", cure=f"use auto, {' or '.join(PRECISIONS)}")
    return name
