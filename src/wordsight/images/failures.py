"""What readers of images raise becomes `BrokenImage` or `TooManyPixels`, which name the image."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from typing import Any

from wordsight.base.errors import BrokenImage, TooManyPixels

# What Pillow's readers raise on hostile bytes, as seen when fuzzing them.
READER_ERRORS = (
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
_LONGEST = 200  # letters of a name in a message


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what Pillow raises while reading the image `name` into `BrokenImage` or `TooManyPixels`."""
    from PIL import Image

    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(f"{name}: {error}", cure="make it smaller or leave it out") from error
    except MemoryError as error:
        raise BrokenImage(
            f"{name} cannot be decoded: the memory is used up", cure="free some, or make the image smaller"
        ) from error
    except READER_ERRORS as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise BrokenImage(f"{name} cannot be decoded: {reason}", cure="replace the file or leave it out") from error


def name_of(item: Any) -> str:
    """Return how messages call an image that was given no name."""
    if isinstance(item, str | PathLike):
        name = str(fspath(item))
        return name if len(name) <= _LONGEST else f"…{name[-_LONGEST:]}"
    if isinstance(item, bytes | bytearray | memoryview):
        return f"a picture of {len(item)} bytes"
    return str(getattr(item, "filename", "") or "a picture in memory")
