"""Grids of bytes under construction: convolutions and sums in integers whose ranges are known before the graph runs.

    value = convolve(graph, x, Convolution(kernel, bias), after=RELU6)
    x = add(graph, x, ByteGrid(value, RELU6, mean, variance))

Grids are (B, G, G, C), channels last, as ONNX Runtime computes them.  A byte stands for (byte - zero) * scale.  Ranges
and mean values come from what each channel is expected to be, its mean and variance, which the batch norm behind a
convolution states: no images are needed (Nagel et al. 2019, "Data-free quantization").  Free of PyTorch.

Two things make eight bits enough for depthwise convolutions, whose nine weights stand for a channel alone.  Kernels are
rounded so that their sum is kept: neighbouring pixels are alike, so what matters most is what a kernel makes of a plain
grid.  What rounding still adds on average is taken from the bias.  Features of EfficientNet-Lite0 on photos, cosine to
float32 with the mean subtracted, mean and worst: 0.986 and 0.885 with neither, 0.997 and 0.987 with both.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from wordsight.towers.graph.operators import CONTRIB, Array, Graph, largest_pair

BYTES = 255
REACH = 4.0  # deviations from the mean that a range holds; 4 did best of 3, 3.5, 4, 5, 6 and 8 on photos
LARGEST_BIAS = 2.0**30  # in units of the sum, which has 32 bits


@dataclass(frozen=True, slots=True)
class Levels:
    """What bytes stand for: (byte - zero) * scale."""

    scale: np.float32
    zero: np.uint8


RELU6 = Levels(np.float32(6 / BYTES), np.uint8(0))  # the ends of the bytes are those of the activation


@dataclass(frozen=True, slots=True)
class ByteGrid:
    """A grid: the name of its value, its levels, and the mean and variance that each channel is expected to have.

    `centre` is what the zero level of each channel stands for, where that is not zero (C,).
    """

    value: str
    levels: Levels
    mean: Array
    variance: Array
    centre: Array | None = None


@dataclass(frozen=True, slots=True)
class Convolution:
    """A kernel (O, I, K, L), a bias (O,), strides, zeros around the grid as (top, left, bottom, right)."""

    kernel: Array
    bias: Array
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def depthwise(self) -> bool:
        """Whether each channel is computed apart."""
        return bool(self.kernel.shape[1] == 1)


def normal_levels(mean: Array, variance: Array) -> Levels:
    """Return levels for normally distributed channels."""
    reach = REACH * np.sqrt(variance)
    low, high = min(float((mean - reach).min()), 0.0), max(float((mean + reach).max()), 0.0)
    scale = np.float32(max(high - low, 1e-6) / BYTES)
    return Levels(scale, np.uint8(round(-low / float(scale))))


def clipped_mean(mean: Array, variance: Array, *, top: float = 6.0) -> Array:
    """Return the mean of normally distributed numbers that are clipped to 0..top."""
    deviation = np.sqrt(variance) + 1e-9
    below, above = (_normal((bound - mean) / deviation) for bound in (0.0, top))
    dense = [np.exp(-(((bound - mean) / deviation) ** 2) / 2) / math.sqrt(2 * math.pi) for bound in (0.0, top)]
    clipped: Array = mean * (above - below) + deviation * (dense[0] - dense[1]) + top * (1 - above)
    return clipped


def _normal(x: Array) -> NDArray[np.float64]:
    """Return the share of a normal distribution below x."""
    return np.array([(1 + math.erf(value / math.sqrt(2))) / 2 for value in x.tolist()])


def convolve(graph: Graph, x: ByteGrid, conv: Convolution, after: Levels) -> str:
    """Add a convolution of x whose result has the levels `after`: what lies beyond them is clipped."""
    kernel = conv.kernel
    unit = float(x.levels.scale)
    whole, scale = quantise_kernel(kernel, least=np.abs(conv.bias) / (unit * LARGEST_BIAS))
    stands_for = whole * scale[:, None, None, None]
    surplus = (stands_for - kernel).sum(axis=(2, 3))  # (O, I)
    bias = conv.bias - (surplus[:, 0] * x.mean if conv.depthwise else surplus @ x.mean) + _moved(stands_for, x)
    bias = np.round(bias / (unit * scale.astype(np.float64))).astype(np.int32)
    names = _added(graph, x.levels.scale, x.levels.zero, whole, scale, np.zeros(len(kernel), np.int8))
    ends = _added(graph, after.scale, after.zero, bias)

    def read_kernel(constants: Mapping[str, Array]) -> Array:
        read: Array = constants[names[2]] * constants[names[3]][:, None, None, None]
        return read

    def read_bias(constants: Mapping[str, Array]) -> Array:
        read: Array = constants[ends[2]] * (constants[names[0]] * constants[names[3]])
        return read - _moved(read_kernel(constants), x)

    graph.stored(kernel, read_kernel)
    graph.stored(conv.bias, read_bias)
    return graph.node(
        "QLinearConv",
        x.value,
        *names,
        *ends,
        domain=CONTRIB,
        channels_last=1,
        group=len(kernel) if conv.depthwise else 1,
        strides=list(conv.strides),
        pads=list(conv.pads),
    )


def _moved(kernel: Array, x: ByteGrid) -> Array:
    """Return what the centre of a grid adds to a convolution of it, (O,)."""
    moved: Array = np.zeros(len(kernel)) if x.centre is None else kernel.sum(axis=(2, 3)) @ x.centre
    return moved


def stored_kernel(graph: Graph, kernel: Array) -> str:
    """Add a kernel that is stored as integers, rounded as in `convolve`, and computed with in float32."""
    held, factor = _added(graph, *quantise_kernel(kernel, least=np.zeros(len(kernel))))
    graph.stored(kernel, lambda constants: constants[held] * constants[factor][:, None, None, None])
    wide = graph.node("Cast", held, to=TensorProto.FLOAT)
    return graph.node("Mul", wide, graph.reshape(factor, [-1, 1, 1, 1]))


def add(graph: Graph, x: ByteGrid, y: ByteGrid) -> ByteGrid:
    """Add the sum of two grids, which are taken to vary independently."""
    mean, variance = x.mean + y.mean, x.variance + y.variance
    after = normal_levels(mean, variance)
    inputs: list[str] = []
    for grid in (x, y):
        inputs += [grid.value, *_added(graph, grid.levels.scale, grid.levels.zero)]
    value = graph.node("QLinearAdd", *inputs, *_added(graph, after.scale, after.zero), domain=CONTRIB)
    return ByteGrid(value, after, mean, variance)


def widen(graph: Graph, x: ByteGrid) -> str:
    """Return a grid in float32."""
    return graph.node("DequantizeLinear", x.value, *_added(graph, x.levels.scale, x.levels.zero))


def _added(graph: Graph, *values: Array | np.generic) -> list[str]:
    return [graph.add(np.asarray(value)) for value in values]


def quantise_kernel(kernel: Array, *, least: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return a kernel (O, I, K, L) as integers of which no pair overflows, and the float32 scale of each output.

    Symmetric; the sum of each output's weights is kept to half a step.  `least` are the smallest scales.  Pairs are as
    in `quantise_matrix`, in the order in which convolutions with channels last read the grid: by row, column, channel.
    Rounded up, two weights whose true sum is 127 are 128 at most, so it does not matter which of them are.
    """
    outputs = len(kernel)
    if kernel.shape[1] == 1:
        largest = np.abs(kernel).reshape(outputs, -1).max(axis=1)
    else:
        largest = largest_pair(kernel.transpose(2, 3, 1, 0).reshape(-1, outputs))
    scale = np.where(largest > 0, largest, 1).astype(np.float32) / np.float32(127)
    scale = np.maximum(scale, least.astype(np.float32))
    exact = kernel.reshape(outputs, -1) / scale[:, None].astype(np.float64)
    lower = np.floor(exact)
    ranks = np.argsort(np.argsort(lower - exact, axis=1, kind="stable"), axis=1)  # 0 for what is most to be rounded up
    raised = ranks < np.round((exact - lower).sum(axis=1))[:, None]
    return (lower + raised).astype(np.int8).reshape(kernel.shape), scale
