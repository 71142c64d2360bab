"""From a file, bytes, a Pillow image or an array to upright RGB pixels.

    pixels = decode("photo.jpg")            # uint8 (H, W, 3)
    pixels = decode(data, name="row 17")    # bytes; the name appears in errors

Reads JPEG, PNG, WebP, GIF (first frame), BMP and TIFF.  Turns by the EXIF orientation, lays
transparency onto white, converts palette, grey, CMYK and 16-bit images.  The size is read from the
header and checked before anything is decoded.  Whatever is wrong with an image is a `BrokenImage` or
`TooManyPixels` that names it.  Does not know what size a tower wants.

`open_image(item, colours="kept")` leaves palette, transparency and CMYK as they are, for towers that were taught
with conversion to RGB after the resize.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, TooManyPixels, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Item = Any  # path | bytes | PIL.Image.Image | uint8 array (H, W, 3)
Colours = Literal["rgb", "kept"]

DEFAULT_MAX_PIXELS = 89_478_485  # Pillow's own first limit: a quarter of a GiB at three bytes a pixel
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # JPEG includes MPO, the files of some cameras
_ORIENTATION = 0x0112
_ORIENTED = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # where Pillow finds an orientation
# What Pillow's readers raise on hostile bytes, as seen when fuzzing them.
_READER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


def decode(
    item: Item,
    *,
    name: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: int | None = None,
) -> Pixels:
    """Return the upright RGB pixels of `item`: uint8 (H, W, 3).

    `item` is a path, the bytes of a file, a Pillow image or a uint8 array (H, W, 3), which is returned
    as it is.  `name` is how errors call it when it is not a path.  `at_least` allows JPEG to be decoded
    at a half, quarter or eighth of its size as long as both sides keep that many pixels: faster, but
    visibly different from a full decode, so only on request.

    Raises `BrokenImage` (cannot be read, missing file included), `TooManyPixels` (the header declares
    more than `max_pixels`) and `UsageError` (not one of the four kinds of item).
    """
    if isinstance(item, np.ndarray):
        return _checked_array(item)
    image = open_image(item, name=name, max_pixels=max_pixels, at_least=at_least)
    with reading(name or name_of(item)):
        return np.asarray(image)


def open_image(
    item: Item,
    *,
    name: str = "",
    max_pixels: int = DEFAULT_MAX_PIXELS,
    at_least: int | None = None,
    colours: Colours = "rgb",
) -> "Image":
    """Return `item` (a path, bytes or a Pillow image) as an upright, loaded Pillow image.

    It is in RGB, or with `colours` "kept" in the mode it has; only samples of more than 8 bits become RGB always.
    """
    from PIL import Image

    name = name or name_of(item)
    wanted = _Wanted(max_pixels, at_least, colours)
    if isinstance(item, Image.Image):
        return _upright(item, name, wanted)
    if isinstance(item, bytes | bytearray | memoryview):
        return _read(BytesIO(item), name, wanted)
    if not isinstance(item, str | PathLike):
        kinds = "a path, bytes, a Pillow picture or a uint8 array (H, W, 3)"
        raise UsageError(f"a picture cannot be made of {type(item).__name__}", cure=f"give {kinds}")
    try:
        with open(item, "rb") as handle:
            return _read(handle, name, wanted)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BrokenImage(f"{name} cannot be opened: {reason}", cure="check the path") from error


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what Pillow raises while reading the image `name` into `BrokenImage` or `TooManyPixels`."""
    from PIL import Image

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"{name}: {error}", cure="make it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS") from error
    except _READER_ERRORS as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise BrokenImage(f"{name} cannot be decoded: {reason}", cure="replace the file or leave it out") from error


def name_of(item: Item) -> str:
    """Return how messages call an image that was given no name."""
    if isinstance(item, str | PathLike):
        return str(fspath(item))
    if isinstance(item, bytes | bytearray | memoryview):
        return f"a picture of {len(item)} bytes"
    return str(getattr(item, "filename", "") or "a picture in memory")


@cache
def _silence_pillow() -> None:
    """Keep Pillow's remarks about damaged files off the terminal: they do not name the file, our errors do.

    For the whole process and once: `warnings.catch_warnings` must not be used where several threads decode.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The arguments of `open_image` that its parts need."""

    max_pixels: int
    at_least: int | None
    colours: Colours


def _read(handle: Any, name: str, wanted: _Wanted) -> "Image":
    from PIL import Image, UnidentifiedImageError

    _silence_pillow()
    with reading(name):
        try:
            image = Image.open(handle, formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise BrokenImage(
                f"{name} is not a JPEG, PNG, WebP, GIF, BMP or TIFF picture",
                cure="convert it to one of these or leave it out",
            ) from error
        return _upright(image, name, wanted)


def _upright(image: "Image", name: str, wanted: _Wanted) -> "Image":
    width, height = image.size
    if width * height > wanted.max_pixels:
        raise TooManyPixels(
            f"{name} declares {width} x {height} pixels, more than {wanted.max_pixels:,}",
            cure="make it smaller or raise max_pixels",
        )
    if width == 0 or height == 0:
        raise BrokenImage(f"{name} has no pixels ({width} x {height})", cure="replace the file or leave it out")
    if wanted.at_least is not None:
        image.draft("RGB", (wanted.at_least, wanted.at_least))
    with reading(name):
        image.load()
        deep = image.mode.startswith("I") or image.mode == "F"  # Pillow would cut these at 255
        return _turned(to_rgb(image, name) if deep or wanted.colours == "rgb" else image)


def to_rgb(image: "Image", name: str = "the picture") -> "Image":
    """Return a loaded Pillow image in mode RGB: transparency onto white, 16-bit samples by their high byte."""
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _with_notes(_grey_of_integers(image, name), image)
    if image.mode == "F":
        raise BrokenImage(f"{name} holds floating-point samples without a known range", cure="convert it to 8 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return _with_notes(Image.alpha_composite(white, layer).convert("RGB"), image)
    return image.convert("RGB")


def _with_notes(image: "Image", original: "Image") -> "Image":
    """Return the image with what the original says about itself (its orientation above all), transparency apart."""
    image.info = {key: value for key, value in original.info.items() if key != "transparency"}
    return image


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


def _turned(image: "Image") -> "Image":
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
    turn = turns.get(_orientation(image))
    if turn is None:
        return image
    turned = image.transpose(turn)
    for key in _ORIENTED:  # so that an image which is opened again is not turned again
        turned.info.pop(key, None)
    return turned


def _orientation(image: "Image") -> int:
    """Return EXIF's orientation, 1..8; an image whose EXIF block is damaged counts as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _READER_ERRORS:
        return 1
    return value if isinstance(value, int) else 1


def _checked_array(array: NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UsageError(f"an array of {array.dtype} {array.shape} is not a picture", cure="give uint8 (H, W, 3)")
    return array
