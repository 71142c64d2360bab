"""Models whose towers are finished ONNX graphs: their files in our model folder, and what is hashed of them.

Knows neither what is in a graph nor how one is run.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.weights.fingerprint import RawTensor

TOWERS = ("image", "text")
PRECISION = "fp32"  # what their files are called in our folder


def graph_files(folder: Path) -> dict[str, Path]:
    """Return the graphs of a model folder's `onnx/`, by tower."""
    return {tower: folder / "onnx" / f"{tower}.{PRECISION}.onnx" for tower in TOWERS}


def beside(graph: Path) -> list[Path]:
    """Return the files that hold a graph's large tensors: those called like it with something after."""
    names = {f"{graph.stem}.onnx_data", f"{graph.stem}.data", f"{graph.stem}.weights"}
    return sorted(
        path
        for path in graph.parent.iterdir()
        if path != graph and path.is_file() and (path.name in names or path.name.startswith(f"{graph.name}."))
    )


def take_in(graphs: Mapping[str, Path], folder: Path) -> None:
    """Link or copy graphs, with the files beside them, into `folder`'s `onnx/`."""
    places = graph_files(folder)
    (folder / "onnx").mkdir()
    for tower, graph in graphs.items():
        _bring(graph, places[tower])
        for path in beside(graph):
            if (folder / "onnx" / path.name).exists():
                raise FormatError(
                    f"both graphs keep their tensors in a file called {path.name}",
                    cure="export the model with one file for each graph",
                )
            _bring(path, folder / "onnx" / path.name)


def raw_graphs(folder: Path) -> Iterator[RawTensor]:
    """Yield what a model folder's `onnx/` holds, for the fingerprint; file by file, mapped."""
    graphs = {path.name: f"{tower}.onnx" for tower, path in graph_files(folder).items()}
    for path in sorted((folder / "onnx").iterdir()):
        if path.suffix == ".json":  # reports on the graphs
            continue
        size = path.stat().st_size
        if not size:
            raise FormatError(f"{path} is empty", cure="fetch the model again")
        with path.open("rb") as handle, mmap(handle.fileno(), 0, access=ACCESS_READ) as content:
            yield RawTensor(graphs.get(path.name, path.name), "U8", (size,), content)


def _bring(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
