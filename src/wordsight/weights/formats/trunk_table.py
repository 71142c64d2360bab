"""The formats of towers that come alone: from a file or folder to an `ImageTrunk`.

    trunk = read_image_trunk(Path("efficientnet-lite0-57934424.pth"))

A new format is a folder with a `format.py`, and a row here.  Free of PyTorch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.weights.checkpoint import some
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.efficientnet import format as efficientnet
from wordsight.weights.trunk import ImageTrunk


@dataclass(frozen=True, slots=True)
class ImageTrunkFormat:
    """A format of image towers: `recognise` goes by names and shapes, `read` uses every weight once or names it."""

    recognise: Callable[[CheckpointFiles], bool]
    read: Callable[[CheckpointFiles], ImageTrunk]


# asked in this order
IMAGE_TRUNKS: dict[str, ImageTrunkFormat] = {
    "efficientnet": ImageTrunkFormat(efficientnet.recognise, efficientnet.read),
}


def read_image_trunk(path: Path) -> ImageTrunk:
    """Return the image tower in a file or folder; one of no known format is a `FormatError`."""
    files = CheckpointFiles(path)
    for row in IMAGE_TRUNKS.values():
        if row.recognise(files):
            return row.read(files)
    raise FormatError(
        f"{files.weights} holds no image tower of a known format; its weights begin with {some(list(files.tensors))}",
        cure=f"known: {', '.join(IMAGE_TRUNKS)}",
    )
