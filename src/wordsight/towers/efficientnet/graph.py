"""EfficientNet-Lite as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

Batch norms are folded into the convolutions before them.  In int8 all convolutions are computed in integers
(`wordsight.towers.efficientnet.integers`), or, where `TRUNK` is kept, their weights are stored as integers and computed
with in float32.  Free of PyTorch.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from wordsight.images.spec import PreprocessSpec
from wordsight.towers.efficientnet.folding import padding
from wordsight.towers.efficientnet.integers import integer_features
from wordsight.towers.efficientnet.shapes import LiteBlock, blocks
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.batch_norm import folded
from wordsight.towers.graph.byte_grids import stored_kernel
from wordsight.towers.graph.operators import Graph
from wordsight.towers.graph.pixels import normalised
from wordsight.towers.graph.transformer import GraphWeights, hidden_rows
from wordsight.towers.spec import ModelSpec

TRUNK = "visual.trunk"  # what `keep` calls all convolutions: they are computed in integers together or not at all


def efficientnet_graph(graph: Graph, weights: GraphWeights, image: EfficientNetSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    if graph.precision == "int8":
        graph.layers.append(TRUNK)
    if graph.precision == "int8" and TRUNK not in graph.keep:
        features = integer_features(graph, weights, pixels, image, preprocess=spec.preprocess)
    else:
        features = _features(graph, weights, pixels, image, preprocess=spec.preprocess)
    graph.output(graph.unit(project(graph, weights, features, image)), "rows", ["batch", spec.width])


def _features(
    graph: Graph, weights: GraphWeights, pixels: str, image: EfficientNetSpec, *, preprocess: PreprocessSpec
) -> str:
    """Return the features (B, F) of pixels uint8 (B, S, S, 3), computed in float32."""
    tower = _Tower(graph, weights, image)
    x = tower.relu6(tower.conv(normalised(graph, pixels, preprocess), "stem", side=image.size, stride=2))
    side = -(-image.size // 2)
    for number, block in enumerate(blocks(image)):
        graph.state(number, x)
        x = tower.block(x, f"blocks.{number}", block, side)
        side = -(-side // block.stride)
    x = tower.relu6(tower.conv(x, "head"))
    return graph.node("ReduceMean", x, graph.constant([2, 3]), keepdims=0)


@dataclass(frozen=True, slots=True)
class _Tower:
    """The parts of a tower in float32; grids are (B, C, G, G)."""

    graph: Graph
    weights: GraphWeights
    image: EfficientNetSpec

    def block(self, x: str, name: str, block: LiteBlock, side: int) -> str:
        y = self.relu6(self.conv(x, f"{name}.expand")) if block.expands else x
        y = self.relu6(self.conv(y, f"{name}.depthwise", side=side, stride=block.stride))
        y = self.conv(y, f"{name}.reduce")
        return self.graph.node("Add", x, y) if block.shortcut else y

    def conv(self, x: str, name: str, *, side: int = 0, stride: int = 1) -> str:
        """Add a convolution with its batch norm; `side` is the input's, which counts where there is a stride."""
        kernel, bias = folded(self.weights, f"visual.{name}.conv", f"visual.{name}.norm", self.image.epsilon)
        before, after = padding(self.image, side, kernel.shape[-1], stride)
        return self.graph.node(
            "Conv",
            x,
            stored_kernel(self.graph, kernel) if self.graph.precision == "int8" else self.graph.matrix(kernel),
            self.graph.constant(bias),
            group=len(kernel) if kernel.shape[1] == 1 else 1,
            strides=[stride] * 2,
            pads=[before, before, after, after],
        )

    def relu6(self, x: str) -> str:
        return self.graph.node("Clip", x, self.graph.constant(np.float32(0)), self.graph.constant(np.float32(6)))


def project(graph: Graph, weights: GraphWeights, features: str, image: EfficientNetSpec) -> str:
    """Return (B, E) for features (B, F), in float32."""
    rows = graph.node("MatMul", features, graph.weight(weights.matrix("visual.proj.weight"), axis=1))
    rows = graph.plus(rows, weights.take("visual.proj.bias"))
    if image.hidden:
        softmax = image.hidden_activation == "softmax"
        beside = hidden_rows(graph, weights, features, ("visual.hidden", "visual.out"), softmax=softmax)
        rows = graph.node("Add", rows, beside)
    if image.extra_hidden:
        beside = hidden_rows(graph, weights, features, ("visual.extra_hidden", "visual.extra_out"))
        rows = graph.node("Add", rows, beside)
    return rows
