"""The formats: from any file or folder to a `Checkpoint`, and from a `Checkpoint` to any of them.

    checkpoint = read_any(Path("ViT-B-32.pt"))
    write_as(checkpoint, Path("out"), "huggingface")

Every format is a module with three functions:

    recognise(found: CheckpointFiles) -> bool                  by its files, keys and shapes
    read(found: CheckpointFiles) -> Checkpoint                 every key used exactly once
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
# asked in this order: the first that recognises a place reads it
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
    """Return the model of a public checkpoint; a place of no known format is a `FormatError`.

    `part` names the part of a training checkpoint that is wanted, such as "state_dict_ema".
    """
    found = CheckpointFiles(path, part=part)
    for name in FORMATS:
        if _ask(name, "recognise", found):
            checkpoint: Checkpoint = _ask(name, "read", found)
            return replace(checkpoint, assumed=(*checkpoint.assumed, *_parts(found, checkpoint)))
    names = list(found.tensors)
    raise FormatError(
        f"{found.weights} is of no known format; "
        + (f"its weights begin with {some(names)}" if names else "it holds no weights"),
        cure=f"known: {', '.join(FORMATS)}",
    )


def _parts(found: CheckpointFiles, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Say which part of a training checkpoint was taken, where there was a choice that nobody made."""
    if checkpoint.graphs or found.asked or not found.others:
        return ()
    return (
        f"the weights are those of {found.part}; the file also holds {' and '.join(found.others)} "
        f"(take them with --part {found.others[0]})",
    )


def write_as(checkpoint: Checkpoint, target: Path, name: str) -> None:
    """Write a model in a public format; `UsageError` when the format has no place for such towers."""
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}", cure=f"use one of {', '.join(FORMATS)}")
    _do(name, "write")(checkpoint, target)


def _ask(name: str, function: str, found: CheckpointFiles) -> Any:
    """Call a format's function; what it did not expect of a configuration is an error of the file's."""
    try:
        return _do(name, function)(found)
    except FAULTS as error:
        raise FormatError(
            f"{found.path} looks like {name} but is not: {type(error).__name__}: {str(error)[:200]}",
            cure="compare its configuration with that of a model that works",
        ) from error


def _do(name: str, function: str) -> Any:
    return resolve(f"{FORMATS[name]}:{function}")
