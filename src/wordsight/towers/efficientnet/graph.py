"""EfficientNet-Lite as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

Batch norms are folded into the convolutions before them.  In int8 the weights are stored as integers and
computed with in float32.  Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.efficientnet.shapes import blocks, same_padding
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.operators import Array, Graph
from wordsight.towers.graph.pixels import normalised
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.spec import ModelSpec


def efficientnet_graph(graph: Graph, weights: GraphWeights, image: EfficientNetSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    x = normalised(graph, pixels, spec.preprocess)
    x = _relu6(graph, _conv(graph, weights, x, "visual.stem", image, side=image.size, stride=2))
    side = -(-image.size // 2)
    for number, block in enumerate(blocks(image)):
        name, y = f"visual.blocks.{number}", x
        if block.expands:
            y = _relu6(graph, _conv(graph, weights, y, f"{name}.expand", image))
        y = _relu6(
            graph, _conv(graph, weights, y, f"{name}.depthwise", image, side=side, stride=block.stride, groups=True)
        )
        side = -(-side // block.stride)
        y = _conv(graph, weights, y, f"{name}.reduce", image)
        x = graph.node("Add", x, y) if block.shortcut else y
    x = _relu6(graph, _conv(graph, weights, x, "visual.head", image))
    features = graph.node("ReduceMean", x, graph.constant([2, 3]), keepdims=0)
    graph.output(graph.unit(_project(graph, weights, features, image)), "rows", ["batch", spec.width])


def _relu6(graph: Graph, x: str) -> str:
    return graph.node("Clip", x, graph.constant(np.float32(0)), graph.constant(np.float32(6)))


def _conv(
    graph: Graph,
    weights: GraphWeights,
    x: str,
    name: str,
    image: EfficientNetSpec,
    *,
    side: int = 0,
    stride: int = 1,
    groups: bool = False,
) -> str:
    """Add a convolution with the batch norm after it; `side` is the input's, `groups`: each channel apart."""
    kernel, bias = folded(weights, name, image.epsilon)
    before, after = padding(image, side, kernel.shape[-1], stride)
    stored = graph.weight(kernel, axis=0)
    attributes = {"strides": [stride] * 2, "pads": [before, before, after, after]}
    return graph.node("Conv", x, stored, graph.constant(bias), group=len(kernel) if groups else 1, **attributes)


def folded(weights: GraphWeights, name: str, epsilon: float) -> tuple[Array, Array]:
    """Return the kernel (O, I, K, K) and the bias (O,) of a convolution with the batch norm after it."""
    norm = f"{name}.norm"
    weights.take(f"{norm}.num_batches_tracked")
    factor = weights.take(f"{norm}.weight") / np.sqrt(weights.take(f"{norm}.running_var") + epsilon)
    bias = weights.take(f"{norm}.bias") - weights.take(f"{norm}.running_mean") * factor
    return weights.take(f"{name}.conv.weight") * factor[:, None, None, None], bias


def padding(image: EfficientNetSpec, side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a side."""
    if stride > 1 and image.padding == "same":
        return same_padding(side, kernel, stride)
    return kernel // 2, kernel // 2


def _project(graph: Graph, weights: GraphWeights, features: str, image: EfficientNetSpec) -> str:
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
