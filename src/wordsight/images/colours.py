"""A loaded Pillow image of any mode becomes upright RGB: palettes, transparency, 16 bits, orientation.

    upright = turned(to_rgb(image, "a.png"))

Large images are converted field by field, so that beside the image and its result no further copy of the whole is made.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.errors import BrokenImage
from wordsight.images.failures import READER_ERRORS

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112  # the tag of EXIF
_ORIENTED = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # where Pillow finds an orientation
_FIELD = 1 << 20  # pixels converted at a time


def to_rgb(image: "Image", name: str = "the picture") -> "Image":
    """Return a loaded Pillow image in mode RGB: transparency onto white, 16-bit samples by their high byte."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _with_notes(_by_fields(image, lambda field: _grey_of_integers(field, name)), image)
    if image.mode == "F":
        raise BrokenImage(f"{name} holds floating-point samples without a known range", cure="convert it to 8 bits")
    if image.has_transparency_data:
        return _with_notes(_by_fields(image, _onto_white), image)
    return image.convert("RGB")


def needs_copy(image: "Image") -> bool:
    """Say whether an image that is yet to be loaded will be copied as a whole to be turned, converted or resized.

    Grey ones become RGB part by part.
    """
    return image.mode not in ("RGB", "L") or "transparency" in image.info or orientation(image) > 1


def turned(image: "Image") -> "Image":
    """Return the image upright, as its orientation says."""
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(orientation(image))
    if turn is None:
        return image
    upright = image.transpose(turn)
    for key in _ORIENTED:  # so that an image which is opened again is not turned again
        upright.info.pop(key, None)
    return upright


def orientation(image: "Image") -> int:
    """Return EXIF's orientation, 1..8; an image whose EXIF block is damaged counts as upright.

    Of an image that is not loaded, as far as its header says: `getexif` of some readers would load it.
    """
    from PIL import Image

    try:
        value = Image.Image.getexif(image).get(ORIENTATION, 1)
    except READER_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _by_fields(image: "Image", convert: Callable[["Image"], "Image"]) -> "Image":
    """Return what `convert` makes of an image, in RGB, made of what it makes of its fields."""
    from PIL import Image

    width, height = image.size
    if width * height <= _FIELD:
        return convert(image)
    columns = min(width, _FIELD)
    rows = max(1, _FIELD // columns)
    result = Image.new("RGB", image.size)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            box = (left, top, min(left + columns, width), min(top + rows, height))
            result.paste(convert(image.crop(box)), box)
    return result


def _onto_white(image: "Image") -> "Image":
    from PIL import Image

    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _grey_of_integers(image: "Image", name: str) -> "Image":
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BrokenImage(f"{name} holds samples of more than 16 bits", cure="convert it to 8 or 16 bits")
    grey = (values >> 8).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey).convert("RGB")


def _with_notes(image: "Image", original: "Image") -> "Image":
    """Return the image with what the original says about itself (its orientation above all), transparency apart."""
    image.info = {key: value for key, value in original.info.items() if key != "transparency"}
    return image
