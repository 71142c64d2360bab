"""From a file, bytes, a Pillow image or an array to upright RGB pixels.

    pixels = decode("photo.jpg")            # uint8 (H, W, 3)
    pixels = decode(data, name="row 17")    # bytes; the name appears in errors
    pixels = decode("film.mp4#t=83.5")      # an image inside a file: see `fragments`
    with opened("photo.jpg") as image: ...  # a Pillow image, its memory counted for as long as the block runs

Reads JPEG, PNG, WebP, GIF (first frame), BMP, TIFF and AVIF, and with further packages HEIC and raw photos (`kinds`).
Turns by the EXIF orientation, lays transparency onto white, converts palette, grey, CMYK and 16-bit images.  The size
is read from the header and checked before anything is decoded, and decoding waits for its share of the memory that all
threads have together (`memory`).  Whatever is wrong with an image is a `BrokenImage` or `TooManyPixels` that names it.
Does not know what size a tower wants.

`open_image(item, colours="kept")` leaves palette, transparency and CMYK as they are, for towers that were taught
with conversion to RGB after the resize.
"""

import errno
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, TooManyPixels, UsageError
from wordsight.base.optional import resolve
from wordsight.base.reading import IMAGE_LIMIT, in_words, open_regular
from wordsight.images import png
from wordsight.images.colours import orientation, to_rgb, turned
from wordsight.images.estimate import decoding_need, opening_need, reduced
from wordsight.images.failures import name_of, reading
from wordsight.images.fragments import example_of, existing, fragment_pixels
from wordsight.images.kinds import OptionalKind, is_avif, optional_kind
from wordsight.images.memory import VARIABLE, decoding_memory
from wordsight.images.tiff import MAGIC, MOST_PARTS, first_directory, most_parts

if TYPE_CHECKING:
    from PIL.Image import Image

Item = Any  # path | bytes | PIL.Image.Image | uint8 array (H, W, 3)
Colours = Literal["rgb", "kept"]
Further = Callable[[int, int], int]

DEFAULT_MAX_PIXELS = 89_478_485  # Pillow's own first limit: a quarter of a GiB at three bytes a pixel
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")  # JPEG includes MPO, the files of some cameras
_JPEG = b"\xff\xd8"  # how it begins
_SMALL = 1_000_000  # bytes of a file that is opened without waiting for memory


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
    not what a full decode gives, so only on request.

    Raises `BrokenImage` (cannot be read, missing file included), `TooManyPixels` (the header declares
    more than `max_pixels`, or decoding takes more memory than all have together) and `UsageError` (not one of the four
    kinds of item).
    """
    if isinstance(item, np.ndarray):
        return checked_array(item)
    name = name or name_of(item)
    wanted = Wanted(max_pixels, at_least, further=lambda width, height: 3 * width * height)
    with opened(item, name=name, wanted=wanted) as image, reading(name):
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
    with _loaded(item, name or name_of(item), Wanted(max_pixels, at_least, colours)) as one:
        return one.image


def sides(item: Item, *, name: str = "") -> tuple[int, int]:
    """Return (width, height) of a path or the bytes of a file, as the header says; errors as those of `decode`."""
    name = name or name_of(item)
    _silence_pillow()
    with _handle(item, name) as handle:
        return _measured(handle, name, Wanted())[1]


def upright_sides(item: Item, *, name: str = "") -> tuple[int, int] | None:
    """Return (width, height) of the upright image of a path or the bytes of a JPEG, by its header; None of other kinds.

    They are those of `opened_with_sides`; the EXIF block of other kinds may lie behind what has to be decoded.
    """
    name = name or name_of(item)
    _silence_pillow()
    with _handle(item, name) as handle, reading(name):
        if handle.read(2) != _JPEG:
            return None
        width, height = _measured(handle, name, Wanted())[1]
        return (height, width) if orientation(_draft(handle, name, Wanted())) > 4 else (width, height)


@contextmanager
def several(path: "PathLike[str]") -> "Iterator[Image]":
    """Give the Pillow image of a file that may hold several, its header read; `seek` goes to the others."""
    name = name_of(path)
    _silence_pillow()
    with _handle(path, name) as handle:
        yield _draft(handle, name, Wanted())


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an image is to be opened: see `decode` and `open_image`.

    `further` returns the bytes that will be needed beside a loaded image of (width, height) while it is used.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    at_least: int | None = None
    colours: Colours = "rgb"
    further: Further = lambda width, height: 0


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An upright, loaded image; `width` and `height` are the sides of what its file holds, turned as the image is.

    They are the image's own unless it was decoded at a half, a quarter or an eighth of them.  Then `box` (left, top,
    right, bottom) is what of it they are: its last pixels may stand for a part of what the others do.
    """

    image: "Image"
    width: int
    height: int
    box: tuple[float, float, float, float] | None = None


