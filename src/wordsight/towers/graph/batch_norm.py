"""A convolution and the batch norm after it as one convolution.  Free of PyTorch."""

import numpy as np

from wordsight.towers.graph.operators import Array
from wordsight.towers.graph.transformer import GraphWeights


def folded(weights: GraphWeights, conv: str, norm: str, epsilon: float) -> tuple[Array, Array]:
    """Return the kernel (O, I, K, K) and the bias (O,) of convolution `conv`, which has none, with `norm` after it."""
    weights.take(f"{norm}.num_batches_tracked")
    variance = weights.take(f"{norm}.running_var", folded=1)
    factor = weights.take(f"{norm}.weight", folded=1) / np.sqrt(variance + epsilon)  # (O,)
    bias = weights.take(f"{norm}.bias") - weights.take(f"{norm}.running_mean", folded=0) * factor
    return weights.take(f"{conv}.weight") * factor[:, None, None, None], bias
