"""What processor this is, what it can do, and how many of its cores this process may use."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
X86 = ("x86_64", "amd64")


@dataclass(frozen=True, slots=True)
class Processor:
    """What matters of a processor; what cannot be read counts as missing.

    `int8`: sums of any 8-bit products are exact (VNNI on x86, dot products on ARM); `avx512` and `bf16`: it has units
    for these.
    """

    int8: bool
    avx512: bool
    bf16: bool


def read_processor(cpuinfo: Path = CPUINFO, machine: str = "") -> Processor:
    """Return what the processor described by a /proc/cpuinfo can do; `machine` is `platform.machine()` by default."""
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.is_file() else set()
    if (machine or platform.machine()).lower() not in X86:
        return Processor(int8=True, avx512=False, bf16="bf16" in flags)  # 16-bit sums are a matter of x86
    return Processor(
        int8=bool(flags & {"avx512_vnni", "avx_vnni"}),
        avx512="avx512f" in flags,
        bf16=bool(flags & {"avx512_bf16", "amx_bf16"}),
    )


@cache
def processor() -> Processor:
    """Return what this processor can do."""
    return read_processor()


def processor_name(cpuinfo: Path = CPUINFO) -> str:
    """Return the name the processor gives itself; what Python knows of it where /proc/cpuinfo does not say."""
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
