"""Whether a run computes in bfloat16."""

import contextlib

import torch

from wordsight.base.processor import processor


def has_bf16(device: torch.device) -> bool:
    """Say whether the hardware multiplies bfloat16 matrices."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and processor().bf16


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Return the context a forward pass runs in for "auto", "fp32" or "bf16"."""
    wanted = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.autocast(device.type, torch.bfloat16) if wanted else contextlib.nullcontext()
