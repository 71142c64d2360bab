"""Corruptions of digital origin: contrast, elastic transform, pixelate, JPEG.

Parameters for strengths 1 to 5: Hendrycks and Dietterich 2019, images of 224 x 224.  Lengths of the elastic
transform grow with the shorter side; pixelate is a factor; JPEG's blocks are 8 pixels at any size.
"""

import io

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.images.corruptions.filters import Planes, at_points, gaussian_blur, unit

_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # that is left
_ELASTIC = (  # displacement, sigma that smooths it, and jitter of the affine corners, in parts of 244 (so published)
    (2.0, 0.7, 0.1),
    (2.0, 0.08, 0.2),
    (0.05, 0.01, 0.02),
    (0.07, 0.01, 0.02),
    (0.12, 0.01, 0.02),
)
_ELASTIC_SIDE = 244  # pixels; the original writes 244 for images of 224
_ELASTIC_TRUNCATE = 3.0  # sigmas
_PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)  # of the side that is left
_QUALITIES = (25, 18, 15, 10, 7)  # of libjpeg's 1..100


def contrast(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) with each channel drawn towards its mean."""
    means = image.mean(axis=(0, 1))
    changed: Planes = (image - means) * np.float32(_CONTRAST[strength - 1]) + means
    return changed


def elastic_transform(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) stretched and sheared a little, then displaced by smooth noise.

    Strengths 1 and 2 displace large parts, 3 to 5 small ones: they are two distortions, as published.
    """
    displacement, sigma, jitter = (_ELASTIC_SIDE * unit(image) * part for part in _ELASTIC[strength - 1])
    displacement *= unit(image)  # noise of twice as many pixels, smoothed twice as far, is half as strong
    height, width, _ = image.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    back = _affine_back(height, width, jitter, generator)
    affine = back.astype(np.float32) @ np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size, np.float32)])
    sheared = at_points(image, affine[1].reshape(rows.shape), affine[0].reshape(rows.shape), border="mirror")
    across, down = (
        np.float32(displacement)
        * gaussian_blur(
            generator.uniform(-1, 1, rows.shape).astype(np.float32), sigma, truncate=_ELASTIC_TRUNCATE, border="reflect"
        )
        for _ in range(2)
    )
    return at_points(sheared, rows + down, columns + across, border="reflect")


def _affine_back(height: int, width: int, jitter: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return (2, 3): which point (x, y) of the image stands at (x, y, 1) after three corners were moved at random."""
    middle_x, middle_y, third = width // 2, height // 2, min(height, width) // 3
    corners = np.array([(1, 1), (1, -1), (-1, -1)]) * third + (middle_x, middle_y)
    moved_corners = corners + generator.uniform(-jitter, jitter, corners.shape)
    homogeneous = np.column_stack([moved_corners, np.ones(3)])
    return np.linalg.solve(homogeneous, corners.astype(np.float64)).T


def pixelate(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) made smaller by averages of boxes and enlarged again without interpolation."""
    from PIL import Image

    height, width, _ = image.shape
    share = _PIXELATE[strength - 1]
    small = Image.fromarray(_bytes(image)).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    enlarged = small.resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(enlarged, dtype=np.float32) / np.float32(255)


def jpeg(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) as a JPEG of low quality gives it back."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_bytes(image)).save(buffer, "JPEG", quality=_QUALITIES[strength - 1])
    with Image.open(buffer) as opened:
        return np.asarray(opened, dtype=np.float32) / np.float32(255)


def _bytes(image: Planes) -> Pixels:
    return np.rint(image * 255).astype(np.uint8)
