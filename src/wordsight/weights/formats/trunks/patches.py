"""The first layer of a tower for images of every shape (NaFlex): a layer on flat patches, or a convolution."""

import numpy as np

from wordsight.base.errors import ShapeMismatch
from wordsight.weights.checkpoint import Array


def as_convolution(weight: Array, where: str) -> Array:
    """Return (D, 3, P, P) for the weight of a layer on flattened patches, (D, P*P*3) with the channels last."""
    side = round((weight.shape[-1] / 3) ** 0.5)
    if weight.ndim != 2 or 3 * side * side != weight.shape[1]:
        raise ShapeMismatch(
            f"the patch embedding of {where} has shape {weight.shape}", cure="square patches of 3 colours are read"
        )
    return np.ascontiguousarray(weight.reshape(-1, side, side, 3).transpose(0, 3, 1, 2))


def as_layer(weight: Array) -> Array:
    """Undo `as_convolution`."""
    return np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(len(weight), -1))
