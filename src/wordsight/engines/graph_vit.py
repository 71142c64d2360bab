"""The Vision Transformer as ONNX: pixels uint8 (B, S, S, 3) to unit rows (B, E), normalisation inside.

Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.engines.graph import EPSILON, Graph
from wordsight.engines.graph_transformer import Reading, Stack, Weights, layer_norm, project, transformer
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.spec import ImageTowerSpec, ModelSpec

GROUP = 8  # channels of a group in the conv stem's norms (towers/vit.py)


def vit_graph(graph: Graph, weights: Weights, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    image = spec.image
    pixels = graph.input("pixels", TensorProto.UINT8, ["batch", image.size, image.size, 3])
    stem = patch_stem if image.stem == "patch" else conv_stem
    x = stem(graph, weights, pixels, spec)  # (B, G*G, D)
    places = weights.take("visual.positional_embedding")
    if image.pool == "class":
        x = _with_class(graph, x, weights.take("visual.class_embedding") + places[0], places[1:])
    else:
        x = graph.node("Add", x, graph.constant(places))
    x = layer_norm(graph, weights, x, "visual.ln_pre")
    x = _blocks(graph, weights, x, image)  # (B, D)
    x = layer_norm(graph, weights, x, "visual.ln_post")
    graph.output(project(graph, weights, x, "visual.proj"), "rows", ["batch", spec.width])


def patch_stem(graph: Graph, weights: Weights, pixels: str, spec: ModelSpec) -> str:
    """Cut into patches and multiply: the convolution of stride `patch` as one matrix, normalisation folded in."""
    image, side = spec.image, spec.image.size // spec.image.patch
    x = graph.reshape(pixels, [0, side, image.patch, side, image.patch, 3])
    x = graph.node("Transpose", x, perm=[0, 1, 3, 2, 4, 5])  # (B, G, G, P, P, 3)
    x = graph.reshape(x, [0, side * side, image.patch**2 * 3])
    kernel = weights.take("visual.conv1.weight").transpose(2, 3, 1, 0)  # (P, P, 3, D)
    mean, deviation = _levels(spec.preprocess)
    matrix = (kernel / deviation[:, None]).reshape(-1, image.width).astype(np.float32)  # (P*P*3, D)
    return graph.byte_linear(x, matrix, np.tile(mean, image.patch**2))


def conv_stem(graph: Graph, weights: Weights, pixels: str, spec: ModelSpec) -> str:
    """Convolutions of stride 2 with group norm and GELU, then one of 1x1."""
    image = spec.image
    x = normalised(graph, pixels, spec.preprocess)
    steps = image.patch.bit_length() - 1
    for step in range(steps):
        kernel = weights.take(f"visual.stem.{3 * step}.weight")
        x = graph.node("Conv", x, graph.weight(kernel, axis=0), strides=[2, 2], pads=[1, 1, 1, 1])
        x = _group_norm(graph, weights, x, f"visual.stem.{3 * step + 1}", channels=len(kernel))
        x = graph.activation(x, "gelu")
    last = f"visual.stem.{3 * steps}"
    kernel = weights.take(f"{last}.weight")[:, :, 0, 0]
    x = graph.reshape(x, [0, kernel.shape[1], (image.size // image.patch) ** 2])
    x = graph.node("Transpose", x, perm=[0, 2, 1])  # (B, G*G, C)
    return graph.linear(x, np.ascontiguousarray(kernel.T), weights.take(f"{last}.bias"))


def normalised(graph: Graph, pixels: str, spec: PreprocessSpec) -> str:
    """Return float32 (B, 3, S, S) of mean 0 and deviation 1 for uint8 (B, S, S, 3)."""
    mean, deviation = _levels(spec)
    x = graph.node("Transpose", pixels, perm=[0, 3, 1, 2])
    x = graph.node("Cast", x, to=TensorProto.FLOAT)
    x = graph.node("Sub", x, graph.constant(mean.reshape(3, 1, 1)))
    return graph.node("Mul", x, graph.constant((1 / deviation).reshape(3, 1, 1)))


def _levels(spec: PreprocessSpec) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel in 8-bit levels."""
    return np.array(spec.mean) * 255, np.array(spec.std) * 255


def _with_class(graph: Graph, x: str, first: np.ndarray, places: np.ndarray) -> str:
    """Put the class token before the patches, (B, 1 + G*G, D), positions added to both."""
    x = graph.node("Add", x, graph.constant(places))
    count = graph.node("Shape", x, start=0, end=1)
    shape = graph.node("Concat", count, graph.constant([1, len(first)]), axis=0)
    return graph.node("Concat", graph.node("Expand", graph.constant(first), shape), x, axis=1)


def _blocks(graph: Graph, weights: Weights, x: str, image: ImageTowerSpec) -> str:
    """Add the transformer and its pooling: (B, T, D) to (B, D)."""
    stack = Stack("visual.transformer.", image.width, image.layers, image.heads, image.activation)
    if image.pool == "mean":
        x = transformer(graph, weights, x, stack=stack)
        return graph.node("ReduceMean", x, graph.constant([1]), keepdims=0)
    start, end = graph.constant([0]), graph.constant([1])
    reading = Reading(lambda value: graph.node("Slice", value, start, end, end))  # axis 1, from 0 to 1
    x = transformer(graph, weights, x, stack=stack, reading=reading)
    return graph.reshape(x, [-1, image.width])


def _group_norm(graph: Graph, weights: Weights, x: str, name: str, *, channels: int) -> str:
    """Normalise groups of channels of x (B, C, G, G)."""
    groups = channels // GROUP
    flat = graph.reshape(x, [0, groups, -1])
    ones, zeros = graph.constant(np.ones(groups, np.float32)), graph.constant(np.zeros(groups, np.float32))
    flat = graph.node("InstanceNormalization", flat, ones, zeros, epsilon=EPSILON)
    back = graph.node("Reshape", flat, graph.node("Shape", x))
    scale = graph.constant(weights.take(f"{name}.weight").reshape(channels, 1, 1))
    shift = graph.constant(weights.take(f"{name}.bias").reshape(channels, 1, 1))
    return graph.node("Add", graph.node("Mul", back, scale), shift)
