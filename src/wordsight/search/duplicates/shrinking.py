"""A small version of an image, by which it is compared; the one file of this folder that needs Pillow.

image, proportion = shrunk(pillow_image)             # uint8 (SIDE, SIDE, 3), width / height
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wordsight.search.duplicates.comparing import SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

SHRUNK = 4 * SIDE  # pixels of the longer side of what is shrunk: the decoder may give so little


def shrunk(image: "Image") -> tuple[NDArray[np.uint8], float]:
    """Return the small version of an image in RGB, and its proportion."""
    from PIL import Image

    small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small), image.width / image.height
