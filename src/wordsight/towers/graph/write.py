"""From weights to the graph of a tower: `build_graph(source, "image", "int8")` is a serialised ONNX model.

Free of PyTorch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.towers.families import image_family, text_family
from wordsight.towers.graph.operators import Array, Graph, TableBits
from wordsight.towers.graph.precision import SUMS, Precision
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.spec import ModelSpec

ASIDE = ("visual.", "logit_")  # what is not the text tower's
TOWERS = ("image", "text")


@dataclass(frozen=True, slots=True)
class GraphSource:
    """What graphs are made of: a spec and its weights, and the fingerprint that names them.

    `reach` and `table_bits` are for int8 graphs, as in `Graph`.
    """

    spec: ModelSpec
    state: Mapping[str, Array]
    fingerprint: str = ""
    reach: Mapping[str, Array] = field(default_factory=dict)
    table_bits: TableBits = 8

    def graph(self, precision: Precision, keep: Collection[str] = ()) -> Graph:
        """Return an empty graph."""
        return Graph(precision, keep=keep, table_bits=self.table_bits, reach=self.reach)


def writes(spec: ModelSpec, tower: str) -> bool:
    """Can the graph of a tower be written from its weights?  Those of other packages are traced instead."""
    return bool(_writer(spec, tower))


def _writer(spec: ModelSpec, tower: str) -> str:
    return image_family(spec.image).graph if tower == "image" else text_family(spec.text).graph


def build_graph(source: GraphSource, tower: str, precision: Precision, *, keep: Collection[str] = ()) -> bytes:
    """Return one serialised graph: tower "image" takes "pixels", tower "text" takes "tokens", both give "rows".

    `keep` names linear layers that stay in float32 in an int8 graph.
    """
    graph, weights = source.graph(precision, keep), weights_of(source.state, tower)
    fill(graph, weights, source.spec, tower)
    return graph.model(_metadata(source, tower, graph, weights))


def write_graph(
    path: Path, source: GraphSource, tower: str, precision: Precision, *, keep: Collection[str] = ()
) -> None:
    """Write one graph to `path`, constants too large for it beside it."""
    graph, weights = source.graph(precision, keep), weights_of(source.state, tower)
    fill(graph, weights, source.spec, tower)
    graph.save(path, _metadata(source, tower, graph, weights))


def layers(source: GraphSource, tower: str) -> list[str]:
    """Return the names that `keep` may hold for the int8 graph of a tower."""
    graph = Graph("int8")
    fill(graph, weights_of(source.state, tower), source.spec, tower)
    return graph.layers


def write_state_graph(path: Path, source: GraphSource, block: int) -> None:
    """Write the float32 graph of an image tower up to what enters a block, counted from 0; its output is "state".

    For families whose graphs name their states (`ImageFamily.states`).
    """
    graph = Graph("fp32")
    fill(graph, weights_of(source.state, "image"), source.spec, "image")
    graph.end_at(block)
    graph.save(path, {"tower": "image", "state": str(block), "fingerprint": source.fingerprint})


def of_tower(name: str, tower: str) -> bool:
    """Is this the name of a weight of the tower?"""
    return name.startswith("visual.") if tower == "image" else not name.startswith(ASIDE)


def weights_of(state: Mapping[str, Array], tower: str) -> GraphWeights:
    """Return the weights of one tower."""
    return GraphWeights({name: array for name, array in state.items() if of_tower(name, tower)})


def fill(graph: Graph, weights: GraphWeights, spec: ModelSpec, tower: str) -> None:
    """Add a tower to an empty graph; weights that are missing or left over are a `FormatError`."""
    resolve(_writer(spec, tower))(graph, weights, getattr(spec, tower), spec)
    weights.check_all_read()
    unknown = sorted(graph.keep - set(graph.layers))
    if unknown:
        raise UsageError(
            f"no layer {', '.join(unknown)} in the {tower} tower", cure=f"its layers are {', '.join(graph.layers)}"
        )


def _metadata(source: GraphSource, tower: str, graph: Graph, weights: GraphWeights) -> dict[str, str]:
    """Return what a graph says of itself, and what `wordsight.towers.graph.read_back` needs beside its constants."""
    metadata = {"tower": tower, "precision": graph.precision, "model": source.spec.name}
    if graph.precision == "int8":
        metadata["sums"] = SUMS
        if graph.table_bits != 8:
            metadata["table_bits"] = str(graph.table_bits)
    if graph.keep:
        metadata["kept"] = ",".join(sorted(graph.keep))
    if folded := weights.pack_folded():
        metadata["folded"] = folded
    return {**metadata, "fingerprint": source.fingerprint}  # last: OpenVINO's engine looks for it at the file's end