@contextmanager
def opened(item: Item, *, name: str = "", wanted: Wanted = Wanted()) -> "Iterator[Image]":
    """Give `open_image`'s image, with its share of the memory for decoding held for as long as the block runs.

    At its end the image is closed, unless it was given.
    """
    with opened_with_sides(item, name=name, wanted=wanted) as one:
        yield one.image


@contextmanager
def opened_with_sides(item: Item, *, name: str = "", wanted: Wanted = Wanted()) -> Iterator[OpenedImage]:
    """Give what `opened` does, with the sides that the image has in its file."""
    with _loaded(item, name or name_of(item), wanted) as one:
        try:
            yield one
        finally:
            if one.image is not item:
                one.image.close()


@contextmanager
def _loaded(item: Item, name: str, wanted: Wanted) -> Iterator[OpenedImage]:
    from PIL import Image

    if (inside := existing(item)) is not None:
        item = Image.fromarray(fragment_pixels(*inside))
    if isinstance(item, Image.Image):
        with _room(_need_of(item, name, wanted, 0), item.size, name):
            upright = _upright(item, name, wanted)
            yield OpenedImage(upright, *upright.size)
        return
    if not isinstance(item, bytes | bytearray | memoryview | str | PathLike):
        kinds = "a path, bytes, a Pillow picture or a uint8 array (H, W, 3)"
        raise UsageError(f"a picture cannot be made of {type(item).__name__}", cure=f"give {kinds}")
    _silence_pillow()
    with _handle(item, name) as handle:
        need, size = _measured(handle, name, wanted)
        with _room(need, size, name):
            image = _draft(handle, name, wanted)
            _reduce(image, wanted)
            yield _as_opened(_upright(image, name, wanted), image, size)


def _as_opened(upright: "Image", loaded: "Image", size: tuple[int, int]) -> OpenedImage:
    """Return an upright image with the sides that it has in its file, where it lies as `size` (width, height)."""
    fraction, turn = reduced(loaded), orientation(loaded)
    if fraction == 1:
        return OpenedImage(upright, *upright.size)
    width, height = size[::-1] if turn > 4 else size
    left = upright.width - width / fraction if turn in (2, 3, 6, 7) else 0.0  # these end where the file begins
    top = upright.height - height / fraction if turn in (3, 4, 7, 8) else 0.0
    return OpenedImage(upright, width, height, (left, top, left + width / fraction, top + height / fraction))


@contextmanager
def _handle(item: Item, name: str) -> Iterator[BinaryIO]:
    if isinstance(item, bytes | bytearray | memoryview):
        yield BytesIO(item)
        return
    try:
        handle = open_regular(item, limit=IMAGE_LIMIT)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        cure = "leave it out" if error.errno == errno.EINVAL else "check the path, and that you may read it"
        raise BrokenImage(f"{name} cannot be opened: {reason}", cure=cure) from error
    with handle:
        yield handle


@contextmanager
def _room(need: int, size: tuple[int, int], name: str) -> Iterator[None]:
    """Hold `need` bytes of the memory for decoding; an image that takes more than there is at all is refused."""
    budget = decoding_memory()
    if need > budget.total and not budget.held():
        raise TooManyPixels(
            f"{name} takes {in_words(need)} of memory to decode ({size[0]} x {size[1]} pixels), "
            f"and all decoding has {in_words(budget.total)}",
            cure=f"make it smaller, or set {VARIABLE}={need // 1_000_000 + 1}MB",
        )
    with budget.share(need):
        yield


def _measured(handle: BinaryIO, name: str, wanted: Wanted) -> tuple[int, tuple[int, int]]:
    """Return the bytes that decoding takes, and (width, height); the header is read and closed again.

    Opening a large file may take its size, WebP's canvas more, so that waits for room, too.
    """
    size = handle.seek(0, os.SEEK_END)
    first = opening_need(handle, size)
    with decoding_memory().share(min(first, decoding_memory().total) if first > _SMALL else 0), reading(name):
        kind = _optional(handle, name)
        if kind is not None:
            sides, need = resolve(f"{kind.module}:measure")(handle, size)
            _check_sides(sides, name, wanted)
            return need + wanted.further(*sides), sides
        image = _draft(handle, name, wanted)
        sides = image.size
        _reduce(image, wanted)
        return _need_of(image, name, wanted, size), sides


