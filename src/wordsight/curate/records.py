"""Keys, captions and stated sizes of a source's images, read once and kept in the cache, part by part.

    records = read_records(open_source("photos"))
    for record in records.rows(): record.key, record.texts
    records.counts, records.pairs            # captions of each image, int32 (N,); their sum

A pair is an image and one of its captions; pairs are numbered as they come.  A part is written whole, so a walk that
was stopped goes on behind the last one.  Images are not looked at.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.errors import FormatError
from wordsight.base.files import atomic_write, read_json, sweep
from wordsight.base.nouns import Sample
from wordsight.base.progress import bar
from wordsight.base.value import Value
from wordsight.data.source import START, Position, Reading, Source, readings

PART = 2000  # images; so many are read again after a kill
_SIDES = ("original_width", "original_height")  # columns with the size that an image had where it was published
_UID = "uid"


class ImageRecord(NamedTuple):
    """What a source says of one image; `sides` (width, height) as it states them, `file` its path if it is a file."""

    key: str
    texts: tuple[str, ...]
    uid: str
    sides: tuple[int, int] | None
    file: str | None


@dataclass(frozen=True, slots=True)
class RecordPart:
    """One part: its records, where the walk stands behind each, and what could not be read."""

    rows: tuple[ImageRecord, ...]
    positions: tuple[tuple[int, int], ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Records:
    """The records of a source, in its order, in `folder`."""

    folder: Path
    parts: int
    failures: tuple[str, ...] = field(repr=False)
    counts: NDArray[np.int32] = field(repr=False)
    starts: tuple[Position, ...] = field(repr=False)  # where each part begins in the source

    def rows(self) -> Iterator[ImageRecord]:
        """Yield the records, one part in memory."""
        for number in range(self.parts):
            yield from _read(self.folder, number).rows

    def texts(self) -> Iterator[str]:
        """Yield the captions of all pairs."""
        return (text for record in self.rows() for text in record.texts)

    @property
    def images(self) -> int:
        """How many images there are, those without a caption included."""
        return len(self.counts)

    @cached_property
    def pairs(self) -> int:
        """How many pairs there are."""
        return int(self.counts.sum())

    @cached_property
    def owners(self) -> NDArray[np.int32]:
        """The image of each pair, int32 (P,)."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)

    def row_at(self, position: Position) -> int:
        """Return how many images lie before a position of the source."""
        if position == START:
            return 0
        passed = 0
        for number in range(self.parts):
            for at in _read(self.folder, number).positions:
                if Position(*at) > position:
                    return passed
                passed += 1
        return passed


def pairs_folder(source: Source) -> Path:
    """Return the folder in the cache of what is known of a source's pairs; it may not exist yet."""
    return cache_folder() / "curate" / source.fingerprint()


def read_records(source: Source) -> Records:
    """Return the records of a source, reading what of it was not read before."""
    folder = pairs_folder(source) / "records"
    end = folder / "end.json"
    if folder.is_dir():
        sweep(folder)
    number, start = 0, START
    while (folder / _name(number)).is_file():
        part = _read(folder, number)
        start = Position(*part.positions[-1]) if part.positions else start
        number += 1
    if not end.is_file() or read_json(end) != {"parts": number}:
        with bar(source.count(), unit="img", desc=f"reading {source.name}") as progress:
            progress.update(number * PART)
            for rows in _parts(readings(source.samples(start))):
                progress.update(len(rows))
                _write(folder, number, rows)
                number += 1
        with cache_errors("pairs"), atomic_write(end, "w") as handle:
            handle.write(json.dumps({"parts": number}))
    return _opened(folder, number)


def _opened(folder: Path, parts: int) -> Records:
    failures: list[str] = []
    counts: list[int] = []
    starts = [START]
    for number in range(parts):
        part = _read(folder, number)
        failures += part.failures
        counts += (len(row.texts) for row in part.rows)
        starts.append(Position(*part.positions[-1]) if part.positions else starts[-1])
    return Records(folder, parts, tuple(failures), np.array(counts, np.int32), tuple(starts[:-1]))


def _parts(read: Iterator[Reading]) -> Iterator[list[Reading]]:
    """Yield runs of readings with `PART` samples each; the last may have fewer, and only failures."""
    part: list[Reading] = []
    samples = 0
    for one in read:
        part.append(one if one.sample is None else Reading(_without_image(one.sample), one.position, one.failures))
        samples += one.sample is not None
        if samples == PART:
            yield part
            part, samples = [], 0
    if part:
        yield part


def _without_image(sample: Sample) -> Sample:
    """Return a sample whose image, unless it is a file, is not held."""
    image = sample.image if isinstance(sample.image, Path) else None
    return Sample(sample.key, image, sample.texts, meta=sample.meta)


def _name(number: int) -> str:
    return f"records-{number:05d}.jsonl"


def _write(folder: Path, number: int, read: Sequence[Reading]) -> None:
    failures = [str(failure) for one in read for failure in one.failures]
    samples = ((one.sample, one.position) for one in read if one.sample is not None)
    lines: list[Any] = [failures, *([*_record(sample), at.part, at.entry] for sample, at in samples)]
    with cache_errors("pairs"), atomic_write(folder / _name(number)) as handle:
        handle.writelines(json.dumps(line).encode() + b"\n" for line in lines)


def _record(sample: Sample) -> ImageRecord:
    width, height = (_side(sample.meta.get(name)) for name in _SIDES)
    uid = sample.meta.get(_UID)
    return ImageRecord(
        sample.key,
        sample.texts,
        uid if isinstance(uid, str) else sample.key,
        (width, height) if width and height else None,
        str(sample.image) if isinstance(sample.image, Path) else None,
    )


def _side(value: Value) -> int:
    """Return a stated side, 0 where none is; text tables hold text."""
    text = str(value)
    return int(float(text)) if re.fullmatch(r"\d{1,9}(\.\d*)?", text) else 0


def _read(folder: Path, number: int) -> RecordPart:
    path = folder / _name(number)
    try:
        with open(path, "rb") as handle:
            failures, *lines = (json.loads(line) for line in handle)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} is damaged: {error}", cure=f"delete the folder {folder}, it is made again") from None
    rows = (
        ImageRecord(key, tuple(texts), uid, None if sides is None else (sides[0], sides[1]), file)
        for key, texts, uid, sides, file, *_ in lines
    )
    return RecordPart(tuple(rows), tuple((line[-2], line[-1]) for line in lines), tuple(failures))
