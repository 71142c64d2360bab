"""What lies at a location, in the one form that a library reads: images with key, stamp and metadata.

Two forms with the same methods: `FolderContents` for a folder of images, `SourceContents` for a table or shards.
Knows no index and no model.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wordsight.base.errors import InputError, NotFound
from wordsight.base.nouns import Sample, Value
from wordsight.base.progress import notice
from wordsight.data.kinds import AUTO, TEXT_TABLES
from wordsight.data.listing import FolderListing, Stamp, list_folder, no_images
from wordsight.data.source_files import SourceFiles, find
from wordsight.images.files import PassedOver
from wordsight.images.kinds import OPTIONAL
from wordsight.images.memory import decoding_memory

if TYPE_CHECKING:
    from wordsight.data.image_folder import ImageFolder
    from wordsight.data.source import Columns

SIGNATURE = "signature"  # the fact that keeps a listing's signature
READER = "reader"  # the fact that keeps what `reader` returned
MEASURED = ("width", "height")  # columns that come from the image itself
OURS = {name: f"source_{name}" for name in ("path", *MEASURED)}  # how columns of these names in tables and JSON come


@dataclass(slots=True)
class Candidate:
    """One image that is to be read.  `sha256` and the measured columns of `meta` are filled in when it is."""

    key: str
    image: Path | bytes | None
    stamp: Stamp
    meta: dict[str, Value] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be seen of a location with nothing opened: now, or when a library was last in step with it.

    `stamps` are those of every image, None where only reading all would give them; `signature` differs when anything
    else does (None: never in step yet).
    """

    stamps: Mapping[str, Stamp] | None
    signature: str | None

    def in_step(self, recorded: "Listing") -> bool:
        """Return whether nothing has happened since `recorded`."""
        return self.signature == recorded.signature and (self.stamps is None or self.stamps == recorded.stamps)


NOTHING = Listing({}, None)  # what a library has recorded that is yet to be made


class Contents(Protocol):
    """What a library needs to know of its location."""

    location: Path
    columns: "Columns | None"

    @property
    def passed(self) -> PassedOver:
        """What the last look passed over."""
        ...

    def look(self) -> Listing:
        """List the location, opening no image."""
        ...

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """Yield the images of these keys, or all, and what could not be read on the way."""
        ...

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata that an untouched image should have now, given what it has."""
        ...

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the file of an image, or None when it lies inside another file."""
        ...

    def problems(self) -> list[InputError]:
        """Return what is wrong with what tells of the images, as far as it has been read since `look`."""
        ...


class FolderContents:
    """A folder of images, listed recursively; keys are paths below it, with `/`."""

    def __init__(self, location: Path, columns: "Columns | None" = None) -> None:
        self.location = location
        self.columns = columns
        self._folder: ImageFolder | None = None
        self._files = FolderListing(location)
        self._problems: list[InputError] = []

    def look(self) -> Listing:
        """See `Contents`.  A folder without any image raises `NotFound`."""
        self._files, self._folder, self._problems = list_folder(self.location), None, []
        stamps = {image: stamp for image, stamp in self._files.images.items() if stamp}
        if not stamps:
            raise NotFound(
                no_images(self._files),
                cure="give a folder with jpg, png, webp, gif, bmp or tiff files, tar shards, or a table",
            )
        asked = "" if self.columns is None else f" {self.columns}"
        return Listing(stamps, f"{self._files.signature()}{asked}")

    @property
    def passed(self) -> PassedOver:
        """See `Contents`."""
        return self._files.passed

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """See `Contents`."""
        stamps = listing.stamps or {}
        for key in stamps if keys is None else keys:
            size, mtime_ns = stamps[key]
            meta = self.meta(key, {"size": size, "mtime": _moment(mtime_ns)})
            yield Candidate(key, self.location / key, (size, mtime_ns), meta)

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return path, name and folder, what the folder tells of the image, then what is measured of the file."""
        facts, problems = self._described().facts(key)
        self._problems += problems
        folder, _, name = key.rpartition("/")
        own = {column: meta[column] for column in ("size", "mtime", *MEASURED) if column in meta}
        return {"path": key, "name": name, "folder": folder, **facts.columns(), **own}

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the image's file."""
        return self.location / key

    def problems(self) -> list[InputError]:
        """See `Contents`."""
        folder = self._described()
        for remark in folder.remarks:
            notice(remark, once=True)
        return [*map(self._leads_nowhere, self._files.nowhere()), *folder.problems, *self._problems]

    def _leads_nowhere(self, image: str) -> InputError:
        path = self.location / image
        try:
            path.stat()
            reason = "it was not there a moment ago"
        except OSError as error:
            reason = str(error.strerror)
        return InputError(f"{path} cannot be opened: {reason}", cure="mend the link, or take it away")

    def _described(self) -> "ImageFolder":
        if self._folder is None:
            from wordsight.data.image_folder import ImageFolder

            self._folder = ImageFolder(self._files, self.columns)
        return self._folder


