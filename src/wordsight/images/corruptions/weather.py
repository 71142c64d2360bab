"""Corruptions by weather: snow, frost, fog, brightness.

Parameters for strengths 1 to 5: Hendrycks and Dietterich 2019, images of 224 x 224; flakes, crystals and clouds
grow with the shorter side.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.images.corruptions.crystals import crystals_over
from wordsight.images.corruptions.filters import Planes, clouds_over, moved, unit, zoomed


@dataclass(frozen=True, slots=True)
class _Snow:
    """Flakes are normal noise (`mean`, `deviation`), enlarged, cut at `least`, moved; `kept` is the scene's share."""

    mean: float
    deviation: float
    zoom: float
    least: float
    radius: float
    sigma: float
    kept: float


_SNOW = (
    _Snow(0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    _Snow(0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    _Snow(0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    _Snow(0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    _Snow(0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
_FROST = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # share of the scene, of the crystals
_FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))  # thickness, decay of the clouds
_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of HSV

_GREY = np.array((0.299, 0.587, 0.114), np.float32)  # luma of ITU-R BT.601


def snow(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3): a scene made pale behind flakes that fall, and the same flakes upside down.

    Images of less than 112 pixels have larger flakes than their size asks for: one pixel is the least.
    """
    how = _SNOW[strength - 1]
    noise = generator.normal(how.mean, how.deviation, image.shape[:2]).astype(np.float32)
    layer = zoomed(noise, max(1.0, how.zoom * unit(image)))
    layer = np.clip(np.where(layer < how.least, np.float32(0), layer), 0, 1)
    angle = generator.uniform(-135, -45)
    flakes = moved(layer, radius=how.radius * unit(image), sigma=how.sigma * unit(image), angle=angle)[..., None]
    pale = np.maximum(image, (image @ _GREY)[..., None] * np.float32(1.5) + np.float32(0.5))
    kept = np.float32(how.kept)
    snowy: Planes = kept * image + (1 - kept) * pale + flakes + flakes[::-1, ::-1]
    return snowy


def frost(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) behind ice crystals.

    The one deliberate deviation: the original adds a part of one of a few photographs of frosted windows; here the
    crystals are drawn (`crystals.crystals_over`), with their brightness and spread in the range of such photographs.
    The mixture of scene and crystals is the published one.
    """
    scene, ice = _FROST[strength - 1]
    return np.float32(scene) * image + np.float32(ice) * crystals_over(image, generator)


def fog(image: Planes, strength: int, generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) behind clouds (a plasma fractal), scaled so that its brightest value stays."""
    thickness, decay = _FOG[strength - 1]
    brightest = float(image.max())
    foggy = image + np.float32(thickness) * clouds_over(image, decay, generator)[..., None]
    return foggy * np.float32(brightest / (brightest + thickness))


def brightness(image: Planes, strength: int, _generator: np.random.Generator) -> Planes:
    """Return float32 (H, W, 3) with a greater value in HSV, hue and saturation unchanged; black becomes grey."""
    value = image.max(axis=2, keepdims=True)
    brighter = np.minimum(value + np.float32(_BRIGHTNESS[strength - 1]), 1)
    changed: Planes = np.where(value > 0, image * (brighter / np.maximum(value, np.float32(1e-6))), brighter)
    return changed
