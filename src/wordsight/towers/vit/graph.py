"""The Vision Transformer as ONNX: pixels uint8 (B, S, S, 3) to unit embeddings (B, E), normalisation inside.

A tower that keeps the shape of an image takes (B, H, W, 3), both sides multiples of the patch; its positions are
stretched inside the graph.  Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.towers.graph.operators import EPSILON, Array, Graph
from wordsight.towers.graph.pixels import mean_of_patches, normalised, patch_stem, patches_along, with_class
from wordsight.towers.graph.pool import probe_pool, query_pool
from wordsight.towers.graph.positions import rotary, sincos
from wordsight.towers.graph.transformer import GraphStack, GraphWeights, ReadToken, layer_norm, project, transformer
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.angles import perception_angles
from wordsight.towers.vit.spec import VitSpec

GROUP = 8  # channels of a group in the conv stem's norms (vit/module.py)


def vit_graph(graph: Graph, weights: GraphWeights, image: VitSpec, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    pixels = graph.input("pixels", TensorProto.UINT8, shape_of_pixels(spec))
    if image.stem == "patch":
        bias = weights.take("visual.conv1.bias") if image.patch_bias else None
        x = patch_stem(
            graph, weights.take("visual.conv1.weight"), pixels, spec.preprocess, size=image.size, bias=bias
        )  # (B, N, D)
    elif image.stem == "conv":
        x = conv_stem(graph, weights, normalised(graph, pixels, spec.preprocess), image)
    else:
        x = tiered_stem(graph, weights, normalised(graph, pixels, spec.preprocess), image)
    added = _positions(weights, image)
    if spec.preprocess.resize == "patches":
        x = graph.node("Add", x, _stretched(graph, added, pixels, image))
    elif image.has_class_token:
        first = weights.take("visual.class_embedding", folded=0 if image.positions == "learned" else None)
        x = with_class(graph, x, first + added[0], added[1:])
    else:
        x = graph.node("Add", x, graph.constant(added))
    if image.pre_norm:
        x = layer_norm(graph, weights, x, "visual.ln_pre", epsilon=image.epsilon)
    x = _pooled(graph, weights, _blocks(graph, weights, x, image), image)  # (B, D)
    name = "visual.head" if image.projection == "linear" else "visual.proj"
    graph.output(project(graph, weights, x, name, form=image.projection), "rows", ["batch", spec.width])


def shape_of_pixels(spec: ModelSpec) -> list[int | str]:
    """Return the shape of the input "pixels"; names are dynamic axes."""
    size = spec.image.size
    return ["batch", "height", "width", 3] if spec.preprocess.resize == "patches" else ["batch", size, size, 3]


def conv_stem(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Convolutions of stride 2 with group norm and GELU, then one of 1x1."""
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
    return graph.linear(x, np.ascontiguousarray(kernel.T), weights.take(f"{last}.bias"), name=last)


def tiered_stem(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Three convolutions without overlap, GELU between."""
    for step, side in enumerate((image.patch // 4, 2, 2)):
        if step:
            x = graph.activation(x, "gelu")
        kernel = graph.weight(weights.take(f"visual.stem.{2 * step}.weight"), axis=0)
        bias = graph.constant(weights.take(f"visual.stem.{2 * step}.bias"))
        padding = image.stem_padding if step == 0 else 0
        x = graph.node("Conv", x, kernel, bias, strides=[side, side], pads=[padding] * 4)
    x = graph.reshape(x, [0, image.width, (image.size // image.patch) ** 2])
    return graph.node("Transpose", x, perm=[0, 2, 1])  # (B, G*G, D)


def _positions(weights: GraphWeights, image: VitSpec) -> Array:
    """Return the table of positions, (T, D)."""
    if image.positions == "learned":
        return weights.take("visual.positional_embedding")
    return sincos(image.size // image.patch, image.width, class_token=image.has_class_token)


def _stretched(graph: Graph, added: Array, pixels: str, image: VitSpec) -> str:
    """Return positions (G*G, D) for the grid of the pixels, (H*W, D): bilinear with antialias, an axis at a time."""
    side = image.size // image.patch
    down, across = (_stretch(graph, patches_along(graph, pixels, axis, image.patch), side) for axis in (1, 2))
    table = graph.constant(added.reshape(side, side * image.width))
    rows = graph.reshape(graph.node("MatMul", down, table), [-1, side, image.width])  # (H, G, D)
    return graph.reshape(graph.node("MatMul", across, rows), [-1, image.width])


def _stretch(graph: Graph, count: str, side: int) -> str:
    """Return the matrix (count, G) of `torch.nn.functional.interpolate`, bilinear with antialias, from G positions."""
    zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))
    number = graph.node("Cast", graph.node("Squeeze", count), to=TensorProto.FLOAT)
    scale = graph.node("Div", graph.constant(np.float32(side)), number)
    reach = graph.node("Max", scale, one)  # of the triangle, in positions
    centre = graph.node("Add", graph.node("Range", zero, number, one), graph.constant(np.float32(0.5)))
    centre = graph.reshape(graph.node("Mul", centre, scale), [-1, 1])
    distance = graph.node("Abs", graph.node("Sub", graph.constant(np.arange(side) + 0.5), centre))  # (count, G)
    share = graph.node("Max", graph.node("Sub", one, graph.node("Div", distance, reach)), zero)
    return graph.node("Div", share, graph.node("ReduceSum", share, graph.constant([1]), keepdims=1))


def _blocks(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Add the transformer: (B, T, D), or (B, 1, D) where only the class token is read."""
    stack = GraphStack(
        "visual.transformer.",
        image.width,
        image.layers,
        image.heads,
        image.activation,
        epsilon=image.epsilon,
        layer_scale=image.layer_scale,
        angles=rotary(perception_angles(image)),
    )
    reading = ReadToken(graph.first) if image.pool == "class" else None
    return transformer(graph, weights, x, stack=stack, reading=reading)


def _pooled(graph: Graph, weights: GraphWeights, x: str, image: VitSpec) -> str:
    """Norm and pool: (B, T, D) to (B, D), or (B, E) for learned queries."""
    first = image.final_norm == "tokens"
    if first:
        x = layer_norm(graph, weights, x, "visual.ln_post", epsilon=image.epsilon)
    width = image.width
    if image.pool == "class":
        x = graph.reshape(x, [-1, width])
    elif image.pool == "mean":
        x = mean_of_patches(graph, x, skip=int(image.has_class_token))
    elif image.pool == "attention":
        x = probe_pool(graph, weights, x, image)
    else:
        x = query_pool(graph, weights, x, image)
    return x if first else layer_norm(graph, weights, x, "visual.ln_post", epsilon=image.epsilon)


def _group_norm(graph: Graph, weights: GraphWeights, x: str, name: str, *, channels: int) -> str:
    """Normalise groups of channels of x (B, C, G, G)."""
    groups = channels // GROUP
    flat = graph.reshape(x, [0, groups, -1])
    ones, zeros = graph.constant(np.ones(groups, np.float32)), graph.constant(np.zeros(groups, np.float32))
    flat = graph.node("InstanceNormalization", flat, ones, zeros, epsilon=EPSILON)
    back = graph.node("Reshape", flat, graph.node("Shape", x))
    scale = graph.constant(weights.take(f"{name}.weight").reshape(channels, 1, 1))
    shift = graph.constant(weights.take(f"{name}.bias").reshape(channels, 1, 1))
    return graph.node("Add", graph.node("Mul", back, scale), shift)
