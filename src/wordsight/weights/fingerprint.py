"""The fingerprint of a model: 16 hexadecimal digits that name what made an embedding.

It is the beginning of a SHA-256 over every tensor (by name, with dtype, shape and bytes), the
preprocessing spec, the tokenizer spec, the merges, and what the towers' specs say that weights do not show
(activation, pooling...).  The precision an engine computes in is no part of
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
# what the specs of the first version held; fields that came later count only where they are not the default, so
# that models keep the fingerprint they were given
FIRST = frozenset(
    "size resize interpolation mean std kind vocabulary vocabulary_size context_length".split(),
)
# what the weights themselves show, and what only training uses; the rest of a tower's spec (activation, pooling,
# mask...) changes embeddings and cannot be seen in the weights
SEEN = frozenset(
    "kind size width layers heads patch mlp_ratio stem positions stages drop_path dropout "
    "context_length vocabulary_size".split(),
)


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
    for value in (_facts(read_back.preprocess, FIRST), _facts(read_back.tokenizer, FIRST), merges):
        digest.update(_canonical(value))
    unseen = {name: _facts(getattr(read_back, name), frozenset(), skip=SEEN) for name in ("image", "text")}
    if any(unseen.values()):
        digest.update(_canonical(unseen))
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


def _facts(spec: Any, always: frozenset[str], *, skip: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a spec's fields that are in `always` or differ from their default."""
    default = to_dict(type(spec)())
    values = {name: value for name, value in to_dict(spec).items() if name not in skip}
    return {name: value for name, value in values.items() if name in always or value != default.get(name)}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
