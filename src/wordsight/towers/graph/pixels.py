"""The ends of image towers as ONNX: pixels uint8 to patches or normalised images, and tokens to their mean.

Free of PyTorch.
"""

import numpy as np
from onnx import TensorProto

from wordsight.images.spec import PreprocessSpec
from wordsight.towers.graph.operators import Array, Graph


def patch_stem(
    graph: Graph, kernel: Array, pixels: str, preprocess: PreprocessSpec, *, size: int, bias: Array | None
) -> str:
    """Cut into patches and multiply: the convolution (D, 3, P, P) of stride P as one matrix, normalisation folded in.

    `size` is the side of images that do not keep their shape.
    """
    width, patch = kernel.shape[0], kernel.shape[-1]
    x = _cut(graph, pixels, preprocess, patch, size)  # (B, H, P, W, P, 3)
    x = graph.node("Transpose", x, perm=[0, 1, 3, 2, 4, 5])  # (B, H, W, P, P, 3)
    x = graph.reshape(x, [0, -1, patch**2 * 3])
    mean, deviation = _levels(preprocess)
    scaled = kernel.transpose(2, 3, 1, 0) / deviation[:, None]  # (P, P, 3, D)
    matrix = scaled.reshape(-1, width).astype(np.float32)  # (P*P*3, D)
    return graph.byte_linear(x, matrix, np.tile(mean, patch**2), bias)


def normalised(graph: Graph, pixels: str, spec: PreprocessSpec) -> str:
    """Return float32 (B, 3, S, S) of mean 0 and deviation 1 for uint8 (B, S, S, 3)."""
    mean, deviation = _levels(spec)
    x = graph.node("Transpose", pixels, perm=[0, 3, 1, 2])
    x = graph.node("Cast", x, to=TensorProto.FLOAT)
    x = graph.node("Sub", x, graph.constant(mean.reshape(3, 1, 1)))
    return graph.node("Mul", x, graph.constant((1 / deviation).reshape(3, 1, 1)))


def with_class(graph: Graph, x: str, first: Array, positions: Array) -> str:
    """Put the class token before the patches, (B, 1 + N, D), positions (N, D) added to these."""
    x = graph.node("Add", x, graph.constant(positions))
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


def _cut(graph: Graph, pixels: str, preprocess: PreprocessSpec, patch: int, size: int) -> str:
    """Take rows and columns of patches apart: (B, H, P, W, P, 3)."""
    if preprocess.resize != "patches":
        side = size // patch
        if size % patch:  # what is beyond the last whole patch is not looked at
            whole = graph.constant([side * patch] * 2)
            pixels = graph.node("Slice", pixels, graph.constant([0, 0]), whole, graph.constant([1, 2]))
        return graph.reshape(pixels, [0, side, patch, side, patch, 3])
    rows = patches_along(graph, pixels, 1, patch)
    shape = graph.node("Concat", graph.constant([0]), rows, graph.constant([patch, -1, patch, 3]), axis=0)
    return graph.node("Reshape", pixels, shape)


def patches_along(graph: Graph, pixels: str, axis: int, patch: int) -> str:
    """Return the number of patches along an axis, (1,)."""
    return graph.node("Div", graph.node("Shape", pixels, start=axis, end=axis + 1), graph.constant([patch]))
