"""Corruptions by blur: out of focus, through frosted glass, of a moving camera, of one that comes nearer.

Parameters for strengths 1 to 5: Hendrycks and Dietterich 2019, images of 224 x 224; lengths grow with the shorter side.
"""

import math

import numpy as np
from numpy.typing import NDArray

from wordsight.images.corruptions.filters import Planes, convolve, gaussian_blur, moved, unit, zoomed

_DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius of the disk, sigma that softens its rim
_GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))  # sigma, furthest exchange, passes
_MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius, sigma
_ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))  # factors from 1 to below, in steps

_GLASS_TRUNCATE = 4.0  # sigmas, as scikit-image's filter, which the original calls


def defocus_blur(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) out of focus: the mean over a disk."""
    radius, soft = _DEFOCUS[strength - 1]
    return convolve(image, _disk(radius * unit(image), soft * unit(image), rim=1 if radius <= 8 else 2))


def _disk(radius: float, soft: float, *, rim: int) -> Planes:
    """Return a disk of sum 1 (K, K), softened by a Gaussian of sigma `soft` that ends `rim` pixels away."""
    reach = math.floor(radius) + rim
    line = np.arange(-reach, reach + 1)
    disk = (line[:, None] ** 2 + line[None, :] ** 2 <= radius**2).astype(np.float64)
    taps = np.exp(-0.5 * (np.arange(-rim, rim + 1) / soft) ** 2)
    for axis in (0, 1):
        moves = [np.roll(disk, shift, axis=axis) for shift in range(-rim, rim + 1)]
        disk = np.tensordot(taps, np.stack(moves), axes=1)
    kernel: Planes = (disk / disk.sum()).astype(np.float32)
    return kernel


def glass_blur(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) as seen through frosted glass: blurred, pixels replaced by near ones, blurred.

    Every pass goes over all pixels from the last to the first and puts in the place of each one that stands at most
    `furthest` rows and columns away (drawn from -furthest to furthest - 1; at least one pixel).  The paper speaks of
    shuffling, but the program that made ImageNet-C copies (its exchange overwrites one of the two): so does this.
    """
    sigma, furthest, passes = _GLASS[strength - 1]
    sigma = sigma * unit(image)
    furthest = max(1, round(furthest * unit(image)))
    blurred = gaussian_blur(image, sigma, truncate=_GLASS_TRUNCATE, border="nearest")
    order = _copied(image.shape[0], image.shape[1], furthest, passes, generator)
    mixed = blurred.reshape(-1, 3)[order].reshape(image.shape)
    return gaussian_blur(mixed, sigma, truncate=_GLASS_TRUNCATE, border="nearest")


def _copied(height: int, width: int, furthest: int, passes: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return which pixel (row * width + column) comes to stand at each position, (height * width,)."""
    rows = np.arange(height - furthest, furthest, -1)
    columns = np.arange(width - furthest, furthest, -1)
    order = list(range(height * width))
    here = (rows[:, None] * width + columns[None, :]).ravel()
    for _ in range(passes):
        across, down = generator.integers(-furthest, furthest, size=(2, here.size))
        for a, b in zip(here.tolist(), (here + down * width + across).tolist(), strict=True):
            order[a] = order[b]  # one after the other: what was copied may be copied again
    return np.array(order, dtype=np.int64)


def motion_blur(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) blurred along a line between 45 degrees up and down."""
    radius, sigma = _MOTION[strength - 1]
    angle = generator.uniform(-45, 45)
    return moved(image, radius=radius * unit(image), sigma=sigma * unit(image), angle=angle)


def zoom_blur(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3): the mean of the image and of its enlargements."""
    stop, step = _ZOOM[strength - 1]
    factors = np.arange(1, stop, step)
    total = image.copy()
    for factor in factors:
        total += zoomed(image, float(factor))
    return total / np.float32(len(factors) + 1)
