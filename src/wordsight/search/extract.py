"""The images of hits, written to a folder: copies of files, and those that lie inside tables and shards.

    extraction = extract(hits, Path("chosen"))       # chosen/001-beach.jpg, chosen/002-...
    extraction.failures                              # one `InputError` for each that could not be written

Names are safe on every system and never lead out of the folder.  What is there already is never touched.
"""

import contextlib
import os
import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.files import plain_name, storage_errors
from wordsight.base.reading import IMAGE_LIMIT, open_regular
from wordsight.images.files import ending_of
from wordsight.search.hits import Hit
from wordsight.search.originals import images_of

LONGEST = 60  # letters of a name: 240 bytes at most, and file systems take 255


@dataclass(slots=True)
class Extraction:
    """What was written, in the order of the hits, and what was not."""

    written: list[Path] = field(default_factory=list)
    failures: list[InputError] = field(default_factory=list)


def extract(hits: Sequence[Hit], folder: Path) -> Extraction:
    """Write the image of every hit to `folder`, which is made, as RANK-KEY with its ending.

    Raises `StorageError` where nothing can be written any more; what was written stays.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written: dict[int, Path] = {}
    failures: dict[int, InputError] = {}
    digits = max(3, len(str(len(hits))))
    for position, image in images_of(hits):
        try:
            if isinstance(image, InputError):
                raise image
            name = f"{position + 1:0{digits}}-{safe_name(hits[position].key, image)}"
            written[position] = _write(image, folder / name)
        except InputError as error:
            failures[position] = error
    return Extraction([written[at] for at in sorted(written)], [failures[at] for at in sorted(failures)])


def safe_name(key: str, image: Path | bytes) -> str:
    """Return a name for the file of an image: letters, digits, dots, dashes and underscores, with its ending."""
    ending = _ending(image)
    name = unicodedata.normalize("NFC", key.removesuffix(ending) if ending else key)
    if isinstance(image, Path):
        name = name.removesuffix(image.suffix)
    return plain_name(name, otherwise="picture")[:LONGEST].rstrip(".-") + ending


def _ending(image: Path | bytes) -> str:
    if isinstance(image, Path):
        ending = image.suffix.lower()
        return ending if ending[1:].isascii() and ending[1:].isalnum() and len(ending) <= 6 else ""
    return ending_of(image) or ".bin"


def _write(image: Path | bytes, target: Path) -> Path:
    """Write one image where nothing lies; what was begun and cannot be finished is removed."""
    try:
        source = BytesIO(image) if isinstance(image, bytes) else open_regular(image, limit=IMAGE_LIMIT)
    except OSError as error:
        raise InputError(f"{image!s} cannot be opened: {error.strerror}", cure="check the path") from error
    with source, storage_errors(target):
        try:
            copy = open(target, "xb")  # noqa: SIM115 - closed below, and removed where it cannot be finished
        except FileExistsError:
            raise InputError(f"{target} is there already", cure="choose another folder, or move it away") from None
        try:
            with copy:
                shutil.copyfileobj(source, copy)
            if isinstance(image, Path):
                _keep_time(image, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return target


def _keep_time(image: Path, copy: Path) -> None:
    with contextlib.suppress(OSError):  # a file system without times; the image is whole all the same
        facts = os.stat(image)
        os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
