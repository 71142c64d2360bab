"""Finding images in a folder, and reading their files.

    for path in find_images(Path("photos")): ...
    data = image_bytes(sample.image, key=sample.key)

Goes by the names only: what is inside a file is seen when it is decoded.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import InputError, NotFound, UnreadableFile

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


def is_image_name(path: Path | str) -> bool:
    """Say whether the name ends like that of an image we read, in either case."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


def image_bytes(image: bytes | Path | None, *, key: str) -> bytes:
    """Return the bytes of an image's file, read now if `image` is a path.  `key` is how errors call it.

    Raises `InputError` where there is none, `UnreadableFile` where it cannot be opened.
    """
    if isinstance(image, bytes):
        return image
    if image is None:
        raise InputError(f"{key} has no picture", cure="give it one, or leave it out")
    try:
        return image.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name that holds a zero byte
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFile(
            f"{image} cannot be opened: {reason}", cure="check the path, and that you may read it"
        ) from error


def find_images(folder: Path) -> Iterator[Path]:
    """Yield the images in `folder` and below, sorted folder by folder.

    Hidden files and folders (a name that begins with a dot) are passed over, and links to folders are not
    followed.  A folder that is not there raises `NotFound`.
    """
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}", cure="check the path")
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if is_image_name(name) and not name.startswith("."):
                yield Path(place, name)
