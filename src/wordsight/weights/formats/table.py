"""The formats: from any file or folder to a `Checkpoint`, and from a `Checkpoint` to any of them.

    checkpoint = read_any(Path("ViT-B-32.pt"))
    write_as(checkpoint, Path("out"), "huggingface")

A new format is a folder with a `format.py`, and a row here.  Free of PyTorch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.base.errors import FormatError, UsageError
from wordsight.weights.checkpoint import Checkpoint, check_state, some
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.bigvision import format as bigvision
from wordsight.weights.formats.eva import format as eva
from wordsight.weights.formats.huggingface import format as huggingface
from wordsight.weights.formats.mobileclip import format as mobileclip
from wordsight.weights.formats.onnxfolder import format as onnxfolder
from wordsight.weights.formats.openai import format as openai
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.perception import format as perception

# what a configuration of wrong types or impossible numbers leads to
FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, AssertionError, RecursionError)


@dataclass(frozen=True, slots=True)
class Format:
    """A public format.

    `recognise` goes by files, keys and shapes, never by a name.  `read` uses every key exactly once, or raises;
    that the weights are all those of the spec is checked here.
    `write` makes what the neighbour loads strictly, in a folder or as the file that is named; it raises `UsageError`
    before anything is written where the format has no place for such towers.  None: nothing is written.
    """

    recognise: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], Checkpoint]
    write: Callable[[Checkpoint, Path], None] | None = None


# asked in this order: the first that recognises the files reads them
FORMATS: dict[str, Format] = {
    "onnx-folder": Format(onnxfolder.recognise, onnxfolder.read),
    "huggingface": Format(huggingface.recognise, huggingface.read, huggingface.write),
    "openclip": Format(openclip.recognise, openclip.read, openclip.write),
    "openai": Format(openai.recognise, openai.read, openai.write),
    "bigvision": Format(bigvision.recognise, bigvision.read, bigvision.write),
    "eva": Format(eva.recognise, eva.read, eva.write),
    "mobileclip": Format(mobileclip.recognise, mobileclip.read, mobileclip.write),
    "perception": Format(perception.recognise, perception.read, perception.write),
}


def read_any(path: Path, *, part: str = "") -> Checkpoint:
    """Return the model of a public checkpoint; files of no known format are a `FormatError`.

    `part` names the part of a training checkpoint that is wanted, such as "state_dict_ema".
    """
    files = CheckpointFiles(path, part=part)
    for name, row in FORMATS.items():
        with _faults(name, files):
            if row.recognise(files):
                checkpoint = row.read(files)
                if not checkpoint.graphs:
                    check_state(checkpoint.spec, checkpoint.state, where=str(files.weights))
                return replace(checkpoint, assumed=(*checkpoint.assumed, *_parts(files, checkpoint)))
    names = list(files.tensors)
    raise FormatError(
        f"{files.weights} is of no known format; "
        + (f"its weights begin with {some(names)}" if names else "it holds no weights"),
        cure=f"known: {', '.join(FORMATS)}",
    )


def written() -> tuple[str, ...]:
    """Return the names of the formats that models are written in."""
    return tuple(name for name, row in FORMATS.items() if row.write is not None)


def write_as(checkpoint: Checkpoint, target: Path, name: str) -> None:
    """Write a model in a public format; `UsageError` when the format has no place for such towers."""
    write = FORMATS[name].write if name in FORMATS else None
    if write is None:
        why = "cannot be written" if name in FORMATS else "is unknown"
        raise UsageError(f"format {name!r} {why}", cure=f"use one of {', '.join(written())}")
    write(checkpoint, target)


def _parts(files: CheckpointFiles, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return which part of a training checkpoint was read, where there was a choice that nobody made."""
    if checkpoint.graphs or files.asked or not files.others:
        return ()
    return (
        f"the weights are those of {files.part}; the file also holds {' and '.join(files.others)} "
        f"(take them with --part {files.others[0]})",
    )


@contextmanager
def _faults(name: str, files: CheckpointFiles) -> Iterator[None]:
    """Raise what a format did not expect of a configuration as an error of the files."""
    try:
        yield
    except FAULTS as error:
        raise FormatError(
            f"{files.path} looks like {name} but is not: {type(error).__name__}: {str(error)[:200]}",
            cure="compare its configuration with that of a model that works",
        ) from error
