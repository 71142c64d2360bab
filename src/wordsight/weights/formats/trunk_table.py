"""The formats of towers that come alone: from a file or folder to an `ImageTrunk` or a `TextTrunk`.

    trunk = read_image_trunk(Path("efficientnet-lite0-57934424.pth"))
    trunk = read_text_trunk(Path("all-MiniLM-L6-v2"))

A new format is a folder with a `format.py`, and a row here.  Free of PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.weights.checkpoint import some
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.bert import format as bert
from wordsight.weights.formats.efficientnet import format as efficientnet
from wordsight.weights.sentence_transformers import sentence_encoder
from wordsight.weights.trunk import ImageTrunk, TextTrunk


@dataclass(frozen=True, slots=True)
class ImageTrunkFormat:
    """A format of image towers: `recognise` goes by names and shapes, `read` uses every weight once or names it."""

    recognise: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], ImageTrunk]


@dataclass(frozen=True, slots=True)
class TextTrunkFormat:
    """A format of text towers: `recognise` goes by the files, `read` uses every weight once or names it."""

    recognise: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], TextTrunk]


# asked in this order
IMAGE_TRUNKS: dict[str, ImageTrunkFormat] = {
    "efficientnet": ImageTrunkFormat(efficientnet.recognise, efficientnet.read),
}

TEXT_TRUNKS: dict[str, TextTrunkFormat] = {
    "bert": TextTrunkFormat(bert.recognise, bert.read),
}


class UnknownTrunk(FormatError):
    """A file or folder that holds no tower of a known format."""


def read_image_trunk(path: Path) -> ImageTrunk:
    """Return the image tower in a file or folder; one of no known format is an `UnknownTrunk`."""
    files = CheckpointFiles(path)
    for row in IMAGE_TRUNKS.values():
        if row.recognise(files):
            return row.read(files)
    raise UnknownTrunk(
        f"{files.weights} holds no image tower of a known format; its weights begin with {some(list(files.tensors))}",
        cure=f"known: {', '.join(IMAGE_TRUNKS)}",
    )


def read_text_trunk(path: Path) -> TextTrunk:
    """Return the text tower in a folder of transformers or sentence-transformers; another is an `UnknownTrunk`."""
    encoder = sentence_encoder(path) if path.is_dir() else None
    files = CheckpointFiles(path, folder=None if encoder is None else encoder.folder)
    for row in TEXT_TRUNKS.values():
        if row.recognise(files):
            return row.read(files)
    kind = (files.json("config.json") or {}).get("model_type")
    stated = f"its config.json says {kind!r}" if kind else "there is no config.json that says which"
    raise UnknownTrunk(f"{path} holds no text tower of a known kind: {stated}", cure=f"known: {', '.join(bert.FIELDS)}")
