"""Our model folder: one folder holds a model and everything that has to be known to use it.

    save_checkpoint(checkpoint, folder)                   write, without PyTorch
    save_model(towers, folder, merges=..., card=...)      write towers in memory
    find_model("folder" or None)                          name to folder
    read_model_manifest(folder), read_spec(folder)              what it is
    read_checkpoint(folder)                               all of it as numpy arrays, without PyTorch
    load_towers("folder")                                 the towers again

model.json (written last), weights.safetensors, the tokenizer's file where it is an own one, README.md (the
card) and onnx/ (made by the export).  The format is specified in docs/weights.md.  Knows nothing of engines.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.config import to_dict
from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import (
    atomic_folder,
    atomic_write,
    refuse_others,
    require_content,
    sha256_bytes,
    write_json,
)
from wordsight.base.optional import resolve
from wordsight.base.reading import read_file
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.families import finished
from wordsight.towers.shapes import shapes
from wordsight.weights.archive.safe import read_safetensors, write_safetensors
from wordsight.weights.checkpoint import Array, Checkpoint, check_state
from wordsight.weights.find import MANIFEST, find_model
from wordsight.weights.fingerprint import fingerprint, read_tensors, stated
from wordsight.weights.from_graphs import state_of_graphs
from wordsight.weights.graphs import PRECISION, raw_graphs, take_in
from wordsight.weights.manifest import (
    ENGINES,
    FORMAT,
    MERGES,
    SUM,
    TOKENIZERS,
    VERSION,
    WEIGHTS,
    ModelManifest,
    check_recorded_tokenizer,
    check_sum,
    read_fingerprint,
    read_model_manifest,
    read_spec,
)
from wordsight.weights.unchanged import digest_of, remembered

if TYPE_CHECKING:
    from wordsight.towers.two import TwoTowers

__all__ = [
    "find_model",
    "load_image_towers",
    "load_towers",
    "read_checkpoint",
    "read_fingerprint",
    "read_model_manifest",
    "read_spec",
    "save_checkpoint",
    "save_model",
]

CARD = "README.md"
MAX_SCALE = 100.0  # of softmax towers; Radford et al. 2021, section 2.5


def write_model_manifest(folder: Path, manifest: ModelManifest) -> None:
    """Write model.json, atomically."""
    values = {"format": FORMAT, "version": VERSION, **to_dict(manifest), "spec": stated(manifest.spec)}
    for name in ("origin", "assumed", "files"):
        if not values[name]:
            del values[name]
    values[SUM] = check_sum(values)
    write_json(folder / MANIFEST, values)


def vocabulary_file(spec: TokenizerSpec) -> str | None:
    """Return the name of the file in a model folder that a tokenizer needs; None for the published vocabulary."""
    return None if spec.kind == "clip-bpe" and spec.vocabulary == "clip" else TOKENIZERS[spec.kind]


def read_vocabulary(folder: Path) -> dict[str, bytes]:
    """Return the tokenizer's files by name, none for a model with the published vocabulary."""
    name = vocabulary_file(read_spec(folder).tokenizer)
    if name is None:
        return {}
    if not (folder / name).is_file():
        raise NotFound(f"no {name} in {folder}, which has a vocabulary of its own", cure="restore the file")
    require_content(folder / name)
    return {name: read_file(folder / name)}


def _weights_file(folder: Path) -> Path:
    """Return the weights of a model folder; `NotFound` for one that has graphs only, as the bundled model."""
    if not (folder / WEIGHTS).is_file():
        raise NotFound(f"{folder} has graphs only, no {WEIGHTS}", cure="its graphs are checked when they are opened")
    return folder / WEIGHTS


def _read_state(folder: Path, manifest: ModelManifest) -> Mapping[str, Array]:
    """Return the weights of a folder, mapped, or taken out of its graphs where it has these only."""
    if (folder / WEIGHTS).is_file():
        return read_safetensors(folder / WEIGHTS)
    return state_of_graphs(folder, manifest)


def verify(folder: Path) -> None:
    """Compute the fingerprint from the weights and compare it with the stated one; `FormatError` when they differ."""
    manifest = read_model_manifest(folder)
    raw = raw_graphs(folder) if finished(manifest.spec) else read_tensors(_weights_file(folder))
    _require_same(folder, manifest, fingerprint(manifest.spec, raw, read_vocabulary(folder)))


