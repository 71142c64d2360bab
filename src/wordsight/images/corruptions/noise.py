"""Corruptions by noise, on every pixel and channel by itself: Gaussian, shot, impulse.

Parameters for strengths 1 to 5: Hendrycks and Dietterich 2019, images of 224 x 224.  Other sizes have the
same noise a pixel.
"""

import numpy as np

from wordsight.images.corruptions.filters import Planes

_DEVIATIONS = (0.08, 0.12, 0.18, 0.26, 0.38)  # of 0..1
_PHOTONS = (60, 25, 12, 5, 3)  # that make white
_SHARES = (0.03, 0.06, 0.09, 0.17, 0.27)  # of values that are lost


def gaussian_noise(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) with normal noise, as of an image taken in low light."""
    deviation = np.float32(_DEVIATIONS[strength - 1])
    return image + deviation * generator.standard_normal(image.shape, dtype=np.float32)


def shot_noise(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) as counts of photons, which are Poisson distributed."""
    photons = _PHOTONS[strength - 1]
    return (generator.poisson(image * photons) / photons).astype(np.float32)


def impulse_noise(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) with a share of its values lost, half of them to 0 and half to 1 (salt and pepper)."""
    share = _SHARES[strength - 1]
    drawn = generator.random(image.shape, dtype=np.float32)
    return np.where(drawn < share / 2, np.float32(0), np.where(drawn < share, np.float32(1), image))
