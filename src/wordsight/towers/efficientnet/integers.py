"""EfficientNet-Lite in integers: pixels uint8 (B, S, S, 3) to features (B, F), every convolution a `QLinearConv`.

ReLU6 is nothing but the end of the bytes' range; the ranges of blocks, which have no activation, and what rounding
shifts follow from the batch norms (`wordsight.towers.graph.byte_grids`).  So the norms must describe what the
convolutions give: those of published and of trained towers do (`EfficientNetLite.calibrate`).  Free of PyTorch.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.images.spec import PreprocessSpec
from wordsight.towers.efficientnet.folding import outcome, padding
from wordsight.towers.efficientnet.shapes import STEM, LiteBlock, blocks
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.batch_norm import folded
from wordsight.towers.graph.byte_grids import (
    RELU6,
    ByteGrid,
    Convolution,
    Levels,
    add,
    clipped_mean,
    convolve,
    normal_levels,
    widen,
)
from wordsight.towers.graph.operators import Graph
from wordsight.towers.graph.transformer import GraphWeights

CELL = 4  # pixels of a row that the stem reads as one cell
CHANNELS = 3


def integer_features(
    graph: Graph, weights: GraphWeights, pixels: str, image: EfficientNetSpec, *, preprocess: PreprocessSpec
) -> str:
    """Return the features (B, F), float32, of pixels uint8 (B, S, S, 3)."""
    tower = _IntegerTower(graph, weights, image)
    x = tower.stem(pixels, preprocess)
    side = -(-image.size // 2)
    for number, block in enumerate(blocks(image)):
        x = tower.block(x, f"blocks.{number}", block, side)
        side = -(-side // block.stride)
    x = tower.clipped(x, "head")
    return graph.node("ReduceMean", widen(graph, x), graph.constant([1, 2]), keepdims=0)


@dataclass(frozen=True, slots=True)
class _IntegerTower:
    """The parts of a tower in integers; grids are (B, G, G, C)."""

    graph: Graph
    weights: GraphWeights
    image: EfficientNetSpec

    def stem(self, pixels: str, preprocess: PreprocessSpec) -> ByteGrid:
        """Add the first convolution, normalisation folded in, so that pixels are its bytes as they are.

        The zeros at its border are the level next to the mean: where the means of the colours differ, that is exact to
        a fraction of a deviation.
        """
        kernel, bias = folded(self.weights, "visual.stem.conv", "visual.stem.norm", self.image.epsilon)
        mean, deviation = (np.asarray(values) * 255 for values in (preprocess.mean, preprocess.std))
        zero = np.uint8(round(float(mean.mean())))
        kernel = kernel / deviation[None, :, None, None]
        before, after = padding(self.image, self.image.size, kernel.shape[-1], 2)
        conv = Convolution(kernel, bias, (2, 2), (before, before, after, after))
        none = np.zeros(CHANNELS)
        given = ByteGrid(pixels, Levels(np.float32(1), zero), none, none, centre=float(zero) - mean)
        if (before, after) == (0, 1) and self.image.size % CELL == 0:
            value = self._stem_by_cells(given, conv)
        else:
            value = convolve(self.graph, given, conv, RELU6)
        return self._relu6(value, "stem")

    def _stem_by_cells(self, pixels: ByteGrid, conv: Convolution) -> str:
        """Add a convolution of stride 2 on rows of cells, each `CELL` pixels wide and half as many outputs.

        The same numbers in half the time: three channels are too few for the kernels of integer convolutions.
        """
        side, inner, outputs = self.image.size, CELL * CHANNELS, CELL // 2
        spread = np.zeros((outputs, STEM, 2 * CELL, CHANNELS, 3))  # (cell's output, O, pixel, I, row)
        for output in range(outputs):
            spread[output, :, 2 * output : 2 * output + 3] = conv.kernel.transpose(0, 3, 1, 2)
        kernel = spread.reshape(outputs * STEM, 2, inner, 3).transpose(0, 2, 3, 1)  # two cells beside each other
        wide = Convolution(kernel, np.tile(conv.bias, outputs), (2, 1), (0, 0, 1, 1))
        cells = self.graph.reshape(pixels.value, [0, side, side // CELL, inner])
        none, centre = np.zeros(inner), np.tile(np.asarray(pixels.centre), CELL)
        given = ByteGrid(cells, pixels.levels, none, none, centre)
        value = convolve(self.graph, given, wide, RELU6)  # (B, S / 2, S / CELL, outputs * STEM)
        return self.graph.reshape(value, [0, side // 2, side // 2, STEM])

    def block(self, x: ByteGrid, name: str, block: LiteBlock, side: int) -> ByteGrid:
        y = self.clipped(x, f"{name}.expand") if block.expands else x
        y = self.clipped(y, f"{name}.depthwise", side=side, stride=block.stride)
        mean, variance = outcome(self.weights, f"visual.{name}.reduce")
        levels = normal_levels(mean, variance)
        y = ByteGrid(self._conv(y, f"{name}.reduce", levels), levels, mean, variance)
        return add(self.graph, x, y) if block.shortcut else y

    def clipped(self, x: ByteGrid, name: str, *, side: int = 0, stride: int = 1) -> ByteGrid:
        """Add a convolution and ReLU6."""
        return self._relu6(self._conv(x, name, RELU6, side=side, stride=stride), name)

    def _relu6(self, value: str, name: str) -> ByteGrid:
        """Return a grid of `RELU6` levels; its variance is nobody's need."""
        mean, variance = outcome(self.weights, f"visual.{name}")
        return ByteGrid(value, RELU6, clipped_mean(mean, variance), variance)

    def _conv(self, x: ByteGrid, name: str, after: Levels, *, side: int = 0, stride: int = 1) -> str:
        kernel, bias = folded(self.weights, f"visual.{name}.conv", f"visual.{name}.norm", self.image.epsilon)
        first, last = padding(self.image, side, kernel.shape[-1], stride)
        return convolve(self.graph, x, Convolution(kernel, bias, (stride, stride), (first, first, last, last)), after)
