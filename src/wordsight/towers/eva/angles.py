"""Rotary positions of EVA (baaivision/EVA, rope.py).

First the rows, then the columns, counted from 0 and, where `rotary_grid` says so, stretched to the grid of the first
training stage, so that another image size keeps the angles' range.  Free of PyTorch.
"""

import numpy as np

from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.parts.angles import AngleArray, grid_angles, line_angles


def eva_angles(image: EvaSpec) -> AngleArray | None:
    """Return the angles of all tokens of `image.size`, (T, d); None for a tower without rotary positions."""
    if image.rotary == "none":
        return None
    side = image.size // image.patch
    positions = np.arange(side, dtype=np.float64) * ((image.rotary_grid or side) / side)
    line = line_angles(positions, image.width // image.heads // 2)
    return grid_angles(line[:, None], line[None, :], class_token=True)
