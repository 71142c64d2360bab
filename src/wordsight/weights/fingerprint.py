"""The fingerprint of a model: 16 hexadecimal digits that name what made an embedding.

It is the beginning of a SHA-256 over every tensor (by name, with dtype, shape and bytes), the
preprocessing spec, the tokenizer spec and the merges.  The precision an engine computes in is no part of
it.  Made here from the safetensors file alone, without PyTorch.  The exact bytes are in docs/weights.md.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import FormatError, NotFound
from wordsight.towers.spec import ModelSpec

DIGITS = 16


@dataclass(frozen=True, slots=True)
class RawTensor:
    """One stored tensor: safetensors' dtype name ("F32"), shape, and its little-endian bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def fingerprint(spec: ModelSpec, tensors: Iterable[RawTensor], merges: str = "") -> str:
    """Return the fingerprint; `tensors` in any order, `merges` the text of merges.txt or ""."""
    parts = {t.name: _line(t) for t in tensors}
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(parts[name])
    read_back = from_dict(ModelSpec, to_dict(spec))  # what is read from model.json: a mean of 0 is 0.0 there
    for value in (to_dict(read_back.preprocess), to_dict(read_back.tokenizer), merges):
        digest.update(_canonical(value))
    return digest.hexdigest()[:DIGITS]


def read_tensors(path: Path) -> Iterator[RawTensor]:
    """Yield the tensors of a safetensors file; a damaged or foreign file raises `FormatError`."""
    check_safetensors(path)
    with path.open("rb") as handle:
        start = 8 + int.from_bytes(handle.read(8), "little")
        header: dict[str, Any] = json.loads(handle.read(start - 8))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            handle.seek(start + begin)
            yield RawTensor(name, entry["dtype"], tuple(entry["shape"]), handle.read(end - begin))


def check_safetensors(path: Path) -> None:
    """Raise `NotFound` or `FormatError` unless `path` is a whole safetensors file (header, sizes, no gaps)."""
    if not path.is_file():
        raise NotFound(f"no weights {path}", cure="restore the file, or use the folder with an ONNX engine")
    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise FormatError(
            f"{path} is not a whole safetensors file: {error}", cure="fetch or save the model again"
        ) from None


def _line(tensor: RawTensor) -> bytes:
    """One tensor's share: the hash of its head and bytes, so that no more than one is held at a time."""
    head = _canonical([tensor.name, tensor.dtype, list(tensor.shape)])
    return hashlib.sha256(head + tensor.data).digest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
