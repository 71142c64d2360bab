"""EfficientNet-Lite as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

Batch norms are folded into the convolutions before them.  In int8 the weights are stored as integers and
computed with in float32.  Free of PyTorch.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from wordsight.towers.efficientnet.shapes import LiteBlock, blocks, same_padding
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.pixels import normalised
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.spec import ModelSpec


def efficientnet_graph(graph: Graph, weights: GraphWeights, image: EfficientNetSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    tower = _Tower(graph, weights, image)
    x = tower.relu6(tower.conv(normalised(graph, pixels, spec.preprocess), "stem", side=image.size, stride=2))
    side = -(-image.size // 2)
    for number, block in enumerate(blocks(image)):
        x = tower.block(x, f"blocks.{number}", block, side)
        side = -(-side // block.stride)
    x = tower.relu6(tower.conv(x, "head"))
    features = graph.node("ReduceMean", x, graph.constant([2, 3]), keepdims=0)
    graph.output(graph.unit(project(graph, weights, features, image)), "rows", ["batch", spec.width])


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
        kernel, bias = folded(self.weights, f"visual.{name}", self.image.epsilon)
        before, after = padding(self.image, side, kernel.shape[-1], stride)
        return self.graph.node(
            "Conv",
            x,
            self.graph.weight(kernel, axis=0),
            self.graph.constant(bias),
            group=len(kernel) if depthwise(kernel) else 1,
            strides=[stride] * 2,
            pads=[before, before, after, after],
        )

    def relu6(self, x: str) -> str:
        return self.graph.node("Clip", x, self.graph.constant(np.float32(0)), self.graph.constant(np.float32(6)))


def depthwise(kernel: Array) -> bool:
    """Return whether each channel is computed apart."""
    return bool(kernel.shape[1] == 1)


def folded(weights: GraphWeights, name: str, epsilon: float) -> tuple[Array, Array]:
    """Return the kernel (O, I, K, K) and the bias (O,) of a convolution with the batch norm after it."""
    norm = f"{name}.norm"
    weights.take(f"{norm}.num_batches_tracked")
    variance = weights.take(f"{norm}.running_var", folded=1)
    factor = weights.take(f"{norm}.weight", folded=1) / np.sqrt(variance + epsilon)
    bias = weights.take(f"{norm}.bias") - weights.take(f"{norm}.running_mean", folded=0) * factor
    return weights.take(f"{name}.conv.weight") * factor[:, None, None, None], bias


def padding(image: EfficientNetSpec, side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a side."""
    if stride > 1 and image.padding == "same":
        return same_padding(side, kernel, stride)
    return kernel // 2, kernel // 2


def project(graph: Graph, weights: GraphWeights, features: str, image: EfficientNetSpec) -> str:
    """Return (B, E) for features (B, F), in float32."""
    rows = _linear(graph, weights, features, "visual.proj")
    if not image.hidden:
        return rows
    units = _linear(graph, weights, features, "visual.hidden")
    active = (
        graph.node("Softmax", units, axis=-1) if image.hidden_activation == "softmax" else graph.node("Gelu", units)
    )
    out = graph.weight(weights.matrix("visual.out.weight"), axis=1)
    return graph.node("Add", rows, graph.node("MatMul", active, out))


def _linear(graph: Graph, weights: GraphWeights, x: str, name: str) -> str:
    product = graph.node("MatMul", x, graph.weight(weights.matrix(f"{name}.weight"), axis=1))
    return graph.node("Add", product, graph.constant(weights.take(f"{name}.bias")))
