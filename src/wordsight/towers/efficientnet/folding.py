"""A convolution and the batch norm after it as one, and the zeros around a grid.  Free of PyTorch."""

import numpy as np

from wordsight.towers.efficientnet.shapes import same_padding
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.graph.operators import Array
from wordsight.towers.graph.transformer import GraphWeights


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


def outcome(weights: GraphWeights, name: str) -> tuple[Array, Array]:
    """Return the mean and the variance of what a convolution's batch norm gives, by channel: its shift and its gain."""
    norm = f"{name}.norm"
    return weights.take(f"{norm}.bias").astype(np.float64), weights.take(f"{norm}.weight").astype(np.float64) ** 2
