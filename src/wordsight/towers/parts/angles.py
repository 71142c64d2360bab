"""Rotary positions of a patch grid as angles, for each family that has them.  Free of PyTorch.

    rotary_angles(spec.image)       # (T, d), float64: how far every channel of a head is turned at every token

Two neighbouring channels are a pair, turned together by one angle (Su et al. 2021, "RoFormer"): the pair
(a, b) becomes (a cos - b sin, b cos + a sin).  Half of the pairs turn with the row, half with the column, by
position times 10000^(-i / n) for the i-th of n pairs.  T tokens, d channels of a head (a multiple of 4), G side
of the grid.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import ConfigError
from wordsight.towers.spec import ImageTowerSpec

BASE = 10000.0  # of the geometric series; Su et al. 2021


def rotary_angles(image: ImageTowerSpec) -> NDArray[np.float64]:
    """Return the angles of all tokens of `image.size`, (T, d); the class token's, which is the first, are zero.

    EVA (baaivision/EVA, rope.py): first the rows, then the columns, counted from 0 and, where `rotary_grid`
    says so, stretched to the grid of the first training stage, so that another image size keeps the angles'
    range. Perception Encoder (facebookresearch/perception_models, core/vision_encoder/rope.py): first the
    columns, then the rows, counted from 1 where there is a class token; another size just counts further.
    A tower without rotary positions raises `ConfigError`.
    """
    side, width = image.size // image.patch, image.width // image.heads
    class_token = image.kind == "eva" or image.has_class_token
    places = np.arange(side, dtype=np.float64)
    if image.rotary == "eva":
        line = _line(places * ((image.rotary_grid or side) / side), width // 2)
        first, second = line[:, None], line[None, :]
    elif image.rotary == "perception":
        line = _line(places + int(class_token), width // 2)
        first, second = line[None, :], line[:, None]
    else:
        raise ConfigError(f'image.rotary = "{image.rotary}" turns nothing', cure='use "eva" or "perception"')
    shape = (side, side, width // 2)
    angles = np.concatenate([np.broadcast_to(first, shape), np.broadcast_to(second, shape)], axis=-1)
    angles = angles.reshape(side * side, width)  # (G*G, d)
    return np.concatenate([np.zeros((1, width)), angles]) if class_token else angles


def _line(places: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """Return the angles of half a head at each place, (G, d/2), the two of a pair alike."""
    frequencies = BASE ** (-np.arange(0, channels, 2) / channels)
    return np.repeat(places[:, None] * frequencies, 2, axis=1)
