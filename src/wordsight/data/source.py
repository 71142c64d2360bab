"""Where samples come from: the `Source` protocol and `open_source`, which recognises what a folder or file holds.

    source = open_source("photos")                 # class folders, or images with .txt beside them
    source = open_source("products.csv")           # also tsv, jsonl, parquet
    source = open_source("flickr8k", split="train")  # train-0000.tar, train-0001.tar ...
    walk = source.samples()
    for sample in walk: ...
    walk.position, walk.failures                   # go on from here another day; what could not be read

A source yields encoded images: it does not decode, so an image that is broken inside is met by whoever
decodes it.  What each form looks like on disk is the business of `folder`, `table` and `shards`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wordsight.base.errors import InputError, NotFound, UsageError
from wordsight.base.nouns import Sample
from wordsight.base.optional import resolve
from wordsight.data.kinds import AUTO, OPENERS
from wordsight.data.source_files import SourceFiles, expand, find


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A position between two samples: `part` counts files (tables, shards), `entry` the entries passed in it."""

    part: int = 0
    entry: int = 0


START = Position()


class BrokenEntry(InputError):
    """An entry that is there and cannot be used; `key` is the one that its sample would have.

    `file` is the one that it names for its image, where there is none.
    """

    def __init__(self, problem: str, *, cure: str, key: str, file: Path | None = None) -> None:
        super().__init__(problem, cure=cure)
        self.key = key
        self.file = file


Step = tuple[Sample | InputError, Position]  # what was met, and the position behind it


class Walk(Iterator[Sample]):
    """An iterator over samples that knows where it is and what it could not read.

    `position` lies behind the sample given last; `failures` holds one `InputError` for each broken row,
    shard or image met so far.
    """

    def __init__(self, steps: Iterator[Step], start: Position) -> None:
        self._steps = steps
        self.position = start
        self.failures: list[InputError] = []

    def __next__(self) -> Sample:
        for met, position in self._steps:
            self.position = position
            if isinstance(met, Sample):
                return met
            self.failures.append(met)
        raise StopIteration


@dataclass(frozen=True, slots=True)
class Reading:
    """What a walk met: a sample (None behind the last), the position behind it, what failed just before it."""

    sample: Sample | None
    position: Position
    failures: tuple[InputError, ...]


def readings(walk: Walk) -> Iterator[Reading]:
    """Yield what a walk meets, nothing left out: what failed behind the last sample comes without one."""
    reported = 0
    for sample in walk:
        yield Reading(sample, walk.position, tuple(walk.failures[reported:]))
        reported = len(walk.failures)
    if walk.failures[reported:]:
        yield Reading(None, walk.position, tuple(walk.failures[reported:]))


class Source(Protocol):
    """Samples in a fixed order.  `name` says what was opened, for messages."""

    name: str

    def samples(self, start: Position = START) -> Walk:
        """Walk over the samples from `start` on; the same start gives the same samples."""

    def parts(self) -> int:
        """Return how many files (shards, tables) the source has."""

    def count(self) -> int | None:
        """Return the number of entries, broken ones included, or None where finding out means reading everything."""

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change when the files of the source or the way of reading them change."""


def walk_changed(source: Source, start: Position, change: Callable[[Sample], Sample | InputError | None]) -> Walk:
    """Walk over the samples of a source as `change` makes them: another one, a failure, or None for one left out."""
    return Walk(_changed(source.samples(start), change), start)


def _changed(walk: Walk, change: Callable[[Sample], Sample | InputError | None]) -> Iterator[Step]:
    for reading in readings(walk):
        for failure in reading.failures:
            yield failure, reading.position
        made = None if reading.sample is None else change(reading.sample)
        if made is not None:
            yield made, reading.position


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns (or JSON keys) to read; None takes the first of the known names that is there.

    `masks` says where the label image of each image lies: "seg.png" is KEY.seg.png beside KEY.jpg, in shards and
    folders; of a folder also another one below it, "annotations", whose files are called as the images (see
    `mask_paths`).  None reads none.
    """

    image: str | None = None
    captions: str | None = None
    label: str | None = None
    key: str | None = None
    masks: str | None = field(default=None, repr=False)  # no part of a source's fingerprint: samples stay the same


def open_source(
    location: str | Path | Sequence[str | Path],
    *,
    split: str | None = None,
    kind: str = AUTO,
    columns: Columns | None = None,
) -> Source:
    """Open a folder, a table, a tar shard or a set of them (folder, list, glob or brace pattern `x-{000..007}.tar`).

    `split` picks `train-*.tar`, `train.parquet` or the folder `train/`; "train+extra" takes two, "all" every one.
    `kind` is one of the rows of `OPENERS` (wordsight.data.kinds), or "auto".
    Raises `NotFound` for a path that does not exist, `FormatError` for one that holds nothing readable.
    """
    return open_files(find(_paths(location), split=split, kind=kind), columns)


def open_files(files: SourceFiles, columns: Columns | None = None) -> Source:
    """Open what `find` has recognised."""
    source: Source = resolve(OPENERS[files.kind].target)(files, columns or Columns())
    return source


def _paths(location: str | Path | Sequence[str | Path]) -> list[Path]:
    locations = [location] if isinstance(location, str | Path) else list(location)
    if not locations:
        raise UsageError("an empty list of paths", cure="name at least one folder, table or shard")
    paths = []
    for one in locations:
        matches = expand(str(one))
        if not matches:
            raise NotFound(f"nothing at {one}", cure="check the path")
        paths.extend(matches)
    return paths
