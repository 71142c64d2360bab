"""From weights to the graph of a tower: `build_graph(source, "image", "int8")` is a serialised ONNX model.

Free of PyTorch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.towers.families import image_family, text_family
from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.precision import SUMS, Precision
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.spec import ModelSpec

ASIDE = ("visual.", "logit_")  # what is not the text tower's
TOWERS = ("image", "text")


@dataclass(frozen=True, slots=True)
class GraphSource:
    """What graphs are made of: a spec and its weights, and the fingerprint that names them."""

    spec: ModelSpec
    state: Mapping[str, Array]
    fingerprint: str = ""


def writes(spec: ModelSpec, tower: str) -> bool:
    """Can the graph of a tower be written from its weights?  Those of other packages are traced instead."""
    return bool(_writer(spec, tower))


def _writer(spec: ModelSpec, tower: str) -> str:
    return image_family(spec.image).graph if tower == "image" else text_family(spec.text).graph


def build_graph(source: GraphSource, tower: str, precision: Precision, *, keep: Collection[str] = ()) -> bytes:
    """Return one serialised graph: tower "image" takes "pixels", tower "text" takes "tokens", both give "rows".

    `keep` names linear layers that stay in float32 in an int8 graph.
    """
    graph = fill(Graph(precision, keep=keep), source, tower)
    return graph.model(_metadata(source, tower, precision))


def write_graph(
    path: Path, source: GraphSource, tower: str, precision: Precision, *, keep: Collection[str] = ()
) -> None:
    """Write one graph to `path`, constants too large for it beside it."""
    graph = fill(Graph(precision, keep=keep), source, tower)
    graph.save(path, _metadata(source, tower, precision))


def fill(graph: Graph, source: GraphSource, tower: str) -> Graph:
    """Add a tower to an empty graph; weights that are missing or left over are a `FormatError`."""
    spec, state = source.spec, source.state
    if tower == "image":
        weights = GraphWeights({name: array for name, array in state.items() if name.startswith("visual.")})
    else:
        weights = GraphWeights({name: array for name, array in state.items() if not name.startswith(ASIDE)})
    resolve(_writer(spec, tower))(graph, weights, getattr(spec, tower), spec)
    weights.check_all_read()
    unknown = sorted(graph.keep - set(graph.layers))
    if unknown:
        raise UsageError(
            f"no layer {', '.join(unknown)} in the {tower} tower", cure=f"its layers are {', '.join(graph.layers)}"
        )
    return graph


def _metadata(source: GraphSource, tower: str, precision: str) -> dict[str, str]:
    """Return what a graph says of itself."""
    metadata = {"tower": tower, "precision": precision, "model": source.spec.name}
    sums = {"sums": SUMS} if precision == "int8" else {}
    return {"fingerprint": source.fingerprint, **metadata, **sums}
