"""Tables of positions for the graphs, as the towers compute them.  numpy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BASE = 10000.0  # of the geometric series of frequencies


@dataclass(frozen=True, slots=True)
class Angles:
    """Cosine and sine (T, d/2), float32, of each pair of a head's d channels, for each token."""

    cos: Array
    sin: Array

    def first(self) -> "Angles":
        """Those of the first token alone."""
        return Angles(self.cos[:1], self.sin[:1])


def rotary(table: NDArray[np.float64] | None) -> Angles | None:
    """Return by what a tower turns queries and keys, for the angles (T, d) of its channels; None for None."""
    if table is None:
        return None
    angles = table[:, ::2]  # the two channels of a pair turn alike
    return Angles(np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))


def sincos(side: int, width: int, *, class_token: bool) -> Array:
    """Return the fixed positions of `wordsight.towers.parts.grid_positions`, (T, D); a class token has none."""
    count = width // 4
    frequencies = np.exp(-np.log(BASE) * np.arange(count) / count)
    angles = np.arange(side)[:, None] * frequencies  # (G, D/4)
    line = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # (G, D/2)
    down, across = np.repeat(line[:, None], side, axis=1), np.repeat(line[None], side, axis=0)
    grid = np.concatenate([down, across], axis=-1).reshape(side * side, width)
    return np.concatenate([np.zeros((int(class_token), width)), grid]).astype(np.float32)
