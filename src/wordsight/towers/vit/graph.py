"""The Vision Transformer as ONNX: pixels uint8 (B, S, S, 3) to unit rows (B, E), normalisation inside.

A tower that keeps the shape of an image takes (B, H, W, 3), both sides multiples of the patch; its positions are
stretched inside the graph.  Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.images.spec import PreprocessSpec
from wordsight.towers.graph.operators import EPSILON, Array, Graph
from wordsight.towers.graph.pool import probe_pool, query_pool
from wordsight.towers.graph.positions import rotary, sincos
from wordsight.towers.graph.transformer import Reading, Stack, Weights, layer_norm, project, transformer
from wordsight.towers.spec import ImageTowerSpec, ModelSpec

GROUP = 8  # channels of a group in the conv stem's norms (towers/vit.py)


def vit_graph(graph: Graph, weights: Weights, spec: ModelSpec) -> None:
    """Add the image tower with input "pixels" and output "rows"."""
    image = spec.image
    pixels = graph.input("pixels", TensorProto.UINT8, shape_of_pixels(spec))
    if image.stem == "patch":
        bias = weights.take("visual.conv1.bias") if image.patch_bias else None
        x = patch_stem(graph, weights.take("visual.conv1.weight"), pixels, spec, bias=bias)  # (B, N, D)
    elif image.stem == "conv":
        x = conv_stem(graph, weights, pixels, spec)
    else:
        x = tiered_stem(graph, weights, pixels, spec)
    x = _with_positions(graph, weights, x, pixels, spec)
    if image.pre_norm:
        x = layer_norm(graph, weights, x, "visual.ln_pre", epsilon=image.epsilon)
    x = _pooled(graph, weights, _blocks(graph, weights, x, image), spec)  # (B, D)
    name = "visual.head" if image.projection == "linear" else "visual.proj"
    graph.output(project(graph, weights, x, name, form=image.projection), "rows", ["batch", spec.width])


def shape_of_pixels(spec: ModelSpec) -> list[int | str]:
    """Return the shape of the input "pixels"; names are dynamic axes."""
    size = spec.image.size
    return ["batch", "height", "width", 3] if spec.preprocess.resize == "patches" else ["batch", size, size, 3]


def patch_stem(graph: Graph, kernel: Array, pixels: str, spec: ModelSpec, *, bias: Array | None) -> str:
    """Cut into patches and multiply: the convolution of stride `patch` as one matrix, normalisation folded in."""
    image, patch = spec.image, spec.image.patch
    x = _cut(graph, pixels, spec)  # (B, H, P, W, P, 3)
    x = graph.node("Transpose", x, perm=[0, 1, 3, 2, 4, 5])  # (B, H, W, P, P, 3)
    x = graph.reshape(x, [0, -1, patch**2 * 3])
    mean, deviation = _levels(spec.preprocess)
    scaled = kernel.transpose(2, 3, 1, 0) / deviation[:, None]  # (P, P, 3, D)
    matrix = scaled.reshape(-1, image.width).astype(np.float32)  # (P*P*3, D)
    return graph.byte_linear(x, matrix, np.tile(mean, patch**2), bias)


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
    return graph.linear(x, np.ascontiguousarray(kernel.T), weights.take(f"{last}.bias"), name=last)


def tiered_stem(graph: Graph, weights: Weights, pixels: str, spec: ModelSpec) -> str:
    """Three convolutions without overlap, GELU between."""
    image = spec.image
    x = normalised(graph, pixels, spec.preprocess)
    for step, side in enumerate((image.patch // 4, 2, 2)):
        if step:
            x = graph.activation(x, "gelu")
        kernel = graph.weight(weights.take(f"visual.stem.{2 * step}.weight"), axis=0)
        bias = graph.constant(weights.take(f"visual.stem.{2 * step}.bias"))
        padding = image.stem_padding if step == 0 else 0
        x = graph.node("Conv", x, kernel, bias, strides=[side, side], pads=[padding] * 4)
    x = graph.reshape(x, [0, image.width, (image.size // image.patch) ** 2])
    return graph.node("Transpose", x, perm=[0, 2, 1])  # (B, G*G, D)


def normalised(graph: Graph, pixels: str, spec: PreprocessSpec) -> str:
    """Return float32 (B, 3, S, S) of mean 0 and deviation 1 for uint8 (B, S, S, 3)."""
    mean, deviation = _levels(spec)
    x = graph.node("Transpose", pixels, perm=[0, 3, 1, 2])
    x = graph.node("Cast", x, to=TensorProto.FLOAT)
    x = graph.node("Sub", x, graph.constant(mean.reshape(3, 1, 1)))
    return graph.node("Mul", x, graph.constant((1 / deviation).reshape(3, 1, 1)))


def with_class(graph: Graph, x: str, first: Array, places: Array) -> str:
    """Put the class token before the patches, (B, 1 + N, D), positions (N, D) added to these."""
    x = graph.node("Add", x, graph.constant(places))
    count = graph.node("Shape", x, start=0, end=1)
    shape = graph.node("Concat", count, graph.constant([1, len(first)]), axis=0)
    return graph.node("Concat", graph.node("Expand", graph.constant(first), shape), x, axis=1)


def mean_of_patches(graph: Graph, x: str, *, skip: int) -> str:
    """Return the mean (B, D) of the tokens of x (B, T, D) behind the first `skip`."""
    if skip:
        end = graph.constant([np.iinfo(np.int64).max])
        x = graph.node("Slice", x, graph.constant([skip]), end, graph.constant([1]))
    return graph.node("ReduceMean", x, graph.constant([1]), keepdims=0)


def _levels(spec: PreprocessSpec) -> tuple[Array, Array]:
    """Mean and deviation of each channel in 8-bit levels."""
    return np.array(spec.mean) * 255, np.array(spec.std) * 255


def _cut(graph: Graph, pixels: str, spec: ModelSpec) -> str:
    """Take rows and columns of patches apart: (B, H, P, W, P, 3)."""
    patch = spec.image.patch
    if spec.preprocess.resize != "patches":
        side = spec.image.size // patch
        if spec.image.size % patch:  # what is beyond the last whole patch is not looked at
            whole = graph.constant([side * patch] * 2)
            pixels = graph.node("Slice", pixels, graph.constant([0, 0]), whole, graph.constant([1, 2]))
        return graph.reshape(pixels, [0, side, patch, side, patch, 3])
    rows = _patches_along(graph, pixels, 1, patch)
    shape = graph.node("Concat", graph.constant([0]), rows, graph.constant([patch, -1, patch, 3]), axis=0)
    return graph.node("Reshape", pixels, shape)


def _patches_along(graph: Graph, pixels: str, axis: int, patch: int) -> str:
    """Return the number of patches along an axis, (1,)."""
    return graph.node("Div", graph.node("Shape", pixels, start=axis, end=axis + 1), graph.constant([patch]))


def _with_positions(graph: Graph, weights: Weights, x: str, pixels: str, spec: ModelSpec) -> str:
    image = spec.image
    side = image.size // image.patch
    if image.positions == "learned":
        places = weights.take("visual.positional_embedding")
    else:
        places = sincos(side, image.width, class_token=image.has_class_token)
    if spec.preprocess.resize == "patches":
        return graph.node("Add", x, _stretched(graph, places, pixels, image))
    if image.has_class_token:
        return with_class(graph, x, weights.take("visual.class_embedding") + places[0], places[1:])
    return graph.node("Add", x, graph.constant(places))


def _stretched(graph: Graph, places: Array, pixels: str, image: ImageTowerSpec) -> str:
    """Return positions (G*G, D) for the grid of the pixels, (H*W, D): bilinear with antialias, an axis at a time."""
    side = image.size // image.patch
    down, across = (_stretch(graph, _patches_along(graph, pixels, axis, image.patch), side) for axis in (1, 2))
    table = graph.constant(places.reshape(side, side * image.width))
    rows = graph.reshape(graph.node("MatMul", down, table), [-1, side, image.width])  # (H, G, D)
    return graph.reshape(graph.node("MatMul", across, rows), [-1, image.width])


def _stretch(graph: Graph, count: str, side: int) -> str:
    """Return the matrix (count, G) of `torch.nn.functional.interpolate`, bilinear with antialias, from G places."""
    zero, one = graph.constant(np.float32(0)), graph.constant(np.float32(1))
    number = graph.node("Cast", graph.node("Squeeze", count), to=TensorProto.FLOAT)
    scale = graph.node("Div", graph.constant(np.float32(side)), number)
    reach = graph.node("Max", scale, one)  # of the triangle, in places
    centre = graph.node("Add", graph.node("Range", zero, number, one), graph.constant(np.float32(0.5)))
    centre = graph.reshape(graph.node("Mul", centre, scale), [-1, 1])
    distance = graph.node("Abs", graph.node("Sub", graph.constant(np.arange(side) + 0.5), centre))  # (count, G)
    share = graph.node("Max", graph.node("Sub", one, graph.node("Div", distance, reach)), zero)
    return graph.node("Div", share, graph.node("ReduceSum", share, graph.constant([1]), keepdims=1))


def _blocks(graph: Graph, weights: Weights, x: str, image: ImageTowerSpec) -> str:
    """Add the transformer: (B, T, D), or (B, 1, D) where only the class token is read."""
    stack = Stack(
        "visual.transformer.",
        image.width,
        image.layers,
        image.heads,
        image.activation,
        epsilon=image.epsilon,
        layer_scale=image.layer_scale,
        angles=rotary(image),
    )
    reading = Reading(graph.first) if image.pool == "class" else None
    return transformer(graph, weights, x, stack=stack, reading=reading)


def _pooled(graph: Graph, weights: Weights, x: str, spec: ModelSpec) -> str:
    """Norm and pool: (B, T, D) to (B, D), or (B, E) for learned queries."""
    image = spec.image
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
