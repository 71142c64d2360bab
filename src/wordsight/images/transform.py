"""What a tower sees of an image: resize, cut, normalise.

    pixels = load_pixels("photo.jpg", spec)                    # decode + transform: uint8 (S, S, 3)
    pixels = load_pixels("photo.jpg", spec, quality="exact")   # pixel for pixel the published preprocessing
    batch = normalise(np.stack([pixels]), spec)                # float32 (1, 3, S, S)

`transform` is the published preprocessing on Pillow, pixel for pixel: the reference.  `load_pixels` is the same
within 2 of 255 levels, faster, and decodes no more of large JPEGs than it takes, unless `quality` is "exact".  Does not
know engines; pixels cross their border as uint8.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.images.check import check_preprocess
from wordsight.images.colours import to_rgb
from wordsight.images.decode import (
    DEFAULT_MAX_PIXELS,
    Item,
    OpenedImage,
    Wanted,
    checked_array,
    opened_with_sides,
)
from wordsight.images.failures import name_of, reading
from wordsight.images.geometry import Frame, columns_first, framed
from wordsight.images.resize import BETWEEN_MOST, Box, Filter, ImageSamples, resize_crop
from wordsight.images.sampling import Plain, sampled
from wordsight.images.spec import PreprocessSpec

if TYPE_CHECKING:
    from PIL.Image import Image

Quality = Literal["fast", "exact"]
ENOUGH = 1.9  # times the side that an image is scaled to: how many pixels decoding at a fraction leaves at least
_LARGEST = 1 << 25  # pixels of a scaled image that the reference may make: 128 MiB
_LONGEST = 1 << 17  # pixels of a side that is scaled down at once: the filters of longer ones take gigabytes


def transform(image: "Pixels | Image", spec: PreprocessSpec) -> Pixels:
    """Return an image resized and cut: uint8 (size, size, 3), or whole patches.  The reference, on Pillow.

    `image` is uint8 (H, W, 3), or an upright Pillow image of any mode of 8 bits.
    """
    from PIL import Image

    upright = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    frame = framed(upright.height, upright.width, spec)
    if not spec.antialias:
        return _sampled(upright, frame, spec)
    if spec.rgb == "before":
        upright = to_rgb(upright)
    return _scaled(upright, frame, spec, box=(0, 0, *upright.size))


def _scaled(image: "Image", frame: Frame, spec: PreprocessSpec, *, box: Box) -> Pixels:
    """Return what lies in the `box` of an image, resized by Pillow and cut."""
    from PIL import Image

    if box != (0, 0, frame.width, frame.height):
        image = image.resize((frame.width, frame.height), Image.Resampling[spec.interpolation.upper()], box=box)
    return np.asarray(_cut(image, frame, spec.fill).convert("RGB"))


@dataclass(frozen=True, slots=True)
class SeenImage:
    """What a tower sees of an image, uint8 (size, size, 3) or whole patches, and the sides of the image itself."""

    pixels: Pixels
    width: int
    height: int


def load_pixels(
    item: Item,
    spec: PreprocessSpec,
    *,
    name: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quality: Quality = "fast",
) -> Pixels:
    """Return what a tower sees of a path, bytes, a Pillow image or an array: uint8 (size, size, 3).

    `quality` "exact": what `transform` makes of the image; "fast": within 2 levels of it, but that a JPEG which is
    `2 * ENOUGH` times as large as the tower's image, or more, is decoded at a half, a quarter or an eighth of its size:
    about half a level from it in the mean, up to 10, and up to 24 on fine stripes (docs/images.md).  Errors are those
    of `decode`.
    """
    return load_seen(item, spec, name=name, max_pixels=max_pixels, quality=quality).pixels


def load_seen(
    item: Item,
    spec: PreprocessSpec,
    *,
    name: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    quality: Quality = "fast",
) -> SeenImage:
    """Return what `load_pixels` does, with the sides of the upright image it was made of."""
    name = name or name_of(item)
    if isinstance(item, np.ndarray):
        with reading(name):
            return SeenImage(_array_pixels(checked_array(item), spec, quality), item.shape[1], item.shape[0])
    further = partial(resizing_need, spec=spec)
    wanted = Wanted(max_pixels, at_least=_enough(spec, quality), colours="kept", further=further)
    with opened_with_sides(item, name=name, wanted=wanted) as one, reading(name):
        pixels = _image_pixels(one.image, spec, quality) if one.box is None else _reduced_pixels(one, one.box, spec)
        return SeenImage(pixels, one.width, one.height)


def _enough(spec: PreprocessSpec, quality: Quality) -> int | None:
    """Return how many pixels both sides of a decoded JPEG need; None where nothing but all of them will do."""
    if quality == "exact" or not spec.antialias or spec.interpolation == "nearest":
        return None
    side = spec.patch * math.sqrt(spec.max_patches) if spec.resize == "patches" else spec.scale_to or spec.size
    return math.ceil(ENOUGH * side)


def _reduced_pixels(one: OpenedImage, box: Box, spec: PreprocessSpec) -> Pixels:
    """Return the pixels of an image that was decoded at a fraction; where to cut is reckoned from its own sides."""
    image = to_rgb(one.image) if spec.rgb == "before" else one.image
    frame = framed(one.height, one.width, spec)
    if image.mode in ("RGB", "L") and frame.inside:
        return resize_crop(ImageSamples(image), frame, cast(Filter, spec.interpolation), box=box)
    return _scaled(image, frame, spec, box=box)


def _array_pixels(pixels: Pixels, spec: PreprocessSpec, quality: Quality) -> Pixels:
    from PIL import Image

    if max(pixels.shape) > _LONGEST:
        return _image_pixels(Image.fromarray(np.ascontiguousarray(pixels)), spec, quality)
    frame = framed(pixels.shape[0], pixels.shape[1], spec)
    if not _takes_fast(frame, (pixels.shape[0], pixels.shape[1]), spec, quality):
        return transform(np.ascontiguousarray(pixels), spec)
    return resize_crop(pixels, frame, cast(Filter, spec.interpolation))


def _image_pixels(image: "Image", spec: PreprocessSpec, quality: Quality) -> Pixels:
    if spec.rgb == "before" and (image.mode not in ("RGB", "L") or "transparency" in image.info):
        image = to_rgb(image)
    image = _shortened(image, spec)
    frame = framed(image.height, image.width, spec)
    plain = image.mode in ("RGB", "L")  # of these it does not matter when they become RGB
    if plain and _takes_fast(frame, (image.height, image.width), spec, quality):
        return resize_crop(ImageSamples(image), frame, cast(Filter, spec.interpolation))
    return transform(image, spec)


def _shortened(image: "Image", spec: PreprocessSpec) -> "Image":
    """Return an image whose sides are short enough to be scaled down at once: longer ones are first reduced.

    By a whole number, each pixel the mean of those it stands for, so little is lost: what remains is still hundreds of
    times what the tower sees.
    """
    frame = framed(image.height, image.width, spec)
    sides = ((image.width, frame.width), (image.height, frame.height))
    across, down = (-(-old // _LONGEST) if new < old else 1 for old, new in sides)
    if (across, down) == (1, 1) or spec.interpolation == "nearest":
        return image
    return (to_rgb(image) if image.mode in ("1", "P") else image).reduce((across, down))


def resizing_need(width: int, height: int, *, spec: PreprocessSpec) -> int:
    """Return the bytes that are needed beside an image of these sides, turned or not, to make pixels of it."""
    frames = (framed(height, width, spec), framed(width, height, spec))
    scaled = max((size for frame in frames if (size := frame.height * frame.width) <= _LARGEST), default=0)
    between = min(12 * max(frame.columns for frame in frames) * max(width, height), BETWEEN_MOST)
    return between + 4 * scaled + (0 if spec.antialias else 3 * width * height)


def _takes_fast(frame: Frame, old: tuple[int, int], spec: PreprocessSpec, quality: Quality) -> bool:
    """Say whether the fast way serves: not where something is filled, nor where Pillow's order is not known.

    An image that the reference would make enormous takes it always.
    """
    if not spec.antialias or spec.interpolation == "nearest" or not frame.inside:
        return False
    if frame.height * frame.width > _LARGEST:
        return True
    return quality == "fast" and columns_first(old, (frame.height, frame.width))


def _cut(image: "Image", frame: Frame, fill: int) -> "Image":
    """Cut the frame out of a scaled image; outside is `fill` in every band (a palette's first entry for 0)."""
    from PIL import Image

    if frame.whole:
        return image
    box = (frame.left, frame.top, frame.left + frame.columns, frame.top + frame.rows)
    if frame.inside or fill == 0:
        return image.crop(box)
    bands = len(image.getbands())
    result = Image.new(image.mode, (frame.columns, frame.rows), fill if bands == 1 else (fill,) * bands)
    if image.mode == "P":
        result.putpalette(image.getpalette() or [])
    result.paste(image, (-frame.left, -frame.top))
    return result


def _sampled(image: "Image", frame: Frame, spec: PreprocessSpec) -> Pixels:
    """Return the frame of an image resized without antialiasing."""
    check_preprocess(spec)
    pixels = sampled(np.asarray(to_rgb(image)), frame.height, frame.width, cast(Plain, spec.interpolation))
    return pixels[frame.top : frame.top + frame.rows, frame.left : frame.left + frame.columns]


def normalise(batch: Pixels, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return uint8 (B, S, S, 3) as float32 (B, 3, S, S): scaled to 0..1, less the mean, over the deviation."""
    scale = (1 / 255 / np.asarray(spec.std)).astype(np.float32)
    shift = (-np.asarray(spec.mean) / np.asarray(spec.std)).astype(np.float32)
    result = np.ascontiguousarray(batch.transpose(0, 3, 1, 2), dtype=np.float32)
    result *= scale[:, None, None]
    result += shift[:, None, None]
    return result
