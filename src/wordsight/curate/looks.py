"""What the files of a source's images are: digest, sides, perceptual hash; read once and kept in the cache.

    looks = read_looks(source, records)
    looks.sides, looks.digests, looks.bits     # (N, 2), (N,), (N,)
    looks.thumbs(rows)                         # uint8 (n, 768), read from the disk
    looks.sound, looks.failures                # which images can be decoded; row -> why not

A part is written whole, so a run that was stopped goes on behind the last one.
"""

import io
import json
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.cache import cache_errors
from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import atomic_write
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar
from wordsight.base.threads import ordered_map
from wordsight.curate.records import PART, Records, pairs_folder
from wordsight.data.near_duplicates import perceptual_hash
from wordsight.data.source import Source
from wordsight.images.decode import Wanted, opened_with_sides
from wordsight.images.failures import reading
from wordsight.images.files import image_hash, require_image

_THUMB = 768
_DTYPE = np.dtype([("digest", "<u8"), ("sides", "<i4", (2,)), ("bits", "<u8"), ("sound", "?"), ("thumb", "u1", _THUMB)])
_WANTED = Wanted(further=lambda width, height: width * height)  # it is also made grey


@dataclass(frozen=True)
class Looks:
    """One row an image, in the order of the source; rows of images that cannot be decoded are zeros.

    `digests` are the first eight bytes of the SHA-256 of the file: among 10^8 files two agree by chance with a
    probability of 0.0003.
    """

    folder: Path
    digests: NDArray[np.uint64] = field(repr=False)
    sides: NDArray[np.int32] = field(repr=False)  # (N, 2): width, height
    bits: NDArray[np.uint64] = field(repr=False)
    sound: NDArray[np.bool_] = field(repr=False)
    failures: dict[int, str] = field(repr=False)

    def thumbs(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the thumbnails of some images, (n, 768)."""
        thumbs = np.empty((len(rows), _THUMB), np.uint8)
        numbers = rows // PART
        for number in np.unique(numbers):
            here = numbers == number
            thumbs[here] = _load(self.folder / _name(int(number)))["thumb"][rows[here] % PART]
        return thumbs


def read_looks(source: Source, records: Records) -> Looks:
    """Return the looks of all images, decoding those that were not decoded before."""
    folder = pairs_folder(source) / "looks"
    for number in range(records.parts):
        if not (folder / _name(number)).is_file():
            _fill(source, records, folder, number)
            break
    parts = [_load(folder / _name(number)) for number in range(records.parts)]
    names = ("digest", "sides", "bits", "sound")
    arrays = {name: np.concatenate([np.empty(0, _DTYPE)[name], *(part[name] for part in parts)]) for name in names}
    if len(arrays["sound"]) != records.images:
        raise FormatError(f"{folder} is of another reading of {source.name}", cure="delete that folder")
    failures: dict[int, str] = {}
    for number in range(records.parts):
        stated = json.loads((folder / _name(number, ".json")).read_bytes())
        failures |= {number * PART + int(row): str(why) for row, why in stated.items()}
    return Looks(folder, arrays["digest"], arrays["sides"], arrays["bits"], arrays["sound"], failures)


def _fill(source: Source, records: Records, folder: Path, first: int) -> None:
    """Write all parts from number `first` on."""
    walk = ordered_map(_see, source.samples(records.starts[first]))
    with bar(records.images, unit="img", desc=f"looking at {source.name}") as progress:
        progress.update(first * PART)
        for number in range(first, records.parts):
            part = list(islice(walk, PART))
            progress.update(len(part))
            _write(folder, number, part)


def _see(sample: Sample) -> "NDArray[Any] | InputError":
    row = np.zeros((), _DTYPE)
    try:
        image = require_image(sample.image, key=sample.key)
        row["digest"] = int(image_hash(image, key=sample.key)[:16], 16)
        with opened_with_sides(image, name=sample.key, wanted=_WANTED) as one, reading(sample.key):
            row["sides"] = one.width, one.height
            look = perceptual_hash(one.image)
    except InputError as error:
        return error
    row["bits"], row["thumb"], row["sound"] = look.bits, look.thumb, True
    return row


def _write(folder: Path, number: int, part: "list[NDArray[Any] | InputError]") -> None:
    rows = np.zeros(len(part), _DTYPE)
    failures = {}
    for index, one in enumerate(part):
        if isinstance(one, InputError):
            failures[index] = str(one)
        else:
            rows[index] = one
    packed = io.BytesIO()
    np.save(packed, rows, allow_pickle=False)
    with cache_errors("pairs"):
        with atomic_write(folder / _name(number, ".json")) as handle:
            handle.write(json.dumps(failures).encode())
        with atomic_write(folder / _name(number)) as handle:
            handle.write(packed.getvalue())


def _name(number: int, suffix: str = ".npy") -> str:
    return f"looks-{number:05d}{suffix}"


def _load(path: Path) -> NDArray[Any]:
    try:
        part: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError(f"{path} is damaged: {error}", cure="delete it, it is made again") from None
    if part.dtype != _DTYPE:
        raise FormatError(f"{path} is damaged", cure="delete it, it is made again")
    return part
