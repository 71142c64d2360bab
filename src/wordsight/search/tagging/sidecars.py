"""Tags written beside image files, as XMP sidecars: which file that is, and writing them so that it can be undone.

    failures, written = write_sidecars(tagged, journal, "darktable")

Two names are in use for the sidecar of `photo.jpg`: `photo.jpg.xmp` (darktable, digiKam and others) and `photo.xmp`
(Adobe's programs).  One that is there is used; where none is, or both, the convention decides.  `photo.xmp` counts as
there only while no other image of its folder has the name `photo`, for it may be that one's.  Images are never touched.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wordsight.base.errors import FormatError, StorageError, UsageError, WordsightError
from wordsight.base.reversible import Reversible
from wordsight.base.suggest import suggest
from wordsight.images.files import is_image_name
from wordsight.images.kinds import other_kind
from wordsight.images.xmp_write import LARGEST, with_tags

CONVENTIONS = ("darktable", "lightroom")
SIDECARS = "sidecars"  # the journal's folder inside that of a run


class BesideFile(NamedTuple):
    """An image, its file (None where it lies inside another), and its tags."""

    key: str
    file: Path | None
    tags: Sequence[str]


def check_convention(name: str) -> None:
    """Raise `UsageError` for a convention that is none."""
    if name not in CONVENTIONS:
        raise UsageError(f"no sidecars of {name}", cure=suggest(name, CONVENTIONS))


def write_sidecars(tagged: Iterable[BesideFile], journal: Path, convention: str) -> tuple[list[str], int]:
    """Bring the sidecars of images up to date; return why those failed that did, and how many were written.

    A sidecar that has these tags, and an image without tags and sidecar, are left alone.
    """
    failures, written = [], 0
    _names.cache_clear()
    with Reversible(journal / SIDECARS) as changes:
        for one in tagged:
            try:
                written += _write(one, changes, convention)
            except WordsightError as error:
                failures.append(f"{one.key}: {error}")
            except OSError as error:
                failures.append(f"{one.key}: {error.filename or one.file}: {error.strerror}")
    return failures, written


def sidecar_of(image: Path, convention: str = CONVENTIONS[0]) -> Path:
    """Return where the sidecar of an image lies, or would.

    Raises `StorageError` where the convention's `photo.xmp` would be that of several images.
    """
    names = _names(image.parent)
    full, short = f"{image.name}.xmp", f"{image.stem}.xmp"
    there = {lower: name for lower, name in names.items() if lower in (full.lower(), short.lower())}
    shared = _shares(image, names)
    choices = {"darktable": there.get(full.lower()), "lightroom": None if shared else there.get(short.lower())}
    chosen = choices[convention] or next(filter(None, choices.values()), None)
    if chosen is None and convention == "lightroom":
        if shared:
            raise StorageError(
                f"{short} would be the sidecar of several images", cure="rename them, or use --sidecar darktable"
            )
        chosen = short
    return image.parent / (chosen or full)


def _write(one: BesideFile, changes: Reversible, convention: str) -> int:
    if one.file is None:
        if not one.tags:
            return 0
        raise StorageError("the image lies inside another file, which has no sidecars", cure="use the columns")
    if not one.file.exists():
        raise StorageError(f"{one.file} is not there", cure="bring the library up to date")
    path = sidecar_of(one.file, convention)
    stored = None
    if os.path.lexists(path):
        if not path.is_file():
            raise StorageError(f"{path} is no file", cure="move it away")
        if path.stat().st_size > LARGEST:
            raise StorageError(f"{path} is larger than {LARGEST >> 20} MiB", cure="move it away")
        stored = path.read_bytes()
    try:
        content = with_tags(stored, one.tags)
    except FormatError as error:
        raise FormatError(f"{path}: {error.problem}", cure=error.cure) from error
    if content is None:
        return 0
    changes.write(path, content)
    if stored is None:
        _names(path.parent)[path.name.lower()] = path.name
    return 1


def _shares(image: Path, names: dict[str, str]) -> bool:
    """Return whether another image of the folder has the same name but for its ending."""
    stem = image.stem.lower()
    others = (name for lower, name in names.items() if lower.startswith(f"{stem}.") and name != image.name)
    return any(
        Path(name).stem.lower() == stem and (is_image_name(name) or other_kind(Path(name).suffix.lower()))
        for name in others
        if not name.lower().endswith(".xmp")
    )


@lru_cache(maxsize=4)  # images come folder by folder
def _names(folder: Path) -> dict[str, str]:
    """Return the names in a folder by themselves in small letters."""
    return {name.lower(): name for name in sorted(os.listdir(folder))}
