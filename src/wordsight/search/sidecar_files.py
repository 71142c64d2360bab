"""Files beside an image that belong to it alone: what moves with it when it is moved.

    for path in sidecars(image):                     # photo.jpg.xmp, photo.xmp
        path.rename(beside_target(path, image, target))

One of the name without the ending belongs to all images of that name, so it stays while there is another one.  The
image itself need not be there any more.  Knows nothing of what sidecars say.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from wordsight.images.kinds import IMAGE_SUFFIXES, OPTIONAL, VIDEOS

BESIDE = (".xmp", ".yml", ".json", ".txt")  # endings of sidecars, of `photo.xmp` and `photo.jpg.xmp`
_SHOWING = IMAGE_SUFFIXES.union(VIDEOS, *(kind.suffixes for kind in OPTIONAL))  # raw photos too, if read or not


def sidecars(image: Path) -> Iterator[Path]:
    """Yield the files beside an image that belong to it alone."""
    for ending in BESIDE:
        named = image.with_name(image.name + ending)
        if os.path.isfile(named):  # also where no name can be so long
            yield named
    shared = [one for one in _siblings(image) if one.suffix.lower() in _SHOWING]
    for ending in BESIDE:
        named = image.with_suffix(ending)
        if not shared and os.path.isfile(named):
            yield named


def _siblings(image: Path) -> list[Path]:
    """Return the other files of the folder that have the name of an image but for the ending."""
    try:
        names = os.listdir(image.parent)
    except OSError:
        return []
    stem = image.stem
    return [image.parent / name for name in names if os.path.splitext(name)[0] == stem and name != image.name]


def beside_target(sidecar: Path, image: Path, target: Path) -> Path:
    """Return where a sidecar of `image` belongs once that lies at `target`, which may have another name."""
    if sidecar.name.startswith(image.name):
        return target.with_name(target.name + sidecar.name[len(image.name) :])
    return target.with_suffix(sidecar.suffix)
