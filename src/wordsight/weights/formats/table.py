"""The formats: from any file or folder to a `Checkpoint`, and from a `Checkpoint` to any of them.

    checkpoint = read_any(Path("ViT-B-32.pt"))
    write_as(checkpoint, Path("out"), "huggingface")

Every format is a module with three functions:

    recognise(files: CheckpointFiles) -> bool                  by its files, keys and shapes
    read(files: CheckpointFiles) -> Checkpoint                 every key used exactly once
    write(checkpoint: Checkpoint, target: Path)      what the neighbour loads strictly; `UsageError` when it cannot

A new format is one file and one row.  Free of PyTorch.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.optional import resolve
from wordsight.weights.checkpoint import Checkpoint, some
from wordsight.weights.checkpoint_files import CheckpointFiles

# what a configuration of wrong types or impossible numbers leads to
FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, AssertionError, RecursionError)
# asked in this order: the first that recognises the files reads it
FORMATS = {
    "onnx-folder": "wordsight.weights.formats.onnxfolder.format",
    "huggingface": "wordsight.weights.formats.huggingface.format",
    "openclip": "wordsight.weights.formats.openclip.format",
    "openai": "wordsight.weights.formats.openai.format",
    "bigvision": "wordsight.weights.formats.bigvision.format",
    "eva": "wordsight.weights.formats.eva.format",
    "mobileclip": "wordsight.weights.formats.mobileclip.format",
    "perception": "wordsight.weights.formats.perception.format",
}


def read_any(path: Path, *, part: str = "") -> Checkpoint:
    """Return the model of a public checkpoint; files of no known format are a `FormatError`.

    `part` names the part of a training checkpoint that is wanted, such as "state_dict_ema".
    """
    files = CheckpointFiles(path, part=part)
    for name in FORMATS:
        if _ask(name, "recognise", files):
            checkpoint: Checkpoint = _ask(name, "read", files)
            return replace(checkpoint, assumed=(*checkpoint.assumed, *_parts(files, checkpoint)))
    names = list(files.tensors)
    raise FormatError(
        f"{files.weights} is of no known format; "
        + (f"its weights begin with {some(names)}" if names else "it holds no weights"),
        cure=f"known: {', '.join(FORMATS)}",
    )


def _parts(files: CheckpointFiles, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Say which part of a training checkpoint was taken, where there was a choice that nobody made."""
    if checkpoint.graphs or files.asked or not files.others:
        return ()
    return (
        f"the weights are those of {files.part}; the file also holds {' and '.join(files.others)} "
        f"(take them with --part {files.others[0]})",
    )


def write_as(checkpoint: Checkpoint, target: Path, name: str) -> None:
    """Write a model in a public format; `UsageError` when the format has no place for such towers."""
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}", cure=f"use one of {', '.join(FORMATS)}")
    _do(name, "write")(checkpoint, target)


def _ask(name: str, function: str, files: CheckpointFiles) -> Any:
    """Call a format's function; what it did not expect of a configuration is an error of the file's."""
    try:
        return _do(name, function)(files)
    except FAULTS as error:
        raise FormatError(
            f"{files.path} looks like {name} but is not: {type(error).__name__}: {str(error)[:200]}",
            cure="compare its configuration with that of a model that works",
        ) from error


def _do(name: str, function: str) -> Any:
    return resolve(f"{FORMATS[name]}:{function}")