def _need_of(image: "Image", name: str, wanted: Wanted, size: int) -> int:
    _check_sides(image.size, name, wanted)
    grey = 4 * image.width * image.height if image.mode == "L" and wanted.colours == "rgb" else 0
    with reading(name):
        return decoding_need(image, size) + grey + wanted.further(*image.size)


def _draft(handle: BinaryIO, name: str, wanted: Wanted) -> "Image":
    """Return the image of a file, its header read and nothing decoded (of a raw photo, which has no other, all)."""
    with reading(name):
        return _identified(handle, name, wanted)


def _reduce(image: "Image", wanted: Wanted) -> None:
    """Let an image that is not loaded be decoded at a fraction of its size, where it is a JPEG and large enough."""
    if wanted.at_least is not None:
        image.draft(None, (wanted.at_least, wanted.at_least))


def _identified(handle: BinaryIO, name: str, wanted: Wanted) -> "Image":
    from PIL import Image, UnidentifiedImageError

    kind = _optional(handle, name)
    if kind is not None:
        image: Image.Image = resolve(f"{kind.module}:draft")(handle)
        return image
    handle.seek(0)
    head = handle.read(16)
    formats: tuple[str, ...] = _FORMATS
    if is_avif(head):
        formats = ("AVIF",)
        _require_avif(name)
    if head.startswith(png.SIGNATURE):
        handle = png.trimmed(handle)
    parts = most_parts(first_directory(handle)) if head[:4] in MAGIC else 0
    if parts > MOST_PARTS:
        raise BrokenImage(f"{name} is cut into {parts:,} strips or tiles", cure="save it again with fewer")
    try:
        image = Image.open(handle, formats=formats)
    except UnidentifiedImageError as error:
        if not head:
            raise BrokenImage(f"{name} is empty", cure="restore it or leave it out") from None
        one_inside = f"name an image inside it ({example}), or convert it" if (example := example_of(name)) else ""
        raise BrokenImage(
            f"{name} is not a JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF picture",
            cure=one_inside or "convert it to one of these or leave it out",
        ) from error
    _check_sides(image.size, name, wanted)
    return image


def _optional(handle: BinaryIO, name: str) -> OptionalKind | None:
    """Return the kind of file that needs a further package, if it is one; without the package it cannot be read."""
    kind = optional_kind(handle, os.path.splitext(name)[1].lower())
    if kind is not None and not kind.installed():
        raise BrokenImage(
            f"{name} is a {kind.name}, which needs another package", cure=f"pip install 'wordsight[{kind.extra}]'"
        )
    return kind


def _require_avif(name: str) -> None:
    from PIL import __version__, features

    if not features.check("avif"):
        raise BrokenImage(
            f"{name} is an AVIF image, which this Pillow {__version__} does not read",
            cure="pip install 'pillow>=11.3'",
        )


def _check_sides(sides: tuple[int, int], name: str, wanted: Wanted) -> None:
    width, height = sides
    if width * height > wanted.max_pixels:
        raise TooManyPixels(
            f"{name} declares {width} x {height} pixels, more than {wanted.max_pixels:,}",
            cure="make it smaller or raise max_pixels",
        )
    if width == 0 or height == 0:
        raise BrokenImage(f"{name} has no pixels ({width} x {height})", cure="replace the file or leave it out")


def _upright(image: "Image", name: str, wanted: Wanted) -> "Image":
    with reading(name):
        image.load()
        deep = image.mode.startswith("I") or image.mode == "F"  # Pillow would cut these at 255
        if deep or wanted.colours == "rgb":
            image = to_rgb(image, name)
        return turned(image)


@cache
def _silence_pillow() -> None:
    """Keep Pillow's remarks about damaged files off the terminal: they do not name the file, our errors do.

    For the whole process and once: `warnings.catch_warnings` must not be used where several threads decode.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def checked_array(array: NDArray[Any]) -> Pixels:
    """Return an array that is an image: uint8 (H, W, 3); others raise `UsageError`."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UsageError(f"an array of {array.dtype} {array.shape} is not a picture", cure="give uint8 (H, W, 3)")
    return array
