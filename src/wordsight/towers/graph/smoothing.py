"""Ranges shared between the inputs of a layer and its weights, before both become integers.  numpy only.

    share = evened(reach, weight)      # inputs are divided by it, the rows of the weight multiplied with it

Inputs have one scale, columns of weights have their own.  Where a few inputs reach far beyond the others, as behind
the norms of BERT's blocks, that scale is too coarse for the rest.  `reach` (K,) is the largest number that each input
was seen to reach, `weight` is (K, N).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sharing = Callable[[Array, Array], Array]

MOVED = 0.75  # of an input's range, in logarithms; of 0.5, 0.65, 0.75, 0.8 and 1 it did best (MiniLM)
WIDEST = 0.9  # the quantile of the inputs' ranges that all others are brought to; 0.5, 0.7 and 0.98 did worse
TINY = 1e-6


def evened(reach: Array, weight: Array) -> Array:
    """Return a share that moves most of each input's range to the weights (Xiao et al. 2022, "SmoothQuant")."""
    largest = np.maximum(np.abs(weight).max(axis=1), TINY)
    moved = np.maximum(reach, TINY) ** MOVED / largest ** (1 - MOVED)
    share: Array = moved / np.exp(np.log(moved).mean())
    return share


def capped(reach: Array, weight: Array) -> Array:
    """Return a share that brings the inputs that reach farthest to the range of the others, which it leaves alone."""
    del weight
    share: Array = np.maximum(1, reach / max(float(np.quantile(reach, WIDEST)), TINY))
    return share
