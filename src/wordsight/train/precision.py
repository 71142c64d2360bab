"""Whether a run computes in bfloat16."""

import contextlib
from pathlib import Path

import torch

CPU_FLAGS = ("avx512_bf16", "amx_bf16")  # as /proc/cpuinfo spells them


def has_bf16(device: torch.device) -> bool:
    """Say whether the hardware multiplies bfloat16 matrices."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return any(flag in flags for flag in CPU_FLAGS)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Return the context a forward pass runs in for "auto", "fp32" or "bf16"."""
    wanted = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.autocast(device.type, torch.bfloat16) if wanted else contextlib.nullcontext()