class SourceContents:
    """A table or tar shards; keys are those of the samples, columns come along as metadata."""

    def __init__(self, location: Path, files: SourceFiles, columns: "Columns | None" = None) -> None:
        from wordsight.data import fields  # here, for a search of a folder does without
        from wordsight.data.source import open_files

        self.location = location
        self.columns = columns
        self._source = open_files(files, columns)
        self.passed = PassedOver()
        self._of_cell = fields.from_text if files.paths[0].suffix.lower() in TEXT_TABLES else fields.plain

    def look(self) -> Listing:
        """Return a signature of the names, sizes and times of the files."""
        return Listing(None, self._source.fingerprint())

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """See `Contents`; all are read.  A key that two images have is an error at the second."""
        seen: set[str] = set()
        walk = self._source.samples()
        for sample in walk:
            yield from walk.failures
            walk.failures.clear()
            if sample.key in seen:
                yield self._key_again(sample)
                continue
            seen.add(sample.key)
            yield self._candidate(sample)
        yield from walk.failures

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata as it is: a source that changes is read again as a whole."""
        return dict(meta)

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the path that the table gives, if it gives one."""
        return Path(str(meta["path"])) if meta.get("path") else None

    def problems(self) -> list[InputError]:
        """Return nothing: whatever is wrong is met on the way."""
        return []

    def _key_again(self, sample: Sample) -> InputError:
        from wordsight.data.fields import how_to_name

        image = f" {sample.image}" if isinstance(sample.image, Path) else ""
        return InputError(
            f"{self.location}: the image{image} has the key {sample.key}, as one before it has",
            cure=f"give every image its own, or name another column as key ({how_to_name('key')})",
        )

    def _candidate(self, sample: Sample) -> Candidate:
        meta = {OURS.get(name, name): self._of_cell(value) for name, value in sample.meta.items()}
        if sample.label is not None:
            meta["class"] = sample.label
        if sample.texts:
            meta["text"] = "\n".join(sample.texts)
        stamp = (0, 0)
        if isinstance(sample.image, Path):
            meta["path"] = str(sample.image.absolute())
        elif sample.image is not None:
            stamp = (len(sample.image), 0)
        return Candidate(sample.key, sample.image, stamp, meta)


def open_contents(location: Path, columns: "Columns | None" = None) -> Contents:
    """Return what lies at `location`, all splits of it; `data.source_files` decides what it is.

    `columns` names those of its tables that are not known by their names.
    """
    if not location.exists():
        raise NotFound(f"nothing at {location}", cure="check the path")
    files = find([location], split="all" if location.is_dir() else None, kind=AUTO)
    if files.is_image_folder:
        return FolderContents(location, columns)
    return SourceContents(location, files, columns)


def reader() -> str:
    """Return what decides here, besides an image itself, whether it can be read."""
    return " ".join([str(decoding_memory().total), *(kind.extra for kind in OPTIONAL if kind.installed())])


def library_folder(location: Path) -> Path:
    """Return where the library of `location` lies by default: PLACE/.wordsight, or FILE.wordsight beside a file."""
    return location / ".wordsight" if location.is_dir() else location.with_name(f"{location.name}.wordsight")


def _moment(mtime_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mtime_ns // 10**9))
