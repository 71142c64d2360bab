"""Public checkpoints as folders of ours: each is converted once, into the cache.

    folder = converted(Path("ViT-B-32.pt"))

The cache (`base.cache`) is asked by path, and by size and time of every file that the
model is made of, so a changed file is converted again.  Free of PyTorch.
"""

import json
from dataclasses import replace
from pathlib import Path

from wordsight import __version__
from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import UnknownModel
from wordsight.base.files import atomic_folder, plain_name, sha256_bytes, storage_errors
from wordsight.base.optional import resolve
from wordsight.base.progress import notice
from wordsight.weights.archive.table import SUFFIXES
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.find import MANIFEST
from wordsight.weights.folder import check_checkpoint, fill_folder

CONVERSION = 1  # raised when formats are read differently, so that nothing old is used
BESIDE = (".json", ".txt", ".model")  # configuration and vocabularies, looked for beside a file of weights
MODEL_FILES = (*SUFFIXES, *BESIDE, ".onnx", ".onnx_data", ".data")
WEIGHTS = (*SUFFIXES, ".onnx")
KEPT = "converted models"


def converted(path: Path, *, name: str = "") -> Path:
    """Return our folder of the public checkpoint at `path` (a file or a folder), converting it at first.

    `name` is what the model is called, where the path does not say it.  What the file did not determine is
    printed on standard error, once.
    """
    target = cache_folder() / "models" / f"{plain_name(name or path.name, otherwise='model')}-{_key(path, name)}"
    with cache_errors(KEPT), storage_errors(target):
        if (target / MANIFEST).is_file():
            return target
    checkpoint: Checkpoint = resolve("wordsight.weights.formats.table:read_any")(path)  # a kept one needs no format
    if name:
        checkpoint = replace(checkpoint, spec=replace(checkpoint.spec, name=name))
    origin = {**checkpoint.origin, "path": str(path.absolute())}
    checkpoint = replace(checkpoint, origin=origin)
    check_checkpoint(checkpoint)
    with cache_errors(KEPT), atomic_folder(target, mark=MANIFEST) as draft:
        manifest = fill_folder(checkpoint, draft)
    notice(f"{path} is read as {manifest.origin.get('format', 'a model')} and kept as {target}")
    for sentence in manifest.assumed:
        notice(f"assumed: {sentence}")
    return target


def holds_model(path: Path) -> bool:
    """Return whether a file or folder has files as models are stored in."""
    if path.is_file():
        return path.suffix in WEIGHTS or path.name.endswith(".index.json")
    return any(file.suffix in WEIGHTS for file in _files(path))


def require_model(path: Path) -> None:
    """Raise `UnknownModel` unless `holds_model`."""
    if not path.is_file() and not path.is_dir():
        raise UnknownModel(f"{path} is a pipe, socket or device", cure="models are read from files and folders only")
    if not holds_model(path):
        kind = "has no file that models are stored in" if path.is_dir() else "is a file that models are not stored in"
        raise UnknownModel(f"{path} {kind}", cure=f"known: {', '.join(WEIGHTS)}")


def _key(path: Path, name: str) -> str:
    """Sixteen digits that change with anything the model is made of."""
    files = [path, *(p for p in _files(path.parent) if p.suffix in BESIDE)] if path.is_file() else _files(path)
    stats = [(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    text = json.dumps([CONVERSION, __version__, str(path.absolute()), name, sorted(stats)])
    return sha256_bytes(text.encode("utf-8", "surrogateescape"))[:16]


def _files(folder: Path) -> list[Path]:
    """Return the model's files in a folder and in those one below, as ONNX exports have them."""
    paths = [*folder.glob("*"), *folder.glob("*/*")]
    return sorted(path for path in paths if path.suffix in MODEL_FILES and path.is_file())