def verify_weights(folder: Path, manifest: ModelManifest) -> None:
    """Do as `verify`, for a folder with weights, once for each file of weights; a changed tokenizer file is named."""
    check_recorded_tokenizer(folder, manifest)
    vocabulary = read_vocabulary(folder)
    facts = to_dict(manifest)
    stated_facts = json.dumps([facts["spec"], sorted(map(sha256_bytes, vocabulary.values()))], sort_keys=True)
    actual = remembered(
        folder / WEIGHTS,
        f"fingerprint {sha256_bytes(stated_facts.encode())}",
        lambda: fingerprint(manifest.spec, read_tensors(folder / WEIGHTS), vocabulary),
    )
    _require_same(folder, manifest, actual)


def _require_same(folder: Path, manifest: ModelManifest, actual: str) -> None:
    if actual != manifest.fingerprint and _before_heads(folder, manifest) != manifest.fingerprint:
        raise FormatError(
            f"{folder} states fingerprint {manifest.fingerprint} but its files have {actual}",
            cure="a file was changed or exchanged; fetch or save the model again",
        )


def _before_heads(folder: Path, manifest: ModelManifest) -> str:
    """Return the fingerprint as earlier versions made it: models saved by them keep theirs."""
    if finished(manifest.spec):
        return ""
    tensors, vocabulary = read_tensors(folder / WEIGHTS), read_vocabulary(folder)
    return fingerprint(manifest.spec, tensors, vocabulary, counted="before heads")


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return all of a model folder: numpy arrays, mapped from the file or taken out of the graphs, checked."""
    manifest = read_model_manifest(folder)
    if finished(manifest.spec):
        raise UsageError(f"{folder} holds finished graphs, no weights", cure="use it as it is; it cannot be converted")
    state, origin = _read_state(folder, manifest), manifest.origin
    check_state(manifest.spec, state, where=str(folder / WEIGHTS))
    if (folder / WEIGHTS).is_file():
        verify_weights(folder, manifest)
    else:
        origin = {**origin, "weights": f"those of the graphs of {manifest.fingerprint}"}
    card = folder / CARD
    return Checkpoint(
        spec=manifest.spec,
        state=state,
        tokenizer_files=read_vocabulary(folder),
        assumed=manifest.assumed,
        origin=origin,
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
    )


def load_towers(name_or_path: str | Path | None = None) -> "TwoTowers":
    """Return the `TwoTowers` of a model: float32, on the CPU, in evaluation mode.  Needs the extra "train".

    Those of a model that has graphs only, as the bundled one, hold the weights of its graphs.
    """
    folder = find_model(name_or_path)
    fit = resolve("wordsight.weights.tensors:fit", extra="train")
    manifest = read_model_manifest(folder)
    towers: TwoTowers = fit(manifest.spec, _read_state(folder, manifest), where=str(folder / WEIGHTS))
    if (folder / WEIGHTS).is_file():
        verify_weights(folder, manifest)
    return towers


def load_image_towers(name_or_path: str | Path | None = None) -> "TwoTowers":
    """Return what `load_towers` does, for the image tower alone.

    Where weights come out of graphs, those of the text tower are zeros: reading them takes most of the time.
    """
    folder = find_model(name_or_path)
    manifest = read_model_manifest(folder)
    if (folder / WEIGHTS).is_file():
        return load_towers(folder)
    state = state_of_graphs(folder, manifest, ("image",))
    blank = {name: np.zeros(shape, np.float32) for name, shape in shapes(manifest.spec).items()}
    fit = resolve("wordsight.weights.tensors:fit", extra="train")
    towers: TwoTowers = fit(manifest.spec, {**blank, **state}, where=str(folder / WEIGHTS))
    return towers


def save_model(
    towers: "TwoTowers", folder: Path, *, merges: str | None = None, card: str = "", dtype: str = "float32"
) -> ModelManifest:
    """Write `TwoTowers` as a model folder and return its manifest.

    `merges` is the text of merges.txt, needed for an own vocabulary.  `dtype` "float16" halves the size.
    """
    state = resolve("wordsight.weights.tensors:stored_state", extra="train")(towers, dtype)
    vocabulary = {} if merges is None else {MERGES: merges.encode()}
    return save_checkpoint(Checkpoint(towers.spec, state, vocabulary, card=card), folder)


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> ModelManifest:
    """Write a checkpoint as a model folder and return its manifest.

    Every weight is there exactly once with its right shape, and the tokenizer's file where there is one, or
    `ShapeMismatch` or `UsageError` says what is wrong.  Numbers keep their type but for float64, which becomes
    float32, and scale and bias, which are float32.  The folder is made whole beside its place and then moved
    there; an older model in that place, with its exported graphs, is replaced, and files that are not a
    model's are kept.
    """
    check_checkpoint(checkpoint)
    _check_target(folder)
    with atomic_folder(folder) as fresh:
        refuse_others(folder, fresh)
        manifest = fill_folder(checkpoint, fresh)
        _carry_over(folder, fresh)
    return manifest


def check_checkpoint(checkpoint: Checkpoint) -> None:
    """Raise `ShapeMismatch` or `UsageError` when a weight or the tokenizer's file is missing, left over or wrong."""
    _check_vocabulary(checkpoint)
    if not checkpoint.graphs:
        check_state(checkpoint.spec, checkpoint.state, where=checkpoint.origin.get("file", checkpoint.spec.name))


