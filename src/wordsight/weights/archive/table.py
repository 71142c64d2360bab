"""Containers of tensors: which reader opens a file.  A file is known by how it begins, not by its name.

    read_tree(Path("checkpoint.pt"))              # nested plain values, tensors as `StoredTensor`
    read_tree(Path("model.safetensors.index.json"))   # the tensors of all its files

Nothing of any file is executed; what is refused and why is in docs/weights.md.
"""

from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import read_json, require_content
from wordsight.base.reading import open_regular
from wordsight.weights.archive.npz import SUFFIX, npz_tree
from wordsight.weights.archive.safe import read_safetensors
from wordsight.weights.archive.torchread import START, is_legacy, read_torch_tree, zip_tree
from wordsight.weights.archive.zips import Zip

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".npz", ".tar")
INDEX = ".index.json"
MOST_INDEX = 16 * 2**20  # bytes of an index, a list of names


def read_tree(path: Path) -> Any:
    """Return what a file of weights holds; one of no known kind is a `FormatError`."""
    if path.name.endswith(INDEX):
        return _indexed(path)
    if not path.is_file():
        raise NotFound(f"no file {path}", cure="check the path")
    require_content(path)
    with open_regular(path) as handle:
        start = handle.read(START)
    if start[:2] == b"PK":
        archive = Zip(path)
        arrays = bool(archive.names) and all(name.endswith(SUFFIX) for name in archive.names)
        return npz_tree(archive) if arrays else zip_tree(archive)
    if is_legacy(start):
        return read_torch_tree(path)
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return read_safetensors(path).stored
    if not start:
        raise FormatError(f"{path} is empty", cure="fetch it again")
    raise FormatError(
        f"{path} is of no kind that weights are stored in: it begins with {start[:8]!r}",
        cure="known: safetensors, PyTorch's files (zip, TorchScript, before 1.6), npz",
    )


def _indexed(path: Path) -> dict[str, Any]:
    """Return the tensors of the files that an index lists, each from the file that it says."""
    if path.stat().st_size > MOST_INDEX:
        raise FormatError(
            f"{path} has {path.stat().st_size} bytes, too many for a list of names", cure="fetch it again"
        )
    values = read_json(path)
    file_of = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(file_of, dict) or not file_of or not all(isinstance(name, str) for name in file_of.values()):
        raise FormatError(f"{path} has no weight_map from names to files", cure="fetch the model again")
    entries: dict[str, Any] = {}
    for name in sorted(set(file_of.values())):
        if Path(name).name != name or "\\" in name or "\0" in name or ":" in name or name.endswith(INDEX):
            raise FormatError(
                f"{path} points to {name[:80]!r}, which is no file beside it",
                cure="use weights from a source you trust",
            )
        shard = read_tree(path.parent / name)
        listed = {tensor for tensor, file in file_of.items() if file == name}
        if not isinstance(shard, dict) or set(shard) != listed:
            raise FormatError(f"{path.parent / name} does not hold what {path.name} says", cure="fetch the model again")
        entries.update(shard)
    return entries
