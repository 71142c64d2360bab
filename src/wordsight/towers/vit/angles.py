"""Rotary positions of the Perception Encoder (facebookresearch/perception_models, core/vision_encoder/rope.py).

First the columns, then the rows, counted from 1 where there is a class token; another image size just counts
further.  Free of PyTorch.
"""

import numpy as np

from wordsight.towers.parts.angles import AngleArray, grid_angles, line_angles
from wordsight.towers.vit.spec import VitSpec


def perception_angles(image: VitSpec) -> AngleArray | None:
    """Return the angles of all tokens of `image.size`, (T, d); None for a tower without rotary positions."""
    if image.rotary == "none":
        return None
    positions = np.arange(image.size // image.patch, dtype=np.float64)
    line = line_angles(positions + int(image.has_class_token), image.width // image.heads // 2)
    return grid_angles(line[None, :], line[:, None], class_token=image.has_class_token)
