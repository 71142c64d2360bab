"""Raw files of cameras, through the package rawpy (`wordsight[raw]`): the preview in them, else the sensor's image.

The preview is what the camera made of the photo, in full or nearly full size, and is what people have seen of it.
Where there is none, or a small one, the sensor's samples are developed at half size: one pixel of each group of four.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from wordsight.images.colours import ORIENTATION, orientation

if TYPE_CHECKING:
    from PIL.Image import Image

_LEAST = 512  # pixels of a preview's longer side: towers see up to about as many
_PIXEL = 16  # bytes for each of the sensor's samples: the preview in full, decoded and turned, or the samples developed
_TURNS = {3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF's orientation


def measure(handle: BinaryIO, size: int) -> tuple[tuple[int, int], int]:
    """Return (width, height) of the sensor's image, and the bytes that decoding the file takes."""
    with _raw_file(handle) as raw:
        sides = int(raw.sizes.raw_width), int(raw.sizes.raw_height)
        return sides, _PIXEL * sides[0] * sides[1] + 2 * size


def draft(handle: BinaryIO) -> "Image":
    """Return a raw file's image; how it is to be turned is in its EXIF block, as in other files."""
    with _raw_file(handle) as raw:
        return _preview(raw) or _developed(raw)


@contextmanager
def _raw_file(handle: BinaryIO) -> Iterator[Any]:
    import rawpy

    handle.seek(0)
    try:
        with rawpy.imread(handle) as raw:
            yield raw
    except rawpy.LibRawError as error:
        text = error.args[0] if error.args else type(error).__name__
        raise ValueError(text.decode(errors="replace") if isinstance(text, bytes) else str(text)) from error


def _preview(raw: Any) -> "Image | None":
    import rawpy
    from PIL import Image

    try:
        thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumb.format == rawpy.ThumbFormat.JPEG:
        image: Image.Image = Image.open(BytesIO(thumb.data), formats=("JPEG",))
    else:
        image = Image.fromarray(thumb.data)
    if max(image.size) < min(_LEAST, max(raw.sizes.iwidth, raw.sizes.iheight) // 2):
        return None
    if orientation(image) == 1 and _lies_as_sensor(image, raw):
        image.getexif()[ORIENTATION] = _TURNS.get(int(raw.sizes.flip), 1)
    return image


def _lies_as_sensor(image: "Image", raw: Any) -> bool:
    """Say whether a preview without an orientation of its own still lies as the sensor does."""
    if raw.sizes.flip not in (5, 6):
        return True
    return bool((image.width > image.height) == (raw.sizes.raw_width > raw.sizes.raw_height))


def _developed(raw: Any) -> "Image":
    from PIL import Image

    return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8))
