"""Which linear layers of a tower suffer most from 8-bit integers, measured in one run.

    ranked = worst_layers(source, "image", pixels)     # [("visual...mlp.c_proj", 0.31), ...], the worst first

The graph is computed in float32; beside each linear layer the same layer in integers is given the same input, and
the energy of the difference is divided by that of the true result.  `measured_reach` tells how far the inputs of
layers reach, for those whose ranges are shared between inputs and weights.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.smoothing import Sharing
from wordsight.towers.graph.write import GraphSource, fill, weights_of


class MeasuringGraph(Graph):
    """A float32 graph that also tells, as output "noise", what integers would do to each of its layers."""

    def __init__(self, reach: Mapping[str, Array] = MappingProxyType({})) -> None:
        super().__init__("fp32", reach=reach)
        self.balanced = True  # as an int8 graph is
        self._noise: list[str] = []

    def linear(
        self, x: str, weight: Array, bias: Array | None, *, name: str = "", smooth: Sharing | None = None
    ) -> str:
        """Return the layer in float32, and measure it."""
        true = super().linear(x, weight, bias, name=name)
        if name:
            whole = self.quantised_linear(x, weight, bias, share=self.share(weight, name, smooth))
            difference = self.node("Sub", whole, true)
            everything = (self.node("ReduceSumSquare", value, keepdims=0) for value in (difference, true))
            self._noise.append(self.reshape(self.node("Div", *everything), [1]))
        return true

    def finish(self) -> None:
        """Declare the output "noise", one number for each of `layers`."""
        self.output(self.node("Concat", *self._noise, axis=0), "noise", ["layers"])


class ReachGraph(Graph):
    """A float32 graph that also tells how far the inputs reach of the layers that are smoothed."""

    def __init__(self) -> None:
        super().__init__("fp32")
        self.outputs: dict[str, str] = {}  # output by layer

    def linear(
        self, x: str, weight: Array, bias: Array | None, *, name: str = "", smooth: Sharing | None = None
    ) -> str:
        """Return the layer, and measure its inputs (B, T, K)."""
        if smooth is not None and name not in self.outputs:
            self.outputs[name] = f"reach of {name}"
            largest = self.node("ReduceMax", self.node("Abs", x), self.constant([0, 1]), keepdims=0)
            self.output(largest, self.outputs[name], [len(weight)])
        return super().linear(x, weight, bias, name=name)


def measured_reach(source: GraphSource, tower: str, inputs: Callable[[], Array]) -> dict[str, Array]:
    """Return for each layer that is smoothed the largest number that each of its inputs reaches, (K,).

    `inputs` is called where there are such layers.
    """
    graph = ReachGraph()
    fill(graph, weights_of(source.state, tower), source.spec, tower)
    if not graph.outputs:
        return {}
    return dict(zip(graph.outputs, _run(graph, list(graph.outputs.values()), inputs()), strict=True))


def worst_layers(source: GraphSource, tower: str, inputs: Array) -> list[tuple[str, float]]:
    """Return the linear layers of a tower with their share of noise in 8 bits, the worst first; it may have none."""
    graph = MeasuringGraph(source.reach)
    fill(graph, weights_of(source.state, tower), source.spec, tower)
    if not graph.layers:
        return []
    graph.finish()
    (noise,) = _run(graph, ["noise"], inputs)
    worst: dict[str, float] = {}
    for layer, share in zip(graph.layers, np.nan_to_num(noise, nan=np.inf).tolist(), strict=True):
        worst[layer] = max(worst.get(layer, 0.0), share)
    return sorted(worst.items(), key=lambda pair: -pair[1])


def _run(graph: Graph, outputs: list[str], inputs: Array) -> list[Array]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "measured.onnx"
        graph.save(path, {})
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        results: list[Array] = session.run(outputs, {session.get_inputs()[0].name: inputs})
    return results
