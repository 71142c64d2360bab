"""What a model folder says it is: its model.json, read without its weights.

    manifest = read_model_manifest(folder)
    manifest.spec, manifest.fingerprint

The format is specified in docs/weights.md.  All that opening a model's graphs needs; `weights.folder` writes it, and
reads the rest.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.files import read_json, sha256_bytes
from wordsight.towers.check import check_spec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.find import MANIFEST
from wordsight.weights.finite import check_scale
from wordsight.weights.unchanged import check_recorded

FORMAT = "wordsight-model"
VERSION = 1
WEIGHTS = "weights.safetensors"
SUM = "sum"  # the key of model.json's own check sum
DIGITS = 16  # of a fingerprint, and of the check sum
ENGINES = "onnx"
MERGES = "merges.txt"
TOKENIZERS = {
    "clip-bpe": MERGES,
    "tokenizers": "tokenizer.json",
    "sentencepiece": "spiece.model",
    "wordpiece": "vocab.txt",
}


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What model.json says.

    `scale` and `bias` are the learned values (the spec holds the initial ones); `precisions` are those of
    the ONNX graphs in the folder, the preferred one first.  `origin` says of a public checkpoint where it came
    from, and `assumed` what its file did not say.  `files` holds the SHA-256 of the tokenizer's files and of graphs.
    """

    spec: ModelSpec
    fingerprint: str
    scale: float
    bias: float | None = None
    precisions: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)


def read_model_manifest(folder: Path) -> ModelManifest:
    """Return the manifest of a model folder; a missing one raises `NotFound`, a wrong one `FormatError`."""
    path = folder / MANIFEST
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise FormatError(f"{path} is not the manifest of a model", cure=f'its "format" must be "{FORMAT}"')
    if values.get("version") != VERSION:
        raise FormatError(
            f"{path} has format version {values.get('version')!r}; this program reads {VERSION}",
            cure="update wordsight",
        )
    rest = {key: value for key, value in values.items() if key not in ("format", "version", SUM)}
    try:
        manifest = from_dict(ModelManifest, rest)
        check_spec(manifest.spec)
    except ConfigError as error:
        raise FormatError(f"{path}: {error.problem}", cure=error.cure) from None
    check_scale(manifest.scale, manifest.bias, where=str(path))
    if SUM in values and values[SUM] != check_sum(values):
        raise FormatError(
            f"{path} was changed after it was written, and no longer belongs to the fingerprint that it states",
            cure="restore it; wordsight convert --set makes a model with other settings",
        )
    return manifest


def check_sum(values: dict[str, Any]) -> str:
    """Return the check sum of model.json: it tells a manifest that was changed by hand from one that was written."""
    rest = {key: value for key, value in values.items() if key != SUM}
    return sha256_bytes(json.dumps(rest, sort_keys=True).encode())[:DIGITS]


def read_spec(folder: Path) -> ModelSpec:
    """Return the spec of a model folder."""
    return read_model_manifest(folder).spec


def read_fingerprint(folder: Path) -> str:
    """Return the fingerprint a model folder states."""
    return read_model_manifest(folder).fingerprint


def check_tokenizer(folder: Path) -> None:
    """Raise `FormatError` where the tokenizer's file is not the one that model.json records, if it records one."""
    check_recorded_tokenizer(folder, read_model_manifest(folder))


def check_recorded_tokenizer(folder: Path, manifest: ModelManifest) -> None:
    """Do as `check_tokenizer` with a manifest that has been read."""
    for name in manifest.files:
        if name in TOKENIZERS.values():
            check_recorded(folder, manifest.files, name)
