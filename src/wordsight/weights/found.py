"""A file or folder that somebody calls a model, before anybody knows its format.  Free of PyTorch.

    found = Found(Path("folder or file"))
    found.json("open_clip_config.json")     # dict, or None
    found.tensors                           # name -> array, read when first asked for

Knows which files of a folder hold weights and how each container is read; not what the names in it mean.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import read_json
from wordsight.weights.archive.table import SUFFIXES, read_archive
from wordsight.weights.checkpoint import Array

# in order of preference; the names in use are those of open_clip's and Hugging Face's hubs
WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors.index.json",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)


class Found:
    """One place on disk: `path` as given, `folder` where files beside the weights are looked for."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotFound(f"no file or folder {path}", cure="check the path")
        self.path = path
        self.folder = path if path.is_dir() else path.parent

    def file(self, name: str) -> Path | None:
        """Return a file of the folder, or None."""
        path = self.folder / name
        return path if path.is_file() else None

    def json(self, name: str) -> dict[str, Any] | None:
        """Return a JSON file of the folder, or None; one that is no JSON object is a `FormatError`."""
        path = self.file(name)
        if path is None:
            return None
        values = read_json(path)
        if not isinstance(values, dict):
            raise FormatError(f"{path} holds no JSON object", cure="fetch the model again")
        return values

    @cached_property
    def weights(self) -> Path:
        """The file that holds the weights; none is a `NotFound`."""
        if self.path.is_file():
            return self.path
        for name in WEIGHT_FILES:
            if (self.folder / name).is_file():
                return self.folder / name
        alone = sorted(path for path in self.folder.iterdir() if path.suffix in SUFFIXES)
        if len(alone) == 1:
            return alone[0]
        names = ", ".join(path.name for path in alone) or "none"
        raise NotFound(f"{self.folder} does not hold one file of weights ({names})", cure="name the file itself")

    @cached_property
    def tensors(self) -> Mapping[str, Array]:
        """The tensors of the weights file under its own names."""
        return read_archive(self.weights)
