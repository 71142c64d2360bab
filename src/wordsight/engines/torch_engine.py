"""The engine on PyTorch: a GPU, or the towers as they were trained.

    engine = TorchEngine(folder, device="cuda")      # bf16 there; fp32 on the processor
    engine = TorchEngine.of(towers, fingerprint=...)  # towers in memory, for a trainer's own validation

On CUDA everything is queued and waited for once: bytes go over from pinned memory while the batch before them is
computed.  `compiled` costs a minute at the first batch and pays for itself over some ten thousand images.
Needs the extra "train".
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wordsight.base.arrays import Embeddings, Pixels, Tokens
from wordsight.base.errors import UsageError
from wordsight.engines.engine import batches, check_pixels, check_tokens, needed_lengths
from wordsight.engines.names import check_device
from wordsight.engines.packed import PackedLayers
from wordsight.engines.travel import Reopened, reopened
from wordsight.towers.two import TwoTowers
from wordsight.weights.folder import load_towers
from wordsight.weights.manifest import read_fingerprint

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BATCH = {"cpu": 16, "cuda": 256}  # rows at once

# A forked child has none of the threads that PyTorch computes with, and would wait for them: it computes with one.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class TorchEngine:
    """An `Engine` on PyTorch; `precision` "auto" is bf16 on CUDA (fp16 where it has no bf16) and fp32 elsewhere.

    `compiled` lets `torch.compile` fuse the image tower into CUDA graphs of one batch size; CUDA only.  Threads may
    share it; a forked child computes on one core, and not on a GPU; a process that it is pickled for opens it again.
    """

    _folder: Path | None = None  # where its towers came from
    _options: dict[str, Any]
    _packed: PackedLayers | None = None  # of towers that nobody trains

    def __init__(self, folder: Path, *, device: str = "auto", precision: str = "auto", compiled: bool = False) -> None:
        target = choose_device(device)
        self.precision = choose_precision(precision, target)
        kind = PRECISIONS[self.precision]
        if compiled and target.type != "cuda":
            raise UsageError(f"compiled towers on {target.type}", cure="use device cuda, or leave compiled out")
        towers = load_towers(folder)
        self._describe(towers, read_fingerprint(folder))  # before bf16 rounds the scale
        self._take(towers.to(target, kind), compiled=compiled)
        if target.type == "cpu" and kind == torch.float32:
            self._packed = PackedLayers.of(self._towers)
        self._folder, self._options = folder, {"device": device, "precision": precision, "compiled": compiled}

    def __reduce__(self) -> Reopened:
        if self._folder is None:
            raise UsageError(
                "towers in memory cannot be sent to another process", cure="save them with save_model and load that"
            )
        return reopened(self, self._folder, self._options)

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

    def _take(self, towers: TwoTowers, *, compiled: bool = False) -> None:
        self._towers = towers.eval()
        self._device = towers.logit_scale.device
        self._process = os.getpid()
        self.batch = BATCH.get(self._device.type, BATCH["cpu"])
        self._mean, self._deviation = (
            255 * torch.tensor(values, device=self._device).view(3, 1, 1)
            for values in (self.spec.preprocess.mean, self.spec.preprocess.std)
        )
        self._fixed = compiled  # are batches always of one size?
        self._images: Callable[[Tensor], Tensor] = self._embed_batch
        if compiled:
            self._images = torch.compile(self._embed_batch, mode="reduce-overhead", dynamic=False)

    @torch.inference_mode()
    def embed_images(self, pixels: Pixels) -> Embeddings:
        """Return unit embeddings (B, E) for uint8 (B, S, S, 3)."""
        checked = check_pixels(pixels, self.spec)
        parts = []
        for part in batches(np.arange(len(checked)), self.batch):
            raw = checked[part]
            if self._fixed and len(raw) < self.batch:
                raw = np.concatenate([raw, np.zeros((self.batch - len(raw), *raw.shape[1:]), raw.dtype)])
            with self._faster():
                embeddings = self._images(self._send(raw))[: len(part)]
            # A CUDA graph's result is overwritten by the next.
            parts.append(embeddings.clone() if self._fixed else embeddings)
        return self._fetch(parts)

    @torch.inference_mode()
    def embed_texts(self, tokens: Tokens) -> Embeddings:
        """Return unit embeddings (B, E) for token ids (B, L)."""
        checked = check_tokens(tokens, self.spec)
        lengths = needed_lengths(checked, self.spec)
        order = np.argsort(lengths, kind="stable")
        with self._faster():
            parts = [
                self._towers.encode_text(self._send(checked[part, : lengths[part[-1]]]), trim=False)
                for part in batches(order, self.batch)
            ]
        embeddings = np.empty((len(checked), self.spec.width), dtype=np.float32)
        embeddings[order] = self._fetch(parts)
        return embeddings

    def _faster(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._packed is None else self._packed.used()

    def _embed_batch(self, raw: Tensor) -> Tensor:
        """Return unit embeddings (B, E) for uint8 (B, H, W, 3) on the device."""
        normal = (raw.permute(0, 3, 1, 2).float() - self._mean) / self._deviation
        return self._towers.encode_image(normal)

    def _send(self, array: Pixels | Tokens) -> Tensor:
        """Bring an array to the device; to a GPU from pinned memory, without waiting."""
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type != "cpu" and self._process != os.getpid():
            raise UsageError(
                f"a model on {self._device} that was loaded before the fork",
                cure='load it in the child, or start processes with the method "spawn"',
            )
        if self._device.type != "cuda":
            return tensor.to(self._device)
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _fetch(self, parts: list[Tensor]) -> Embeddings:
        """Wait for all batches and return their rows as float32 (B, E)."""
        if not parts:
            return np.empty((0, self.spec.width), dtype=np.float32)
        embeddings: Embeddings = torch.cat(parts).float().cpu().numpy()
        return embeddings


def choose_device(name: str) -> torch.device:
    """Return the device of that name, "auto" a GPU when there is one; what is not there raises `UsageError`."""
    check_device(name)
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
    """Return "fp32", "bf16" or "fp16"; "auto" is bf16 on CUDA, fp16 on cards without bf16, and fp32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if name not in PRECISIONS:
        raise UsageError(f"precision {name!r} with the torch engine", cure=f"use auto, {' or '.join(PRECISIONS)}")
    return name
