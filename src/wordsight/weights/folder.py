"""Our model folder: one folder holds a model and everything that has to be known to use it.

    save_model(towers, folder, merges=..., card=...)      write
    find_model("folder" or None)                          name to folder
    read_manifest(folder), read_spec(folder)              what it is, without PyTorch
    load_towers("folder")                                 the towers again

model.json (written last), weights.safetensors, merges.txt for an own vocabulary, README.md (the card)
and onnx/ (made by the export).  The format is specified in docs/weights.md.  Knows nothing of engines.
"""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, FormatError, NotFound, UsageError
from wordsight.base.files import atomic_write, read_json, storage_errors, write_json
from wordsight.base.optional import resolve
from wordsight.towers.check import check_spec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.find import MANIFEST, find_model
from wordsight.weights.fingerprint import fingerprint, read_tensors

if TYPE_CHECKING:
    from wordsight.towers.two import TwoTowers

__all__ = ["find_model", "load_towers", "read_fingerprint", "read_manifest", "read_spec", "save_model"]

FORMAT = "wordsight-model"
VERSION = 1
WEIGHTS = "weights.safetensors"
MERGES = "merges.txt"
CARD = "README.md"
ENGINES = "onnx"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What model.json says.

    `scale` and `bias` are the learned values (the spec holds the initial ones); `precisions` are those of
    the ONNX graphs in the folder, the preferred one first.
    """

    spec: ModelSpec
    fingerprint: str
    scale: float
    bias: float | None = None
    precisions: tuple[str, ...] = ()


def read_manifest(folder: Path) -> Manifest:
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
    rest = {key: value for key, value in values.items() if key not in ("format", "version")}
    try:
        manifest = from_dict(Manifest, rest)
        check_spec(manifest.spec)
    except ConfigError as error:
        raise FormatError(f"{path}: {error.problem}", cure=error.cure) from None
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write model.json, atomically."""
    write_json(folder / MANIFEST, {"format": FORMAT, "version": VERSION, **to_dict(manifest)})


def record_precisions(folder: Path, precisions: tuple[str, ...]) -> None:
    """Note in model.json which precisions lie in onnx/, the preferred one first."""
    write_manifest(folder, replace(read_manifest(folder), precisions=precisions))


def read_spec(folder: Path) -> ModelSpec:
    """Return the spec of a model folder."""
    return read_manifest(folder).spec


def read_fingerprint(folder: Path) -> str:
    """Return the fingerprint a model folder states."""
    return read_manifest(folder).fingerprint


def read_merges(folder: Path) -> str:
    """Return the text of merges.txt, or "" for a model with the published vocabulary."""
    if read_spec(folder).tokenizer.vocabulary == "clip":
        return ""
    path = folder / MERGES
    if not path.is_file():
        raise NotFound(f"no {MERGES} in {folder}, which has a vocabulary of its own", cure="restore the file")
    return path.read_text(encoding="utf-8")


def verify(folder: Path) -> None:
    """Compute the fingerprint from the weights and compare it with the stated one; `FormatError` when they differ."""
    manifest = read_manifest(folder)
    actual = fingerprint(manifest.spec, read_tensors(folder / WEIGHTS), read_merges(folder))
    if actual != manifest.fingerprint:
        raise FormatError(
            f"{folder} states fingerprint {manifest.fingerprint} but its files have {actual}",
            cure="a file was changed or exchanged; fetch or save the model again",
        )


def load_towers(name_or_path: str | Path | None = None) -> "TwoTowers":
    """Return the `TwoTowers` of a model: float32, on the CPU, in evaluation mode.  Needs the extra "train"."""
    folder = find_model(name_or_path)
    read = resolve("wordsight.weights.tensors:read_towers", extra="train")
    towers: TwoTowers = read(read_spec(folder), folder / WEIGHTS)
    return towers


def towers_fingerprint(towers: "TwoTowers", *, merges: str = "", dtype: str = "float32") -> str:
    """Return the fingerprint that `save_model` would give these `TwoTowers`."""
    raw = resolve("wordsight.weights.tensors:raw_tensors", extra="train")
    return fingerprint(towers.spec, raw(towers, dtype), merges)


def save_model(
    towers: "TwoTowers", folder: Path, *, merges: str | None = None, card: str = "", dtype: str = "float32"
) -> Manifest:
    """Write `TwoTowers` as a model folder and return its manifest.

    `merges` is the text of merges.txt, needed for an own vocabulary.  `dtype` "float16" halves the size.
    The folder is made whole beside its place and then moved there; an older model in that place, with its
    exported graphs, is replaced, and files that are not a model's are kept.
    """
    own = towers.spec.tokenizer.vocabulary == "own"
    if own != (merges is not None):
        wanted = (
            "give merges=, the text of merges.txt" if own else 'leave merges out, or set tokenizer.vocabulary = "own"'
        )
        raise UsageError(
            f"vocabulary {towers.spec.tokenizer.vocabulary!r} and merges {merges and merges[:20]!r}", cure=wanted
        )
    _check_place(folder)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    with storage_errors(folder):
        _remove(fresh)  # left by a process of the same number that was killed while saving
        fresh.mkdir(parents=True)
        try:
            manifest = _fill(towers, fresh, merges, card, dtype)
            _replace(folder, fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return manifest


def _fill(towers: "TwoTowers", folder: Path, merges: str | None, card: str, dtype: str) -> Manifest:
    resolve("wordsight.weights.tensors:write_weights", extra="train")(towers, folder / WEIGHTS, dtype)
    if merges is not None:
        _write_text(folder / MERGES, merges)
    _write_text(folder / CARD, card or f"# {towers.spec.name}\n")
    manifest = Manifest(
        spec=towers.spec,
        fingerprint=fingerprint(towers.spec, read_tensors(folder / WEIGHTS), merges or ""),
        scale=towers.scale.item(),
        bias=None if towers.logit_bias is None else towers.logit_bias.item(),
    )
    write_manifest(folder, manifest)
    return manifest


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path, "w") as handle:
        handle.write(text)


def _check_place(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} holds other files and no model", cure="choose an empty or a new folder")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", cure="choose a folder")


def _replace(folder: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `folder`, carrying over what is not a model's."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    _remove(old)
    folder.rename(old)
    fresh.rename(folder)
    for entry in old.iterdir():
        if entry.name not in (MANIFEST, WEIGHTS, MERGES, CARD, ENGINES):
            entry.rename(folder / entry.name)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
