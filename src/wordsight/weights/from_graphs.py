"""The weights of a model folder that holds graphs only, as the bundled model does: taken out of the graphs again.

    state = state_of_graphs(folder, manifest)      # names and shapes of the towers, float32

Integers are widened by their scales, so towers of these weights give the graphs' embeddings but for what is lost by
computing in integers.  Needs the package `onnx`, no PyTorch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.errors import NotFound
from wordsight.base.optional import resolve
from wordsight.towers.families import native
from wordsight.towers.graph.precision import Precision
from wordsight.weights.checkpoint import Array
from wordsight.weights.graphs import TOWERS
from wordsight.weights.unchanged import check_recorded

if TYPE_CHECKING:
    from wordsight.weights.manifest import ModelManifest

FINEST: tuple[Precision, ...] = ("fp32", "fp16", "int8")
READ_BACK = "wordsight.towers.graph.read_back:read_back"


def graph_name(tower: str, precision: str) -> str:
    """Return the name of a graph within a model folder."""
    return f"onnx/{tower}.{precision}.onnx"


def precision_of_graphs(folder: Path, manifest: "ModelManifest") -> Precision:
    """Return the finest precision that a folder has graphs of native towers in; without any, a `NotFound`."""
    for precision in FINEST:
        if native(manifest.spec) and all((folder / graph_name(tower, precision)).is_file() for tower in TOWERS):
            return precision
    why = (
        "and no graphs"
        if native(manifest.spec)
        else "and those of another package's towers are not taken out of graphs"
    )
    cure = "restore weights.safetensors, or use its graphs: engine onnx, device cpu"
    raise NotFound(f"{folder} has no weights, {why}", cure=cure)


def state_of_graphs(folder: Path, manifest: "ModelManifest", towers: Sequence[str] = TOWERS) -> dict[str, Array]:
    """Return the weights of towers, both if none is named, with scale and bias, from a folder's finest graphs."""
    precision = precision_of_graphs(folder, manifest)
    state: dict[str, Array] = {}
    for tower in towers:
        name = graph_name(tower, precision)
        check_recorded(folder, manifest.files, name)
        state |= resolve(READ_BACK, extra="models")(folder / name, manifest.spec, tower)
    state["logit_scale"] = np.log(np.float32(manifest.scale))
    if manifest.bias is not None:
        state["logit_bias"] = np.array(manifest.bias, np.float32)
    return state
