"""What a tower sees of a picture: resize, centre crop, normalise.

    pixels = load_pixels("photo.jpg", spec)          # decode + transform: uint8 (S, S, 3)
    batch = normalise(np.stack([pixels]), spec)      # float32 (1, 3, S, S)

`transform` is the published CLIP preprocessing on Pillow, pixel for pixel: the reference.  `load_pixels`
is the same within 2 of 255 levels, faster.  Does not know engines; pixels cross their border as uint8.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.images.decode import DEFAULT_MAX_PIXELS, Item, Pixels, decode, open_picture
from wordsight.images.geometry import columns_first, crop_corner, resized
from wordsight.images.resize import resize_crop
from wordsight.images.spec import PreprocessSpec


def transform(image: Pixels, spec: PreprocessSpec) -> Pixels:
    """Return `image` (H, W, 3) resized and cropped: uint8 (size, size, 3).  The reference, on Pillow."""
    from PIL import Image

    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    height, width = resized(image.shape[0], image.shape[1], spec)
    picture = Image.fromarray(image)
    if picture.size != (width, height):
        picture = picture.resize((width, height), filters[spec.interpolation])
    top, left = crop_corner(height, width, spec.size)
    return np.asarray(picture)[top : top + spec.size, left : left + spec.size]


def load_pixels(
    item: Item,
    spec: PreprocessSpec,
    *,
    name: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    scaled_decode: bool = False,
) -> Pixels:
    """Return what a tower sees of a path, bytes, a Pillow picture or an array: uint8 (size, size, 3).

    Within 2 levels of `transform(decode(item), spec)`.  `scaled_decode` lets large JPEGs be decoded at a
    fraction of their size: faster still, but far from the reference.  Errors are those of `decode`.
    """
    if isinstance(item, np.ndarray):
        pixels = decode(item)
    else:
        at_least = 2 * spec.size if scaled_decode else None
        pixels = _samples(open_picture(item, name=name, max_pixels=max_pixels, at_least=at_least))
    height, width, _ = pixels.shape
    if columns_first((height, width), resized(height, width, spec)):
        return resize_crop(pixels, spec)
    return transform(np.ascontiguousarray(pixels), spec)  # tall pictures, where Pillow's order depends on its version


def normalise(batch: Pixels, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return uint8 (B, S, S, 3) as float32 (B, 3, S, S): scaled to 0..1, less the mean, over the deviation."""
    scale = (1 / 255 / np.asarray(spec.std)).astype(np.float32)
    shift = (-np.asarray(spec.mean) / np.asarray(spec.std)).astype(np.float32)
    result = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
    result *= scale[:, None, None]
    result += shift[:, None, None]
    return result


def _samples(picture: Any) -> Pixels:
    """Return a view (H, W, 3) of an RGB picture as Pillow holds it, four bytes a pixel: no repacking."""
    width, height = picture.size
    return np.frombuffer(picture.tobytes("raw", "RGBX"), dtype=np.uint8).reshape(height, width, 4)[:, :, :3]
