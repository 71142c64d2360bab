"""Which reader opens which file."""

from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.weights.archive.lazy import Tensors
from wordsight.weights.archive.safe import read_safetensors

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar", ".npz")


def read_archive(path: Path) -> Tensors:
    """Return the tensors of a file."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    raise FormatError(f"{path} is of no kind that weights are stored in", cure=f"known: {', '.join(SUFFIXES)}")
