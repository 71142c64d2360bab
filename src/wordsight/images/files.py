"""Finding images in a folder, and reading their files.

    for path in find_images(Path("photos")): ...
    data = image_bytes(sample.image, key=sample.key)

Goes by the names only: what is inside a file is seen when it is decoded.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.errors import InputError, NotFound, StorageError, UnreadableFile

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
    """Yield the images in `folder` and below, sorted folder by folder; see `walk_images`."""
    paths = sorted(path.split("/") for path, _ in walk_images(folder))
    for parts in sorted(paths, key=lambda parts: parts[:-1]):
        yield folder.joinpath(*parts)


def walk_images(folder: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield path below `folder` (with /) and directory entry of every image, in no order; see `walk_files`.

    What is neither a file nor a link is no image.
    """
    for path, entry in walk_files(folder):
        if is_image_entry(entry):
            yield path, entry


def is_image_entry(entry: "os.DirEntry[str]") -> bool:
    """Say whether an entry is an image by its name, and a file or a link to one; a link to nowhere is too."""
    name = entry.name
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and is_file(entry)


@dataclass(slots=True)
class PassedOver:
    """What a walk passed over: folders that could not be read and links to folders, as paths below the folder."""

    unreadable: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)


def walk_files(folder: Path, passed: PassedOver | None = None) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield path below `folder` (with /) and directory entry of all that is no folder, in no order.

    Hidden files and folders (a name that begins with a dot) are passed over, and links to folders are not followed.
    A folder inside that may not be read, or is gone by the time, is passed over.  A `folder` that is not there raises
    `NotFound`, a disk that fails `StorageError`.
    """
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}", cure="check the path")
    passed = PassedOver() if passed is None else passed
    waiting = [(str(folder), "")]
    while waiting:
        path, prefix = waiting.pop()
        for entry in _entries(path, prefix, passed):
            if entry.name[0] == ".":
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, f"{prefix}{entry.name}/"))
            elif entry.is_symlink() and os.path.isdir(entry.path):
                passed.linked.append(prefix + entry.name)
            else:
                yield prefix + entry.name, entry


def _entries(folder: str, below: str, passed: PassedOver) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except PermissionError:
        passed.unreadable.append(below.rstrip("/") or ".")
        return []
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}", cure="check the disk") from error


def is_file(entry: "os.DirEntry[str]") -> bool:
    """Say whether an entry is a file, or a link to one; a link to nowhere is too, and fails when it is opened."""
    if not entry.is_symlink():
        return entry.is_file()
    return os.path.isfile(entry.path) or not os.path.exists(entry.path)
