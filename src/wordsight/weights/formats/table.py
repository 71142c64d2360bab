"""The formats: from any file or folder to a `Checkpoint`, and from a `Checkpoint` to any of them.

    checkpoint = read_any(Path("ViT-B-32.pt"))
    write_as(checkpoint, Path("out"), "huggingface")

A new format is a folder with a `format.py`, and a row here.  Free of PyTorch.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.base.errors import FormatError, StorageError, UsageError
from wordsight.base.files import new_folder
from wordsight.base.progress import notice, silent
from wordsight.weights.checkpoint import Checkpoint, check_state, some
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.bigvision import format as bigvision
from wordsight.weights.formats.eva import format as eva
from wordsight.weights.formats.families import ELSEWHERE
from wordsight.weights.formats.huggingface import format as huggingface
from wordsight.weights.formats.mobileclip import format as mobileclip
from wordsight.weights.formats.onnxfolder import format as onnxfolder
from wordsight.weights.formats.openai import format as openai
from wordsight.weights.formats.openclip import format as openclip
from wordsight.weights.formats.perception import format as perception
from wordsight.weights.formats.trunks.clip_text import TORCH_FILES
from wordsight.weights.licences import with_licence

# what a configuration of wrong types or impossible numbers leads to
FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, AssertionError, RecursionError)


Writer = Callable[[Checkpoint, Path], None]


class UnknownFormat(FormatError):
    """A file or folder that no format recognises."""


@dataclass(frozen=True, slots=True)
class Format:
    """A public format.

    `recognise` goes by files, keys and shapes, never by a name.  `read` uses every key exactly once, or raises;
    that the weights are all those of the spec is checked here.
    `write` makes what the neighbour loads strictly, in a folder or as the file that is named; it raises `UsageError`
    before anything is written where the format has no place for such towers.  None: nothing is written.
    `endings`: a target that ends so is one file; any other is a folder, which is given empty.
    """

    recognise: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], Checkpoint]
    write: Writer | None = None
    endings: tuple[str, ...] = ()


# asked in this order: the first that recognises the files reads them
FORMATS: dict[str, Format] = {
    "onnx-folder": Format(onnxfolder.recognise, onnxfolder.read),
    "huggingface": Format(huggingface.recognise, huggingface.read, huggingface.write),
    "openclip": Format(openclip.recognise, openclip.read, openclip.write),
    "openai": Format(openai.recognise, openai.read, openai.write, (openai.SUFFIX,)),
    "bigvision": Format(bigvision.recognise, bigvision.read, bigvision.write, (bigvision.SUFFIX,)),
    "eva": Format(eva.recognise, eva.read, eva.write, TORCH_FILES),
    "mobileclip": Format(mobileclip.recognise, mobileclip.read, mobileclip.write, TORCH_FILES),
    "perception": Format(perception.recognise, perception.read, perception.write, TORCH_FILES),
}


def read_any(path: Path, *, part: str = "") -> Checkpoint:
    """Return the model of a public checkpoint; files of no known format are a `FormatError`.

    `part` names the part of a training checkpoint that is wanted, such as "state_dict_ema".
    """
    name, files = _recognised(CheckpointFiles(path, part=part))
    with _faults(name, files):
        checkpoint = FORMATS[name].read(files)
        if not checkpoint.graphs:
            check_state(checkpoint.spec, checkpoint.state, where=str(files.weights))
    if not checkpoint.graphs and files.prefix:
        notice(f"all weights in {files.weights} are named {files.prefix}…; that beginning is left out", once=True)
    checkpoint = with_licence(checkpoint, files.folder)
    return replace(checkpoint, assumed=(*checkpoint.assumed, *_parts(files, checkpoint)))


def _recognised(files: CheckpointFiles) -> tuple[str, CheckpointFiles]:
    """Return the format of files and the files, or the first module among their weights that is a model."""
    name = _format(files)
    if name:
        return name, files
    for inside in files.wrapped():
        name = _format(inside)
        if name:
            return name, inside
    names = list(files.tensors)
    raise UnknownFormat(
        f"{files.weights} is of no known format; "
        + (f"its weights begin with {some(names)}" if names else "it holds no weights"),
        cure=f"known: {', '.join(FORMATS)}",
    )


def _format(files: CheckpointFiles) -> str:
    """Return the name of the first format that recognises files, "" for none."""
    for name, row in FORMATS.items():
        with _faults(name, files):
            if row.recognise(files):
                return name
    return ""


def written() -> tuple[str, ...]:
    """Return the names of the formats that models are written in."""
    return tuple(name for name, row in FORMATS.items() if row.write is not None)


def write_as(checkpoint: Checkpoint, target: Path, name: str) -> None:
    """Write a model in a public format; `UsageError` where it has no place for it, which names those that have."""
    write = FORMATS[name].write if name in FORMATS else None
    if write is None:
        why = "cannot be written" if name in FORMATS else "is unknown"
        raise UsageError(f"format {name!r} {why}", cure=f"use one of {', '.join(written())}")
    if target.suffix in FORMATS[name].endings and not target.is_dir():
        _write(write, checkpoint, target)
        return
    with new_folder(target) as draft:
        _write(write, checkpoint, draft)


def _write(write: Writer, checkpoint: Checkpoint, target: Path) -> None:
    try:
        write(checkpoint, target)
    except UsageError as error:
        if not error.cure.startswith(ELSEWHERE):
            raise
        others = [name for name in written() if holds(checkpoint, name)]
        cure = f"use --to {' or '.join(others)}" if others else "no public format has: use --to wordsight or --to onnx"
        raise UsageError(error.problem, cure=cure + error.cure.removeprefix(ELSEWHERE)) from None


def holds(checkpoint: Checkpoint, name: str) -> bool:
    """Say whether a public format has a place for a model: whether its `write` gets as far as the first file."""
    write = FORMATS[name].write
    assert write is not None
    with tempfile.NamedTemporaryFile() as file, silent():
        try:
            write(checkpoint, Path(file.name) / "below a file, where nothing can be made")
        except UsageError:
            return False
        except (OSError, StorageError):
            return True
    raise AssertionError(f"{name} wrote below a file")


def _parts(files: CheckpointFiles, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return which part of a training checkpoint was read, where there was a choice that nobody made."""
    if files.beside:
        counts = Counter(name.partition(".")[0] for name in files.beside)
        others = some([f"{name} ({count})" for name, count in counts.most_common()])
        return (f"the weights are those of {files.part}, beside which lie others that are left out: {others}",)
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
