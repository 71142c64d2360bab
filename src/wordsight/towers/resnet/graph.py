"""CLIP's modified ResNet as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

Batch norms are folded into the convolutions before them.  In int8 the weights are stored as integers and
computed with in float32: ONNX Runtime's integer convolutions are slower than its float ones, and one scale
for all channels of a feature map, which no layer norm has levelled, would cost precision.  Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.graph.batch_norm import folded
from wordsight.towers.graph.operators import EPSILON, Array, Graph
from wordsight.towers.graph.pixels import normalised
from wordsight.towers.graph.transformer import GraphWeights
from wordsight.towers.resnet.shapes import GROWTH
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec


def resnet_graph(graph: Graph, weights: GraphWeights, image: ResNetSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    x = normalised(graph, pixels, spec.preprocess)
    for number in (1, 2, 3):
        names = f"visual.conv{number}", f"visual.bn{number}"
        x = graph.node("Relu", _conv(graph, weights, x, *names, stride=2 if number == 1 else 1))
    x = _pool(graph, x, 2)
    for stage, blocks in enumerate(image.stages, start=1):
        for number in range(blocks):
            stride = 2 if number == 0 and stage > 1 else 1
            x = _bottleneck(graph, weights, x, f"visual.layer{stage}.{number}.", stride=stride, first=number == 0)
    rows = _attention_pool(graph, weights, x, image)
    graph.output(graph.unit(rows), "rows", ["batch", spec.width])


def _bottleneck(graph: Graph, weights: GraphWeights, x: str, name: str, *, stride: int, first: bool) -> str:
    y = graph.node("Relu", _conv(graph, weights, x, f"{name}conv1", f"{name}bn1"))
    y = graph.node("Relu", _conv(graph, weights, y, f"{name}conv2", f"{name}bn2"))
    y = _conv(graph, weights, _pool(graph, y, stride), f"{name}conv3", f"{name}bn3")
    if first:  # only a stage's first block changes its channels
        x = _conv(graph, weights, _pool(graph, x, stride), f"{name}downsample.0", f"{name}downsample.1")
    return graph.node("Relu", graph.node("Add", y, x))


def _conv(graph: Graph, weights: GraphWeights, x: str, conv: str, norm: str, *, stride: int = 1) -> str:
    """Add a convolution without bias that keeps the size (before its stride), with the batch norm after it."""
    kernel, bias = folded(weights, conv, norm, EPSILON)
    pad = kernel.shape[-1] // 2
    return graph.node(
        "Conv", x, graph.weight(kernel, axis=0), graph.constant(bias), strides=[stride] * 2, pads=[pad] * 4
    )


def _pool(graph: Graph, x: str, stride: int) -> str:
    return x if stride == 1 else graph.node("AveragePool", x, kernel_shape=[stride] * 2, strides=[stride] * 2)


def _attention_pool(graph: Graph, weights: GraphWeights, x: str, image: ResNetSpec) -> str:
    """Attend from the mean cell to the mean and all cells: (B, C, G, G) to (B, E).

    There is one query, so it is multiplied with the key's matrix in the place of all cells, and cells are mixed before
    the value's matrix is: the same numbers as attention written out, for a thirtieth of its work.
    """
    channels, heads, pool = image.width * GROWTH, image.heads, "visual.attnpool."
    cells = graph.node("Transpose", graph.reshape(x, [0, channels, -1]), perm=[0, 2, 1])  # (B, G*G, C)
    mean = graph.node("ReduceMean", cells, graph.constant([1]), keepdims=1)
    table: Array = weights.take(f"{pool}positional_embedding")
    mean = graph.node("Add", mean, graph.constant(table[:1]))  # (B, 1, C)
    tokens = graph.node("Concat", mean, graph.node("Add", cells, graph.constant(table[1:])), axis=1)
    asked = graph.reshape(_linear(graph, weights, mean, f"{pool}q_proj"), [0, heads, 1, channels // heads])
    weights.take(f"{pool}k_proj.bias")  # moves all scores of a head alike
    keys = weights.take(f"{pool}k_proj.weight").reshape(heads, channels // heads, channels)
    keys = keys * np.float32((channels // heads) ** -0.5)
    asked = graph.node("MatMul", asked, graph.weight(keys, axis=2))  # (B, H, 1, C)
    asked = graph.reshape(asked, [0, heads, channels])
    scores = graph.node("MatMul", asked, graph.node("Transpose", tokens, perm=[0, 2, 1]))  # (B, H, T)
    mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), tokens)  # (B, H, C)
    values = weights.take(f"{pool}v_proj.weight").reshape(heads, channels // heads, channels).transpose(0, 2, 1)
    mixed = graph.node("Unsqueeze", mixed, graph.constant([2]))  # (B, H, 1, C)
    mixed = graph.node("MatMul", mixed, graph.weight(np.ascontiguousarray(values), axis=2))  # (B, H, 1, C/H)
    mixed = graph.node("Add", graph.reshape(mixed, [-1, channels]), graph.constant(weights.take(f"{pool}v_proj.bias")))
    return _linear(graph, weights, mixed, f"{pool}c_proj")


def _linear(graph: Graph, weights: GraphWeights, x: str, name: str) -> str:
    product = graph.node("MatMul", x, graph.weight(weights.matrix(f"{name}.weight"), axis=1))
    return graph.node("Add", product, graph.constant(weights.take(f"{name}.bias")))