def _check_vocabulary(checkpoint: Checkpoint) -> None:
    wanted = vocabulary_file(checkpoint.spec.tokenizer)
    names = {name for name in (wanted,) if name is not None}
    if set(checkpoint.tokenizer_files) != names:
        if wanted and not checkpoint.tokenizer_files:
            raise UsageError(
                f"{checkpoint.origin.get('file', checkpoint.spec.name)} came without its tokenizer's {wanted}",
                cure=f"put it there, or give {wanted}: wordsight convert FILE DIR --to wordsight --tokenizer {wanted}",
            )
        tokenizer = f"tokenizer {checkpoint.spec.tokenizer.kind!r} ({checkpoint.spec.tokenizer.vocabulary!r})"
        given = ", ".join(sorted(checkpoint.tokenizer_files)) or "none"
        cure = (
            f"give {wanted} (wordsight convert: --tokenizer FILE) and no other"
            if wanted
            else 'give none, or set tokenizer.vocabulary = "own"'
        )
        raise UsageError(f"vocabulary files of {tokenizer}: {given}", cure=cure)


def fill_folder(checkpoint: Checkpoint, folder: Path) -> ModelManifest:
    """Write a checked checkpoint into an empty folder."""
    spec = checkpoint.spec
    for name, content in checkpoint.tokenizer_files.items():
        _write_bytes(folder / name, content)
    _write_bytes(folder / CARD, (checkpoint.card or f"# {spec.name}\n").encode())
    if checkpoint.graphs:
        take_in(checkpoint.graphs, folder)
        raw = raw_graphs(folder)
    else:
        write_safetensors(folder / WEIGHTS, checkpoint.state, kind=_stored_kind)
        raw = read_tensors(folder / WEIGHTS)
    manifest = ModelManifest(
        spec=spec,
        fingerprint=fingerprint(spec, raw, checkpoint.tokenizer_files),
        scale=_scale(checkpoint),
        bias=float(checkpoint.state["logit_bias"]) if "logit_bias" in checkpoint.state else spec.bias,
        precisions=(PRECISION,) if checkpoint.graphs else (),
        origin=dict(checkpoint.origin),
        assumed=tuple(checkpoint.assumed),
        files=_digests(folder, checkpoint),
    )
    write_model_manifest(folder, manifest)
    return manifest


def _digests(folder: Path, checkpoint: Checkpoint) -> dict[str, str]:
    """Return the SHA-256 of the tokenizer's files and of finished graphs with their tensors."""
    names = list(checkpoint.tokenizer_files)
    if checkpoint.graphs:
        names += [
            path.relative_to(folder).as_posix() for path in sorted((folder / ENGINES).rglob("*")) if path.is_file()
        ]
    return {name: digest_of(folder / name) for name in names}


def _scale(checkpoint: Checkpoint) -> float:
    if "logit_scale" not in checkpoint.state:
        return checkpoint.spec.scale
    scale = float(np.exp(np.float32(checkpoint.state["logit_scale"])))
    return min(scale, MAX_SCALE) if checkpoint.spec.loss == "softmax" else scale


def _stored_kind(array: Array) -> np.dtype[np.generic]:
    """Return the type a weight is stored in: its own, but float32 for scalars and for what is wider."""
    floating = array.dtype.kind == "f"
    return np.dtype(np.float32) if floating and (array.ndim == 0 or array.itemsize > 4) else array.dtype


def _write_bytes(path: Path, content: bytes) -> None:
    with atomic_write(path) as handle:
        handle.write(content)


def _check_target(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process is replacing it, as will be found
        if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
            raise UsageError(f"{folder} holds other files and no model", cure="choose an empty or a new folder")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", cure="choose a folder")


def _carry_over(folder: Path, fresh: Path) -> None:
    """Put what is not a model's into `fresh` as well, so that at no time anything is in neither."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name in (MANIFEST, WEIGHTS, CARD, ENGINES, *TOKENIZERS.values()):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, fresh / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(entry, fresh / entry.name)


def _link(path: str | Path, target: str | Path) -> None:
    """Give a file a second name, or copy it where the disk knows no such thing."""
    try:
        os.link(path, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, target, follow_symlinks=False)
