"""Which linear layers of a tower suffer most from 8-bit integers, measured in one run.

    ranked = worst_layers(source, "image", pixels)     # [("visual...mlp.c_proj", 0.31), ...], the worst first

The graph is computed in float32; beside each linear layer the same layer in integers is given the same input, and
the energy of the difference is divided by that of the true result.
"""

import tempfile
from pathlib import Path

import numpy as np

from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.write import GraphSource, fill, weights_of


class MeasuringGraph(Graph):
    """A float32 graph that also tells, as output "noise", what integers would do to each of its layers."""

    def __init__(self) -> None:
        super().__init__("fp32")
        self.balanced = True  # as an int8 graph is
        self._noise: list[str] = []

    def linear(self, x: str, weight: Array, bias: Array | None, *, name: str = "") -> str:
        """Return the layer in float32, and measure it."""
        true = super().linear(x, weight, bias, name=name)
        if name:
            difference = self.node("Sub", self.quantised_linear(x, weight, bias), true)
            everything = (self.node("ReduceSumSquare", value, keepdims=0) for value in (difference, true))
            self._noise.append(self.reshape(self.node("Div", *everything), [1]))
        return true

    def finish(self) -> None:
        """Declare the output "noise", one number for each of `layers`."""
        self.output(self.node("Concat", *self._noise, axis=0), "noise", ["layers"])


def worst_layers(source: GraphSource, tower: str, inputs: Array) -> list[tuple[str, float]]:
    """Return the linear layers of a tower with their share of noise in 8 bits, the worst first; it may have none."""
    import onnxruntime

    graph = MeasuringGraph()
    fill(graph, weights_of(source.state, tower), source.spec, tower)
    if not graph.layers:
        return []
    graph.finish()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "measured.onnx"
        graph.save(path, {})
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        noise = session.run(["noise"], {name: inputs})[0]
    worst: dict[str, float] = {}
    for layer, share in zip(graph.layers, np.nan_to_num(noise, nan=np.inf).tolist(), strict=True):
        worst[layer] = max(worst.get(layer, 0.0), share)
    return sorted(worst.items(), key=lambda pair: -pair[1])
