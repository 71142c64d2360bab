"""HEIC and HEIF, through the package pillow-heif (`wordsight[heic]`)."""

from typing import TYPE_CHECKING, BinaryIO

from wordsight.images.estimate import decoding_need

if TYPE_CHECKING:
    from PIL.Image import Image


def measure(handle: BinaryIO, size: int) -> tuple[tuple[int, int], int]:
    """Return (width, height) and the bytes that decoding takes."""
    image = draft(handle)
    return image.size, decoding_need(image, size)


def draft(handle: BinaryIO) -> "Image":
    """Return the main image of a file, not yet decoded; libheif turns it when it is."""
    from pillow_heif import HeifImageFile

    handle.seek(0)
    image: Image = HeifImageFile(handle)  # type: ignore[no-untyped-call]
    return image
