"""safetensors files, as numpy arrays."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.weights.checkpoint import Array
from wordsight.weights.fingerprint import read_tensors

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}


def read_safetensors(path: Path) -> Mapping[str, Array]:
    """Return the tensors of a safetensors file; a damaged one is a `FormatError`."""
    tensors: dict[str, Array] = {}
    for raw in read_tensors(path):
        if raw.dtype == "BF16":
            wide = np.frombuffer(raw.data, "<u2").astype(np.uint32) << 16
            tensors[raw.name] = wide.view(np.float32).reshape(raw.shape)
        elif raw.dtype == "BOOL":
            tensors[raw.name] = np.frombuffer(raw.data, np.bool_).reshape(raw.shape)
        elif raw.dtype in TYPES:
            tensors[raw.name] = np.frombuffer(raw.data, TYPES[raw.dtype]).reshape(raw.shape)
        else:
            raise FormatError(f"{raw.name} in {path} is of type {raw.dtype}", cure=f"known: {', '.join(TYPES)}, BF16")
    return tensors
