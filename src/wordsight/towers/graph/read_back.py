"""From the graph of a tower back to its weights: `read_back(path, spec, "text")` is a state dict.

For models that ship as graphs only.  The tower's writer (`towers/<family>/graph.py`) is run again, on numbers in the
place of weights: the weight at position i is i.  Where the number i arrives in what the writer gives to be stored,
there the graph at hand holds weight i.  So a writer may transpose, cut, join, permute and scale weights as it likes, in
every precision, and states nothing of it but this:

- **What is stored otherwise than by `Graph.constant`** (as integers with scales, with something added) goes to
  `Graph.stored` as it was, with the function that reads it from the graph's constants.  `Graph`'s own operators do so;
  what they add by `Graph.add` is not looked at.
- **What is not stored but folded into others** (batch norms, factors of residual branches, a class token that its
  position is added to) is asked for as `weights.take(name, folded=value)`.  `value` is what it is when it is read back:
  1 for a factor, 0 for a sum.  A graph also packs the true values into its metadata, in 16 bits; where they are, they
  come back instead, and what they were folded into is the weight that it was.
- **Numbers that weights do not decide**, such as the ranges of a static quantisation, may be any, as long as a writer
  adds the same operators and constants in the same order whatever the weights are.

Each stored number may depend on one weight only, linearly.  A graph that another version's writer made is refused: so
before a writer changes what it stores, models that ship as its graphs are exported again.  Needs the package `onnx`, no
PyTorch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from wordsight.base.errors import FormatError
from wordsight.towers.graph.operators import Array, Graph, Read
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.graph.write import fill, of_tower
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec

DIGIT = 16  # bits of a position that are sent through a writer at once, in float32
COUNTERS = "num_batches_tracked"  # batch norms' integers, which no graph holds


def read_back(path: Path, spec: ModelSpec, tower: str) -> dict[str, Array]:
    """Return the weights of a native tower from its graph, in float32, widened from what the graph stores.

    `FormatError` for a graph that this version's writer would not make.
    """
    model = onnx.load(path)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    writer = _Writer(spec, tower, facts)
    if not writer.wrote(model.graph):
        raise FormatError(
            f"{path} is not the graph that this version writes of {spec.name}, so its weights cannot be taken out",
            cure="use the graphs as they are, or a copy of the model with weights",
        )
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return writer.named(_solved(writer, constants))


class _HearingGraph(Graph):
    """A graph that keeps what its writer gives to be stored, in order."""

    def __init__(self, precision: Any, keep: list[str]) -> None:
        super().__init__(precision, keep=keep)
        self.balanced = False  # what norms and matrices share between them is theirs to keep
        self.given: list[Array] = []
        self.reads: list[Read] = []

    def stored(self, given: Array, read: Read) -> None:
        """Keep it."""
        self.given.append(given)
        self.reads.append(read)

    def same(self, graph: onnx.GraphProto) -> bool:
        """Say whether another graph has the same operators on constants of the same names, shapes and types."""
        mine, other = self._nodes, list(graph.node)
        return mine == other and [
            (constant.name, list(constant.dims), constant.data_type) for constant in self._constants
        ] == [(constant.name, list(constant.dims), constant.data_type) for constant in graph.initializer]


class _Writer:
    """The writer of one tower, to be run on any numbers."""

    def __init__(self, spec: ModelSpec, tower: str, facts: Mapping[str, str]) -> None:
        self.spec, self.tower, self.facts = spec, tower, facts
        self.shapes = {name: shape for name, shape in shapes(spec).items() if of_tower(name, tower)}
        self.sizes = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        self.count = sum(self.sizes.values())
        self.folded: dict[str, Array | float] = {}

    def wrote(self, graph: onnx.GraphProto) -> bool:
        """Say whether a graph is one of this writer's; after that `folded` is known."""
        arrays = self.named(np.ones(self.count, np.float32))
        weights, hearing = GraphWeights(arrays), self._graph()
        fill(hearing, weights, self.spec, self.tower)
        if "folded" in self.facts:
            weights.unpack_folded(self.facts["folded"])
        self.folded = weights.folded
        return hearing.same(graph)

    def run(self, numbers: Array) -> _HearingGraph:
        """Return what the writer gives to be stored when its weights are these numbers."""
        graph = self._graph()
        fill(graph, GraphWeights(self.named(numbers)), self.spec, self.tower)
        return graph

    def named(self, numbers: Array) -> dict[str, Array]:
        """Return all weights from their numbers in a row; those that are folded into others have their own values."""
        parts = np.split(numbers, np.cumsum(list(self.sizes.values()))[:-1])
        return {name: self._one(name, part) for name, part in zip(self.shapes, parts, strict=True)}

    def _one(self, name: str, part: Array) -> Array:
        if name.endswith(COUNTERS):
            return np.zeros(self.shapes[name], np.int64)
        array = part.reshape(self.shapes[name])
        if name not in self.folded:
            return array
        folded = np.asarray(self.folded[name], np.float32)
        return np.where(np.isnan(folded), array, folded)

    def _graph(self) -> _HearingGraph:
        kept = self.facts.get("kept", "")
        return _HearingGraph(self.facts.get("precision", "fp32"), kept.split(",") if kept else [])


def _solved(writer: _Writer, constants: Mapping[str, Array]) -> NDArray[np.float32]:
    """Return every weight that is stored: of stored = factor * weight + rest the factor, the rest and which weight."""
    positions = np.arange(writer.count)
    rest = writer.run(np.zeros(writer.count, np.float32))
    ones = writer.run(np.ones(writer.count, np.float32))
    low = writer.run((positions % 2**DIGIT).astype(np.float32))
    high = writer.run((positions >> DIGIT).astype(np.float32))
    solved = np.zeros(writer.count, np.float32)
    for number, read in enumerate(rest.reads):
        begin = rest.given[number]
        factor = ones.given[number] - begin
        held = factor != 0
        if not held.any():
            continue
        digits = [np.rint((run.given[number] - begin)[held] / factor[held]).astype(np.int64) for run in (low, high)]
        which = digits[0] + (digits[1] << DIGIT)
        assert which.min() >= 0 and which.max() < writer.count, "a writer stores numbers that hang on several weights"
        solved[which] = (read(constants) - begin)[held] / factor[held]
    return solved
