"""The fifteen common corruptions of images, five strengths each, as pure functions.

    worse = corrupt(pixels, "motion blur", 3, seed=7)    # uint8 (H, W, 3) -> uint8 (H, W, 3)
    for name in CORRUPTIONS: ...                         # the fifteen names, noise, blur, weather, digital

Definitions and parameters: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
and Perturbations", ICLR 2019, and the program its authors published with it, for images of 224 x 224.  They belong
after resize and crop, on what a tower sees.

What is stated in pixels there (radii, sigmas, displacements, sizes of flakes and clouds) is multiplied by the shorter
side / 224.  What is stated as a factor (zoom, pixelate) or acts on single pixels (noise, colours) or on JPEG's blocks
of 8 stays as it is.  Images are rounded here where the original truncates, and are not saved as JPEG of quality
85 afterwards, as those of ImageNet-C were.  Frost is another: see `weather.frost`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.images.corruptions.blur import defocus_blur, glass_blur, motion_blur, zoom_blur
from wordsight.images.corruptions.digital import contrast, elastic_transform, jpeg, pixelate
from wordsight.images.corruptions.filters import Planes
from wordsight.images.corruptions.noise import gaussian_noise, impulse_noise, shot_noise
from wordsight.images.corruptions.weather import brightness, fog, frost, snow

Corruption = Callable[[Planes, int, np.random.Generator], Planes]  # float32 (H, W, 3) in 0..1, a strength from 1 to 5

STRENGTHS = (1, 2, 3, 4, 5)
LEAST_SIDE = 8  # pixels; a smaller image has no room for any of the blurs

CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian noise": gaussian_noise,
    "shot noise": shot_noise,
    "impulse noise": impulse_noise,
    "defocus blur": defocus_blur,
    "glass blur": glass_blur,
    "motion blur": motion_blur,
    "zoom blur": zoom_blur,
    "snow": snow,
    "frost": frost,
    "fog": fog,
    "brightness": brightness,
    "contrast": contrast,
    "elastic transform": elastic_transform,
    "pixelate": pixelate,
    "jpeg": jpeg,
}

GROUPS: Mapping[str, tuple[str, ...]] = {  # as the paper's tables have them
    "noise": ("gaussian noise", "shot noise", "impulse noise"),
    "blur": ("defocus blur", "glass blur", "motion blur", "zoom blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic transform", "pixelate", "jpeg"),
}


def corrupt(pixels: Pixels, name: str, strength: int, *, seed: int) -> Pixels:
    """Return an image uint8 (H, W, 3) changed by the corruption `name` at a strength from 1 to 5, in the same shape.

    The same arguments give the same pixels; `seed` is a whole number from 0.  Unknown names, other strengths, seeds
    and shapes, and sides of less than 8 pixels raise `UsageError`.
    """
    if name not in CORRUPTIONS:
        raise UsageError(f"no corruption {name!r}", cure=f"choose one of: {', '.join(CORRUPTIONS)}")
    if strength not in STRENGTHS:
        raise UsageError(f"strength {strength!r} of {name}", cure="choose 1, 2, 3, 4 or 5")
    if seed < 0:
        raise UsageError(f"seed {seed}", cure="give a whole number from 0")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UsageError(f"an image of {pixels.dtype} {pixels.shape}", cure="give uint8 (H, W, 3)")
    if min(pixels.shape[:2]) < LEAST_SIDE:
        raise UsageError(
            f"an image of {pixels.shape[1]} x {pixels.shape[0]} pixels", cure=f"give one of {LEAST_SIDE} or more a side"
        )
    changed = CORRUPTIONS[name](pixels.astype(np.float32) / np.float32(255), strength, np.random.default_rng(seed))
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)
