"""What lies at a place, in the one form in which a library takes it in: pictures with key, stamp and metadata.

Two forms with the same methods: `FolderContents` for a folder of pictures, `SourceContents` for a table or shards.
Knows no index and no model.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wordsight.base.errors import InputError, NotFound
from wordsight.base.nouns import Sample, Value
from wordsight.data.kinds import kind_of_suffix
from wordsight.images.files import IMAGE_SUFFIXES
from wordsight.search import tables
from wordsight.search.scan import Stamp, scan

TEXT_TABLES = (".csv", ".tsv")  # whose cells are all text
MEASURED = ("width", "height")  # columns that come from the picture itself


@dataclass(slots=True)
class Picture:
    """One picture at the place.  `sha256` and the measured columns of `meta` are filled in when it is read."""

    key: str
    image: Path | bytes | None
    stamp: Stamp
    meta: dict[str, Value] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a quick look finds: keys that are new or changed (None: all have to be read), and keys that are gone."""

    candidates: list[str] | None
    gone: set[str]
    signature: str

    def nothing_new(self, signature: str | None) -> bool:
        """Say whether the library is in step, given the signature noted when it last was."""
        return not self.candidates and not self.gone and self.candidates is not None and self.signature == signature


class Contents(Protocol):
    """What a library needs to know of its place."""

    place: Path

    def look(self, known: Mapping[str, Stamp], signature: str | None) -> Look:
        """Compare the place with what is known of it, opening no picture."""

    def pictures(self, look: Look) -> Iterator[Picture | InputError]:
        """Yield the candidates of a look, and what could not be read on the way."""

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata that an untouched picture should have now, given what it has."""

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the file of a picture, or None when it lies inside another file."""


class FolderContents:
    """A folder of pictures, found recursively; keys are paths below it, with `/`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._stamps: dict[str, Stamp] = {}
        self._beside: dict[str, dict[str, Value]] | None = None

    def look(self, known: Mapping[str, Stamp], signature: str | None) -> Look:
        """See `Contents`.  A folder without any picture raises `NotFound`."""
        self._stamps = found = scan(self.place)
        self._beside = None  # read again when needed
        if not found:
            raise NotFound(
                f"no pictures in {self.place}",
                cure="give a folder with jpg, png, webp, gif, bmp or tiff files, tar shards, or a table",
            )
        beside = tables.stamp(self.place)
        if found == known:
            return Look([], set(), beside)
        candidates = [key for key, stamp in found.items() if known.get(key) != stamp]
        return Look(sorted(candidates), known.keys() - found.keys(), beside)

    def pictures(self, look: Look) -> Iterator[Picture | InputError]:
        """See `Contents`."""
        for key in look.candidates or []:
            stamp = self._stamps[key]
            yield Picture(key, self.place / key, stamp, self.meta(key, {"size": stamp[0], "mtime": _moment(stamp[1])}))

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return path, name and folder, the columns of the table beside, then what is measured of the file."""
        if self._beside is None:
            self._beside = tables.read_beside(self.place)
        folder, _, name = key.rpartition("/")
        own = {column: meta[column] for column in ("size", "mtime", *MEASURED) if column in meta}
        return {"path": key, "name": name, "folder": folder, **self._beside.get(key, {}), **own}

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the picture's file."""
        return self.place / key


class SourceContents:
    """A table or tar shards; keys are those of the samples, columns come along as metadata."""

    def __init__(self, place: Path) -> None:
        from wordsight.data.source import open_source

        self.place = place
        self._source = open_source(place, split="all" if place.is_dir() else None)

    def look(self, known: Mapping[str, Stamp], signature: str | None) -> Look:
        """Compare names, sizes and times of the files; when they differ all has to be read."""
        now = self._source.fingerprint()
        return Look([] if now == signature else None, set(), now)

    def pictures(self, look: Look) -> Iterator[Picture | InputError]:
        """See `Contents`.  A key that appears twice is an error the second time."""
        seen: set[str] = set()
        walk = self._source.samples()
        for sample in walk:
            yield from walk.failures
            walk.failures.clear()
            if sample.key in seen:
                yield InputError(f"the key {sample.key} appears twice in {self.place}", cure="give every row its own")
                continue
            seen.add(sample.key)
            yield self._picture(sample)
        yield from walk.failures

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata as it is: a source that changes is read again as a whole."""
        return dict(meta)

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the path that the table gives, if it gives one."""
        return Path(str(meta["path"])) if meta.get("path") else None

    def _picture(self, sample: Sample) -> Picture:
        meta = {name: self._value(value) for name, value in sample.meta.items()}
        if sample.label is not None:
            meta["class"] = sample.label
        if sample.texts:
            meta["text"] = "\n".join(sample.texts)
        stamp = (0, 0)
        if isinstance(sample.image, Path):
            meta["path"] = str(sample.image.absolute())
        elif sample.image is not None:
            stamp = (len(sample.image), 0)
        return Picture(sample.key, sample.image, stamp, meta)

    def _value(self, value: Value) -> Value:
        if isinstance(value, str) and self.place.suffix.lower() in TEXT_TABLES:
            return tables.from_text(value)
        return tables.plain(value)


def open_contents(place: Path) -> Contents:
    """Return what lies at `place`: a folder with pictures is that; else shards or a table."""
    if not place.exists():
        raise NotFound(f"nothing at {place}", cure="check the path")
    if place.is_dir() and not _holds_source(place):
        return FolderContents(place)
    return SourceContents(place)


def library_folder(place: Path) -> Path:
    """Return where the library of `place` lies by default: PLACE/.wordsight, or FILE.wordsight beside a file."""
    return place / ".wordsight" if place.is_dir() else place.with_name(f"{place.name}.wordsight")


def _holds_source(folder: Path) -> bool:
    """Say whether a folder holds shards or tables and, at its top, neither pictures nor folders to find them in."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
        suffixes = {os.path.splitext(entry.name)[1].lower() for entry in visible}
        mixed = any(entry.is_dir() for entry in visible)
    return any(map(kind_of_suffix, suffixes)) and not suffixes & IMAGE_SUFFIXES and not mixed


def _moment(mtime_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(mtime_ns // 10**9))
