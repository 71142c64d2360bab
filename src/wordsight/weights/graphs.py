"""Models whose towers are finished ONNX graphs: their files in our model folder, and what is hashed of them.

Knows neither what is in a graph nor how one is run.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.base.reading import open_regular
from wordsight.weights.fingerprint import RawTensor

TOWERS = ("image", "text")
GRAPH = "model.onnx"
PRECISION = "fp32"
# what lies beside a graph and is not its tensors: settings, vocabularies, the graph compiled for other machines
ASIDE = {".json", ".txt", ".md", ".model", ".onnx", ".ort", ".armnn", ".rknn", ".engine"}


def graph_files(folder: Path) -> dict[str, Path]:
    """Return the graphs of a model folder's `onnx/`, by tower; each lies in a folder of its own with its tensors."""
    return {tower: folder / "onnx" / tower / GRAPH for tower in TOWERS}


def take_in(graphs: Mapping[str, Path], folder: Path) -> None:
    """Link or copy graphs into `folder`'s `onnx/`, with the files beside them that may hold their large tensors.

    A graph names those files itself, so they keep their names.
    """
    for tower, target in graph_files(folder).items():
        target.parent.mkdir(parents=True)
        _bring(graphs[tower], target)
        for path in sorted(graphs[tower].parent.iterdir()):
            if path.is_file() and path.suffix not in ASIDE:
                _bring(path, target.parent / path.name)


def raw_graphs(folder: Path) -> Iterator[RawTensor]:
    """Yield what a model folder's `onnx/` holds, for the fingerprint; file by file, mapped."""
    for path in sorted(path_of for tower in TOWERS for path_of in (folder / "onnx" / tower).iterdir()):
        size = path.stat().st_size
        if not size:
            raise FormatError(f"{path} is empty", cure="fetch the model again")
        with open_regular(path) as handle, mmap(handle.fileno(), 0, access=ACCESS_READ) as content:
            yield RawTensor(path.relative_to(folder / "onnx").as_posix(), "U8", (size,), content)


def _bring(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
