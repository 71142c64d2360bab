"""Rotary positions of a patch grid as angles.  Free of PyTorch.

Two neighbouring channels are a pair, turned together by one angle (Su et al. 2021, "RoFormer"): the pair
(a, b) becomes (a cos - b sin, b cos + a sin).  Half of the pairs turn with the row, half with the column, by
position times 10000^(-i / n) for the i-th of n pairs; which comes first, and how positions are counted, each family
has its own way.  d channels of a head (a multiple of 4), G side of the grid.
"""

import numpy as np
from numpy.typing import NDArray

BASE = 10000.0  # of the geometric series; Su et al. 2021

AngleArray = NDArray[np.float64]


def line_angles(positions: AngleArray, channels: int) -> AngleArray:
    """Return the angles of half a head at each position, (G, d/2), the two of a pair alike."""
    frequencies = BASE ** (-np.arange(0, channels, 2) / channels)
    return np.repeat(positions[:, None] * frequencies, 2, axis=1)


def grid_angles(first: AngleArray, second: AngleArray, *, class_token: bool) -> AngleArray:
    """Return the angles of all tokens row by row, (T, d), from two that broadcast to (G, G, d/2).

    Those of the class token, which is the first, are zero.
    """
    side, half = max(len(first), len(second)), first.shape[-1]
    shape = (side, side, half)
    angles = np.concatenate([np.broadcast_to(first, shape), np.broadcast_to(second, shape)], axis=-1)
    angles = angles.reshape(side * side, 2 * half)  # (G*G, d)
    return np.concatenate([np.zeros((1, 2 * half)), angles]) if class_token else angles
