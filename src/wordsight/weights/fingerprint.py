"""The fingerprint of a model: 16 hexadecimal digits that name what made an embedding.

It is the beginning of a SHA-256 over every tensor (by name, with dtype, shape and bytes), the
preprocessing spec, the tokenizer spec and its files, and what the towers' specs say that weights do not show
(activation, mask...).  The precision an engine computes in is no part of it.  Made here from the safetensors
file alone, without PyTorch.  The exact bytes are in docs/weights.md.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from wordsight.base.config import from_dict, to_dict
from wordsight.base.reading import open_regular
from wordsight.towers.families import image_family, text_family
from wordsight.towers.family import ImageFamily, TextFamily
from wordsight.towers.flat import FLAT_IMAGE, FLAT_TEXT
from wordsight.towers.spec import ModelSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.weights.archive.safe import read_header
from wordsight.weights.manifest import DIGITS, MERGES

# The fields that model.json always states: those of the first version.  Later ones are stated, and count, only
# where they are not the default, so that files stay short and models keep the fingerprint they were given.
FIRST = {
    "image": {
        *("kind", "size", "width", "layers", "heads", "patch", "mlp_ratio", "activation"),
        *("stem", "pool", "positions", "stages", "drop_path"),
    },
    "text": {"context_length", "vocabulary_size", "width", "layers", "heads", "mlp_ratio", "activation", "dropout"},
    "preprocess": {"size", "resize", "interpolation", "mean", "std"},
    "tokenizer": {"kind", "vocabulary", "vocabulary_size", "context_length"},
}
# of all towers' first fields, the one that changes embeddings and cannot be seen in the weights; a family names others
UNSEEN = "activation"


@dataclass(frozen=True, slots=True)
class RawTensor:
    """One stored tensor: safetensors' dtype name ("F32"), shape, and its little-endian bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes | mmap


def stated(spec: ModelSpec) -> dict[str, Any]:
    """Return a spec as model.json states it: nested, without what came after the first version and is the default."""
    return _stated(_read_back(spec))


def _read_back(spec: ModelSpec) -> ModelSpec:
    """Return the spec as it is when read from a file: a mean of 0 is 0.0."""
    return from_dict(ModelSpec, to_dict(spec))


def _stated(spec: ModelSpec) -> dict[str, Any]:
    values = to_dict(spec)
    for part, first in FIRST.items():
        default = to_dict(type(getattr(spec, part))())
        values[part] = {
            name: value
            for name, value in values[part].items()
            if name in first or name == "kind" or value != default.get(name)
        }
    return values


def fingerprint(
    spec: ModelSpec,
    tensors: Iterable[RawTensor],
    vocabulary: Mapping[str, bytes] = MappingProxyType({}),
    *,
    counted: Literal["all", "before heads"] = "all",
) -> str:
    """Return the fingerprint; `tensors` in any order, `vocabulary` the tokenizer's files by name.

    "before heads": as models saved before heads and EVA's pooling counted state it.
    """
    parts = {t.name: _line(t) for t in tensors}
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(parts[name])
    spec = _read_back(spec)
    statements = _stated(spec)
    merges = vocabulary.get(MERGES, b"").decode("utf-8", "surrogateescape")
    for value in (statements["preprocess"], statements["tokenizer"], merges):
        digest.update(_canonical(value))
    unseen = {
        "image": _unseen(spec.image, image_family(spec.image), FLAT_IMAGE, FIRST["image"], counted),
        "text": _unseen(spec.text, text_family(spec.text), FLAT_TEXT, FIRST["text"], counted),
    }
    files = {name: hashlib.sha256(vocabulary[name]).hexdigest() for name in vocabulary if name != MERGES}
    for facts in (unseen if any(unseen.values()) else {}, files):
        if facts:
            digest.update(_canonical(facts))
    return digest.hexdigest()[:DIGITS]


def read_tensors(path: Path) -> Iterator[RawTensor]:
    """Yield the tensors of a safetensors file; a damaged or foreign file raises `FormatError`."""
    header = read_header(path)
    with open_regular(path) as handle:
        for name, entry in header.tensors.items():
            handle.seek(header.start + entry.begin)
            yield RawTensor(name, entry.dtype, entry.shape, handle.read(entry.end - entry.begin))


def _line(tensor: RawTensor) -> bytes:
    """One tensor's share: the hash of its head and bytes, so that no more than one is held at a time."""
    head = _canonical([tensor.name, tensor.dtype, list(tensor.shape)])
    digest = hashlib.sha256(head)
    digest.update(tensor.data)
    return digest.digest()


def _unseen(
    tower: ImageTowerSpec | TextTowerSpec,
    family: ImageFamily[Any] | TextFamily[Any],
    flat: Mapping[str, Any],
    first: Collection[str],
    counted: str,
) -> dict[str, Any]:
    """Return what a tower's spec says that its weights do not show: later fields, and what is not its family's usual.

    What it implies counts as if it were stated, and defaults are those of the flat spec: so models keep their
    fingerprint.
    """
    hidden = family.usual(tower) if counted == "all" else {}
    usual = {**to_dict(family.spec()), **flat, **hidden}
    values = {name: value for name, value in {**family.implied, **to_dict(tower)}.items() if value is not None}
    return {
        name: value
        for name, value in values.items()
        if (name not in first or name == UNSEEN or name in hidden) and value != usual.get(name)
    }


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
