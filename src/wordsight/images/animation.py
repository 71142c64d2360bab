"""Image files that hold several images: the frames of GIF, WebP and PNG animations, and the pages of TIFF files.

    holds_several(path, ".gif")         # by a few bytes of the file; nothing is decoded

The first frame or page is the image of the file itself; the others are inside it.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, InputError, TooManyPixels
from wordsight.base.value import Value
from wordsight.images.failures import READER_ERRORS
from wordsight.images.fragments import LONGEST, PAGED, Inside
from wordsight.images.scenes import SIDES, Scenes, Small
from wordsight.images.tiff import MAGIC

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 10_000  # frames or pages of a file that are looked at
MOST_PIXELS = 10_000_000_000  # of all these frames: some minutes of decoding
MOST_PAGES = 2000  # pages of a file that are kept
_REDUCED = 1  # bit of TIFF's tag NewSubfileType: a smaller copy of another image
_FRAME_SECONDS = 0.1  # of a frame that does not say how long it is shown, as browsers show it


def holds_several(path: Path, suffix: str) -> bool:
    """Say whether an image file holds more than one image; False where it cannot be read, which decoding says."""
    try:
        with open(path, "rb") as handle:
            if suffix in PAGED:
                return _has_second_page(handle)
            head = handle.read(32)
            if head.startswith(b"GIF8"):
                return _has_second_frame(handle)
            if head[8:16] == b"WEBPVP8X":
                return bool(head[20] & 2)
            return head.startswith(b"\x89PNG") and _is_animated_png(handle)
    except (OSError, struct.error, IndexError):
        return False


def _has_second_page(handle: BinaryIO) -> bool:
    head = handle.read(16)
    order = MAGIC.get(head[:4])
    if order is None:
        return False
    big = head[2:4] in (b"+\0", b"\0+")
    pointer, counting, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    handle.seek(struct.unpack_from(order + pointer, head, 8 if big else 4)[0])
    (count,) = struct.unpack(order + counting, handle.read(struct.calcsize(counting)))
    handle.seek(count * size, 1)
    (following,) = struct.unpack(order + pointer, handle.read(struct.calcsize(pointer)))
    return bool(following)


def _has_second_frame(handle: BinaryIO) -> bool:
    """Go through the blocks of a GIF until a second image is met."""
    handle.seek(10)
    flags = handle.read(3)[0]
    handle.seek(13 + (3 << (flags & 7) + 1 if flags & 128 else 0))
    images = 0
    while images < 2:
        kind = handle.read(1)
        if kind == b"!":
            handle.seek(1, 1)
        elif kind == b",":
            images += 1
            local = handle.read(9)[8]
            handle.seek((3 << (local & 7) + 1 if local & 128 else 0) + 1, 1)
        else:
            return False
        while (length := handle.read(1)) not in (b"", b"\0"):
            handle.seek(length[0], 1)
    return True


def _is_animated_png(handle: BinaryIO) -> bool:
    handle.seek(8)
    while len(chunk := handle.read(8)) == 8:
        length, kind = struct.unpack(">I4s", chunk)
        if kind == b"acTL":
            return struct.unpack(">I", handle.read(4))[0] > 1  # type: ignore[no-any-return]
        if kind == b"IDAT":
            return False
        handle.seek(length + 4, 1)
    return False


def walked(path: Path) -> Iterator[Inside | InputError]:
    """See `fragments.walked`."""
    return _pages(path) if path.suffix.lower() in PAGED else _frames(path)


def _frames(path: Path) -> Iterator[Inside | InputError]:
    """Yield the frames that differ from those before, without the first."""
    scenes: Scenes[tuple[int, Pixels, tuple[int, int]]] = Scenes()
    second = 0.0
    problem: InputError | None = None
    first: Small | None = None
    for number, image in _each(path):
        if isinstance(image, InputError):
            problem = image if number else None
            break
        pixels = _reduced(image, LONGEST)
        small = _small(pixels)
        first = small if first is None else first
        kept = (number, pixels, image.size) if number else (0, pixels, image.size)
        for chosen in scenes.see(second, small, kept):
            yield from _inside(*chosen)
        second += image.info.get("duration", 0) / 1000 or _FRAME_SECONDS
    for chosen in scenes.end():
        yield from _inside(*chosen)
    if problem is not None:
        yield problem


def _inside(second: float, kept: tuple[int, Pixels, tuple[int, int]]) -> Iterator[Inside]:
    number, pixels, (width, height) = kept
    if number:
        meta: dict[str, Value] = {"frame": number, "second": round(second, 3)}
        yield Inside(f"frame={number}", pixels, width, height, meta)


def _pages(path: Path) -> Iterator[Inside | InputError]:
    """Yield the pages behind the first, without those that are smaller copies."""
    given, pages = 0, _page_count(path)
    for number, image in _each(path):
        if isinstance(image, InputError):
            if number:  # else the image of the file itself says it
                yield image
            return
        if number and not _is_reduced(image):
            if given == MOST_PAGES:
                yield BrokenImage(f"{path} has more than {MOST_PAGES:,} pages: the first are read", cure="split it")
                return
            given += 1
            meta: dict[str, Value] = {"page": number + 1}
            if pages:
                meta["pages"] = pages
            yield Inside(f"page={number + 1}", _reduced(image, LONGEST), *image.size, meta)


def _page_count(path: Path) -> int:
    """Return how many pages a file has; 0 where damage hides that, which reading them tells."""
    from wordsight.images.decode import several

    with several(path) as image, suppress(*READER_ERRORS):
        return int(getattr(image, "n_frames", 1))
    return 0


def _is_reduced(image: "Image") -> bool:
    tags = getattr(image, "tag_v2", {})
    return bool(int(tags.get(254, 0)) & _REDUCED)


def _each(path: Path) -> "Iterator[tuple[int, Image | InputError]]":
    """Yield number and image of each frame, and last why there are no more, where that is not its end."""
    from wordsight.images.decode import several

    with several(path) as image:
        read = 0
        for number in range(MOST_FRAMES):
            try:
                image.seek(number)
                read += image.width * image.height
                if read > MOST_PIXELS:
                    raise TooManyPixels(f"{path} has more than {MOST_PIXELS:,} pixels in its frames", cure=_SMALLER)
                image.load()
            except EOFError:
                return
            except InputError as error:
                yield number, error
                return
            except READER_ERRORS as error:
                yield number, BrokenImage(f"{path} cannot be read after frame {number}: {error}", cure=_AGAIN)
                return
            yield number, image
        yield MOST_FRAMES, BrokenImage(f"{path} has more than {MOST_FRAMES:,} frames", cure=_SMALLER)


_SMALLER = "make it smaller; what could be read is kept"
_AGAIN = "save it again; what could be read is kept"


def pixels_at(path: Path, value: dict[str, Value], longest: int) -> Pixels:
    """Return frame `value["frame"]`, counted from 0, or page `value["page"]`, counted from 1."""
    from wordsight.images.decode import several

    number = int(str(value["frame"])) if "frame" in value else int(str(value.get("page", 1))) - 1
    with several(path) as image:
        try:
            if number < 0:
                raise EOFError
            image.seek(number)
            image.load()
        except EOFError as error:
            raise BrokenImage(f"{path} has no such image inside", cure="give one that it has") from error
        return _reduced(image, longest)


def _reduced(image: "Image", longest: int) -> Pixels:
    """Return a loaded frame in RGB, on white, its longer side reduced."""
    from wordsight.images.colours import to_rgb

    rgb = to_rgb(image)
    if max(rgb.size) > longest:
        rgb = rgb.copy() if rgb is image else rgb
        rgb.thumbnail((longest, longest))
    return np.array(rgb)


def _small(pixels: Pixels) -> Small:
    from PIL import Image

    small = Image.fromarray(pixels).resize(SIDES, Image.Resampling.BOX)
    return np.asarray(small, np.float32)
