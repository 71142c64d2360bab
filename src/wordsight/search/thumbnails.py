"""Small images of hits, decoded in threads, in the order of the hits and without holding more than a few at a time.

    for hit, jpeg in zip(hits, thumbnails(hits, as_jpeg, side=256)): ...     # bytes, or why there is no image

Images inside tables and shards are read in the order in which they lie there, a window of hits at a time.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

from wordsight.base.errors import InputError
from wordsight.base.threads import ordered_map
from wordsight.search.hits import Hit
from wordsight.search.originals import images_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from wordsight.data.by_key import ImageOrError

T = TypeVar("T")
WINDOW = 256  # hits whose small images are held at most
QUALITY = 80  # of JPEG


def thumbnails(hits: Sequence[Hit], finish: "Callable[[Image], T]", *, side: int) -> Iterator[T | InputError]:
    """Yield `finish(image)` for each hit, or why its image cannot be read; the longer side has `side` pixels at most.

    The image is upright and in RGB.  `finish` is called in threads.
    """
    for start in range(0, len(hits), WINDOW):
        window = hits[start : start + WINDOW]
        small = partial(_small, hits=window, finish=finish, side=side)
        done: dict[int, T | InputError] = {}
        given = 0
        with closing(ordered_map(small, images_of(window))) as results:
            for position, result in results:
                done[position] = result
                while given in done:
                    yield done.pop(given)
                    given += 1


def thumbnail(hit: Hit, finish: "Callable[[Image], T]", *, side: int) -> T:
    """Return `finish(image)` of one hit, made in this thread; `InputError` where it cannot be read."""
    ((_, made),) = (_small(met, hits=[hit], finish=finish, side=side) for met in images_of([hit]))
    if isinstance(made, InputError):
        raise made
    return made


def _small(
    met: "tuple[int, ImageOrError]", *, hits: Sequence[Hit], finish: "Callable[[Image], T]", side: int
) -> tuple[int, T | InputError]:
    from wordsight.images.decode import Wanted, opened

    position, image = met
    if isinstance(image, InputError):
        return position, image
    name = hits[position].key if isinstance(image, bytes) else ""
    try:
        with opened(image, name=name, wanted=Wanted(at_least=side)) as whole:
            whole.thumbnail((side, side))
            return position, finish(whole)
    except InputError as error:
        return position, error


def as_jpeg(image: "Image") -> bytes:
    """Return an image as a JPEG file."""
    packed = BytesIO()
    image.save(packed, "JPEG", quality=QUALITY)
    return packed.getvalue()


def address(jpeg: bytes) -> str:
    """Return a JPEG file as an address that holds it whole."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
