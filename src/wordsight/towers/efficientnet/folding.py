"""What a batch norm gives, and the zeros around a grid.  Free of PyTorch."""

import numpy as np

from wordsight.towers.efficientnet.shapes import same_padding
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.operators import Array
from wordsight.towers.graph.transformer import GraphWeights


def padding(image: EfficientNetSpec, side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after a side."""
    if stride > 1 and image.padding == "same":
        return same_padding(side, kernel, stride)
    return kernel // 2, kernel // 2


def outcome(weights: GraphWeights, name: str) -> tuple[Array, Array]:
    """Return the mean and the variance of what a convolution's batch norm gives, by channel: its shift and its gain."""
    norm = f"{name}.norm"
    return weights.take(f"{norm}.bias").astype(np.float64), weights.take(f"{norm}.weight").astype(np.float64) ** 2
