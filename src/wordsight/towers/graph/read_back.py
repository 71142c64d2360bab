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

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from wordsight.base.errors import FormatError
from wordsight.towers.graph.nibbles import unfilled_nibbles
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


class _ShapedGraph(Graph):
    """A graph whose tables in 4 bits have shapes alone: to find their scales takes seconds, and none is looked at."""

    def packed_table(self, table: Array) -> tuple[Array, Array]:
        """Return zeros."""
        return unfilled_nibbles(table)


class _HearingGraph(_ShapedGraph):
    """A graph that stores nothing, and keeps what `hear` makes of each array that its writer gives to be stored."""

    def __init__(self, options: Mapping[str, Any], hear: "Hear") -> None:
        super().__init__(**options)
        self.balanced = False  # what norms and matrices share between them is theirs to keep
        self.heard: list[Any] = []
        self._hear = hear

    def add(self, array: Array) -> str:
        """Return the name that the constant would have."""
        return self._name("constant")

    def stored(self, given: Array, read: Read) -> None:
        """Hear it."""
        self.heard.append(self._hear(len(self.heard), given, read))


Hear = Callable[[int, Array, Read], Any]  # the array's number, the array, and how it is read from constants


class _Writer:
    """The writer of one tower, to be run on any numbers."""

    def __init__(self, spec: ModelSpec, tower: str, facts: Mapping[str, str]) -> None:
        self.spec, self.tower, self.facts = spec, tower, facts
        kept = facts["kept"].split(",") if "kept" in facts else []
        self.options: dict[str, Any] = {"precision": facts.get("precision", "fp32"), "keep": kept}  # of its graph
        self.options["table_bits"] = int(facts.get("table_bits", 8))
        self.shapes = {name: shape for name, shape in shapes(spec).items() if of_tower(name, tower)}
        self.sizes = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        self.count = sum(self.sizes.values())
        self.folded: dict[str, Array | float] = {}

    def wrote(self, graph: onnx.GraphProto) -> bool:
        """Say whether a graph is one of this writer's; after that `folded` is known."""
        weights = GraphWeights(self.named(np.ones(self.count, np.float32)))
        mine = _ShapedGraph(**self.options)
        fill(mine, weights, self.spec, self.tower)
        if "folded" in self.facts:
            weights.unpack_folded(self.facts["folded"])
        self.folded = weights.folded
        return mine.alike(graph)

    def run(self, numbers: Array, hear: Hear) -> list[Any]:
        """Return what `hear` makes of all that the writer gives to be stored when its weights are these numbers."""
        graph = _HearingGraph(self.options, hear)
        fill(graph, GraphWeights(self.named(numbers)), self.spec, self.tower)
        return graph.heard

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


def _solved(writer: _Writer, constants: Mapping[str, Array]) -> NDArray[np.float32]:
    """Return every weight that is stored: of stored = factor * weight + rest the factor, the rest and which weight."""
    positions, solved = np.arange(writer.count, dtype=np.int32), np.zeros(writer.count, np.float32)
    rest = writer.run(np.zeros(writer.count, np.float32), lambda number, given, read: _shortened(given))
    ones = np.ones(writer.count, np.float32)
    factor = writer.run(ones, lambda number, given, read: _shortened(given - rest[number]))

    def alone(number: int, given: Array) -> Array:
        """Return what is left of an array without rest and factor."""
        left: Array = (given - rest[number]) / np.where(factor[number] == 0, 1, factor[number])
        return left

    def whole(number: int, given: Array, read: Read) -> NDArray[np.int32]:
        return np.rint(alone(number, given)).astype(np.int32)

    def solve(number: int, given: Array, read: Read) -> None:
        held = np.broadcast_to(factor[number] != 0, given.shape)
        if held.any():
            which = (low[number] + (whole(number, given, read) << DIGIT))[held]
            assert which.min() >= 0 and which.max() < writer.count, "a number that hangs on several weights is stored"
            solved[which] = alone(number, read(constants))[held]

    low = writer.run((positions % 2**DIGIT).astype(np.float32), whole)
    writer.run((positions >> DIGIT).astype(np.float32), solve)
    return solved


def _shortened(array: Array) -> Array:
    """Return an array, or the one number that all of it is."""
    return array.ravel()[0] if array.size and (array == array.ravel()[0]).all() else array
