"""The formats: from any file or folder to a `Checkpoint`, and from a `Checkpoint` to any of them.

    checkpoint = read_any(Path("ViT-B-32.pt"))
    write_as(checkpoint, Path("out"), "huggingface")

Every format is a module with three functions:

    recognise(found: Found) -> bool                  by its files, keys and shapes
    read(found: Found) -> Checkpoint                 every key used exactly once
    write(checkpoint: Checkpoint, target: Path)      what the neighbour loads strictly; `UsageError` when it cannot

A new format is one file and one row.  Free of PyTorch.
"""

from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.optional import resolve
from wordsight.weights.checkpoint import Checkpoint, some
from wordsight.weights.found import Found

# asked in this order: the first that recognises a place reads it
FORMATS = {
    "onnx-folder": "wordsight.weights.formats.onnxfolder",
    "huggingface": "wordsight.weights.formats.huggingface",
    "openclip": "wordsight.weights.formats.openclip",
    "openai": "wordsight.weights.formats.openai",
    "bigvision": "wordsight.weights.formats.bigvision",
    "eva": "wordsight.weights.formats.eva",
    "mobileclip": "wordsight.weights.formats.mobileclip",
    "perception": "wordsight.weights.formats.perception",
}


def read_any(path: Path) -> Checkpoint:
    """Return the model of a public checkpoint; a place of no known format is a `FormatError`."""
    found = Found(path)
    for name in FORMATS:
        if _do(name, "recognise")(found):
            checkpoint: Checkpoint = _do(name, "read")(found)
            return checkpoint
    raise FormatError(
        f"{found.weights} is of no known format; its weights begin with {some(list(found.tensors))}",
        cure=f"known: {', '.join(FORMATS)}",
    )


def write_as(checkpoint: Checkpoint, target: Path, name: str) -> None:
    """Write a model in a public format; `UsageError` when the format has no place for such towers."""
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}", cure=f"use one of {', '.join(FORMATS)}")
    _do(name, "write")(checkpoint, target)


def _do(name: str, function: str) -> Any:
    return resolve(f"{FORMATS[name]}:{function}")
