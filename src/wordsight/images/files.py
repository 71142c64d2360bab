"""Finding images in a folder.

    for path in find_images(Path("photos")): ...

Goes by the names only: what is inside a file is seen when it is decoded.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import NotFound

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


def is_image_name(path: Path | str) -> bool:
    """Say whether the name ends like that of an image we read, in either case."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


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
