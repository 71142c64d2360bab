"""Another look at the same picture: crop, flip and colours by chance, for training on a processor.

    view = augment(pixels, 64, generator, Augmentation(flip=0.5))   # uint8 (64, 64, 3)

All chance comes from the given `numpy.random.Generator`: the same state gives the same view.  Does not know
batches or towers.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import ConfigError
from wordsight.images.decode import Pixels

_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # luma of ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a view may go from the picture.

    `scale`: share of the area that the crop keeps, drawn evenly.  `ratio`: width to height of the crop, drawn
    evenly on a logarithmic scale.  `flip`: how probable it is that left and right are exchanged.  `brightness`,
    `contrast`, `saturation`: each is multiplied by a factor drawn from 1 - x .. 1 + x.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ConfigError(f"{name} = {(low, high)} is not a range", cure="give 0 < low <= high")
        if self.scale[1] > 1:
            raise ConfigError(f"scale = {self.scale} crops more than the picture", cure="give at most 1")
        for name in ("flip", "brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} = {getattr(self, name)}", cure="give 0 to 1")


def augment(image: Pixels, size: int, generator: np.random.Generator, how: Augmentation) -> Pixels:
    """Return one view of `image` (H, W, 3): uint8 (size, size, 3)."""
    from PIL import Image

    left, top, width, height = _crop(image.shape[1], image.shape[0], generator, how)
    box = (left, top, left + width, top + height)
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, box=box)
    view = np.asarray(picture)
    if generator.random() < how.flip:
        view = view[:, ::-1]
    return _coloured(view, generator, how)


def _crop(width: int, height: int, generator: np.random.Generator, how: Augmentation) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) of a crop inside the picture."""
    area = width * height * generator.uniform(*how.scale)
    ratio = np.exp(generator.uniform(*np.log(how.ratio)))
    wide = int(np.clip(round(np.sqrt(area * ratio)), 1, width))
    high = int(np.clip(round(np.sqrt(area / ratio)), 1, height))
    left = int(generator.integers(width - wide + 1))
    top = int(generator.integers(height - high + 1))
    return left, top, wide, high


def _coloured(view: Pixels, generator: np.random.Generator, how: Augmentation) -> Pixels:
    brightness, contrast, saturation = (
        1 + x * generator.uniform(-1, 1) for x in (how.brightness, how.contrast, how.saturation)
    )
    if brightness == contrast == saturation == 1:
        return np.ascontiguousarray(view)
    values = view.astype(np.float32) * np.float32(brightness)
    grey = values @ _GREY
    values = grey[:, :, None] + (values - grey[:, :, None]) * np.float32(saturation)
    mean = grey.mean()
    values = mean + (values - mean) * np.float32(contrast)
    pixels: Pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return pixels
