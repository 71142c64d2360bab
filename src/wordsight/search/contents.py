"""What lies at a location, in the one form that a library reads: images with key, stamp and metadata.

Three forms: `FolderContents` for a folder of images, `SourceContents` (in `sources`) for a table or shards,
`EmbeddedContents` (in `embedded_folder`) for embeddings.  A location that is away is an empty folder.  Knows no model.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import InputError, NotFound, UsageError
from wordsight.base.files import sha256_bytes
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.data.kinds import AUTO, OPENERS
from wordsight.data.listing import FolderListing, Stamp, list_folder, no_images
from wordsight.data.source_files import find, holds_embeddings
from wordsight.images.files import PassedOver, is_walked
from wordsight.images.fragments import COLUMNS, file_of, of_files
from wordsight.images.kinds import HOLDERS, OPTIONAL
from wordsight.images.memory import decoding_memory
from wordsight.index.index import FileState
from wordsight.search.brought import MARK_OF_FOLDER, Brought
from wordsight.search.missing import Disk, Whereabouts
from wordsight.search.originals import Originals

if TYPE_CHECKING:
    from wordsight.data.image_folder import ImageFolder
    from wordsight.data.source import Columns
    from wordsight.search.fragments import FragmentReader

SIGNATURE = "signature"  # the fact that keeps a listing's signature
READER = "reader"  # the fact that keeps what `reader` returned
INSIDE = "inside"  # the fact that is "yes" where all known images lie inside tables or shards
TABLES = "tables"  # the fact that keeps which tables told of images, as a JSON list
CONTAINERS = frozenset(suffix for opener in OPENERS.values() for suffix in opener.suffixes)
OF_FOLDER = {"path", "name", "folder", "mtime"}  # columns that images of folders have
MEASURED = ("width", "height")  # columns that come from the image itself
OURS = {name: f"source_{name}" for name in ("path", *MEASURED)}  # how columns of these names in tables and JSON come

UNFINISHED: Stamp = (0, 0)  # of images inside a file that has not been read to its end: no file has it

States = Callable[[], Mapping[str, FileState]]  # gives what a library knows of its files; asked only where needed


@dataclass(slots=True)
class Candidate:
    """One image that is to be read.  `sha256` and the measured columns of `meta` are filled in when it is.

    `file` as in `FileState`; `kept` is its embedding (width,) where that was computed before.  An image from inside a
    file has its `sha256` at once, and its pixels as `image` (None: they are known); an error as `image` is why there is
    none.  `ends`: it is no image, but says that the images of these keys are all that its file holds.  Unless it
    `is_read`, it brings along what it has in the library.
    """

    key: str
    image: "Path | bytes | Pixels | InputError | None"
    stamp: Stamp
    meta: dict[str, Value] = field(default_factory=dict)
    sha256: str = ""
    file: str = ""
    kept: Embeddings | None = None
    is_read: bool = True
    ends: tuple[str, ...] | None = None


class NoFile(InputError):
    """An image that a table names and that is not there; `file` as in `FileState`."""

    def __init__(self, problem: str, *, cure: str, key: str, file: str) -> None:
        super().__init__(problem, cure=cure)
        self.key = key
        self.file = file


class Listing(NamedTuple):
    """What can be seen of a location with nothing opened: now, or when a library was last in step with it.

    `stamps` are those of every image; not `complete`: of every known one (None: there is nothing to look at), and only
    reading all tells of others.  `signature` differs when anything else does (None: never in step yet).  `states` are
    those of all known files, where the images inside files are listed too.
    """

    stamps: Mapping[str, Stamp] | None
    signature: str | None
    complete: bool = True
    states: Mapping[str, FileState] = MappingProxyType({})

    def in_step(self, recorded: "Listing") -> bool:
        """Return whether nothing has happened since `recorded`."""
        if self.signature != recorded.signature:
            return False
        return self.stamps is None or self.stamps == recorded.stamps or self.stamps == of_files(recorded.stamps or {})


NOTHING = Listing({}, None)  # what a library has recorded that is yet to be made


class Contents(Protocol):
    """What a library needs to know of its location."""

    location: Path
    columns: "Columns | None"
    originals: Originals | None  # of images that may lie inside other files

    @property
    def passed(self) -> PassedOver:
        """What the last look passed over."""
        ...

    def look(self, states: States, facts: Mapping[str, str]) -> Listing:
        """List the location, opening no image.  Where no image is known nor found, `NotFound` is raised.

        `facts` has what `facts` gave when the library was last brought up to date.
        """
        ...

    def facts(self, listing: Listing, states: Mapping[str, FileState]) -> dict[str, str]:
        """Return what has to be known the next time, after a listing has been followed and files have these states."""
        ...

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """Yield the images of these keys, or all, and what could not be read on the way."""
        ...

    def judge(self, key: str, state: FileState) -> Whereabouts:
        """Return what became of a known image that was not met, after all that was to be read has been."""
        ...

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return the metadata that an untouched image should have now, given what it has."""
        ...

    def is_unsure(self, key: str) -> bool:
        """Say whether what told of an image cannot be read now, so that it keeps what metadata it has."""
        ...

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """Return the file of an image, or None when it lies inside another file."""
        ...

    def problems(self) -> list[InputError]:
        """Return what is wrong with what tells of the images, as far as it has been read since `look`."""
        ...


class FolderContents:
    """A folder of images, listed recursively; keys are paths below it, with `/`."""

    def __init__(
        self, location: Path, columns: "Columns | None" = None, exclude: Sequence[str] = (), *, asked: bool = False
    ) -> None:
        self.location = location
        self.columns = columns
        self._asked = asked
        self.originals: Originals | None = None
        self._exclude = exclude
        self._folder: ImageFolder | None = None
        self._files = FolderListing(location)
        self._fragments: FragmentReader | None = None  # of what lies inside files that hold several images
        self._problems: list[InputError] = []
        self._disk = Disk(location)
        self._in_use: frozenset[str] = frozenset()  # tables that told of images the last time
        self._lost: frozenset[str] | None = None  # those of them that are away, and may come back
        self._brought = Brought({})

    def look(self, states: States, facts: Mapping[str, str]) -> Listing:
        """See `Contents`.  A folder that is not there, is empty or cannot be read has no images."""
        self._in_use, self._brought = recalled(facts), Brought(facts, facts.get(SIGNATURE, ""))
        self._folder, self._problems, self._disk, self._lost = None, [], Disk(self.location), None
        self._fragments = None
        try:
            self._files = list_folder(self.location, exclude=self._exclude, holders=True)
        except (NotFound, OSError):
            if not states():
                raise
            self._files = FolderListing(self.location)
        stamps = {image: stamp for image, stamp in self._files.images.items() if stamp} | self._files.holders
        if not stamps and not states():
            raise NotFound(
                no_images(self._files),
                cure="give a folder with jpg, png, webp, gif, bmp or tiff files, tar shards, or a table",
            )
        asked = "" if self.columns is None else f" {self.columns}"
        asked += f" without {list(self._exclude)}" if self._exclude else ""
        closed = refused(self.location / table for table in self._files.tables)
        beside = f"{self._files.signature()}{self._files.sidecar_signature()}"
        return Listing(stamps, f"{beside}{asked}{closed}{MARK_OF_FOLDER}")

    def walks(self, below: str) -> bool:
        """Return whether a folder below this one is looked at."""
        return is_walked(self.location, below, exclude=self._exclude)

    @property
    def passed(self) -> PassedOver:
        """See `Contents`."""
        return self._files.passed

    def facts(self, listing: Listing, states: Mapping[str, FileState]) -> dict[str, str]:
        """See `Contents`."""
        facts = {SIGNATURE: listing.signature or "", INSIDE: ""}
        if self._folder is None:  # nothing has been read
            return facts
        kept = self._lost_tables() | (self._in_use & self._folder.broken())
        return {**facts, **self._brought.facts(), TABLES: json.dumps(sorted(self._folder.tables_in_use() | kept))}

    def images(self, listing: Listing, keys: Sequence[str] | None) -> Iterator[Candidate | InputError]:
        """See `Contents`."""
        reader = self._reader()
        for key in dict.fromkeys(map(file_of, (listing.stamps or {}) if keys is None else keys)):
            stamp = self._files.images.get(key) or self._files.holders[key]
            mtime = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp[1] // 10**9))
            meta: dict[str, Value] = {"size": stamp[0], "mtime": mtime}
            first = None
            if key not in self._files.holders:
                first = Candidate(key, self.location / key, stamp, self.meta(key, meta))
                if not reader.holds_several(key):
                    yield first
                    continue
            for one in reader.read(key, stamp, listing.states, first=first):
                if isinstance(one, Candidate) and one is not first and one.ends is None:
                    one.meta = self.meta(one.key, {**one.meta, **meta})
                yield one

    def _reader(self) -> "FragmentReader":
        if self._fragments is None:
            from wordsight.search.fragments import FragmentReader

            self._fragments = FragmentReader(self.location)
        return self._fragments

    def judge(self, key: str, state: FileState) -> Whereabouts:
        """See `Contents`.  What tables named and shards held while this was no folder of images stays absent."""
        if not os.path.isdir(self.location):
            return away(self.location)
        file = file_of(key)
        if self._files.passed.ignores(file):
            return Whereabouts.EXCLUDED
        if self._fragments is not None and file in self._fragments.read_files:
            return Whereabouts.REPLACED
        if file != key:
            return self._disk.judge(file, through_links=False)
        if not state.file:
            return self._disk.judge(key, through_links=False)
        if not is_container(state.file):
            return Whereabouts.ABSENT
        verdict, is_there = self._disk.judge(state.file), (self.location / state.file).is_file()
        return Whereabouts.ABSENT if verdict == Whereabouts.UNREAD and is_there else verdict

    def meta(self, key: str, meta: Mapping[str, Value]) -> dict[str, Value]:
        """Return path, name and folder, what the image and then the folder tell of it, and what is measured."""
        image, key = key, file_of(key)
        facts, problems = self._described().facts(key)
        theirs = facts.columns()
        path = theirs.pop("path", key)
        theirs |= {} if path == key else {OURS["path"]: path}
        its, damaged = self._brought.of_folder(self._files, key, meta, theirs)
        problems += damaged
        self._problems += problems
        folder, _, name = key.rpartition("/")
        measured = (*MEASURED, *COLUMNS) if image != key else MEASURED
        own = {column: meta[column] for column in ("size", "mtime", *measured) if column in meta}
        kept = meta if problems or self.is_unsure(key) else {}
        return {**kept, "path": key, "name": name, "folder": folder, **theirs, **its, **own}

    def is_unsure(self, key: str) -> bool:
        """See `Contents`."""
        if not self._in_use:
            return False
        folder = self._described()
        unread, key = self._in_use & folder.broken(), file_of(key)
        return bool(self._lost_tables()) or any(not folder.tells(table, key) for table in unread)

    def _lost_tables(self) -> frozenset[str]:
        if self._lost is None:
            missing = self._in_use - self._files.tables.keys()
            self._lost = frozenset(table for table in missing if self._disk.judge(table) != Whereabouts.GONE)
        return self._lost

    def path(self, key: str, meta: Mapping[str, Value]) -> Path | None:
        """See `file_of_hit`."""
        return file_of_hit(self.location, key, meta)

    def problems(self) -> list[InputError]:
        """See `Contents`."""
        folder = self._described()
        for remark in folder.remarks:
            notice(remark, once=True)
        return [*map(self._leads_nowhere, self._files.nowhere()), *folder.problems, *self._problems]

    def _leads_nowhere(self, image: str) -> InputError:
        path, reason = self.location / image, "it was not there a moment ago"
        try:
            path.stat()
        except OSError as error:
            reason = str(error.strerror)
        return InputError(f"{path} cannot be opened: {reason}", cure="mend the link, or take it away")

    def _described(self) -> "ImageFolder":
        if self._folder is None:
            from wordsight.data.image_folder import ImageFolder

            self._folder = ImageFolder(self._files, self.columns, required=self._asked)
        return self._folder


def open_contents(
    location: Path, columns: "Columns | None" = None, *, asked: bool = False, exclude: Sequence[str] = ()
) -> Contents:
    """Return what lies at `location`, all splits of it; `data.source_files` decides what it is.

    `columns` names those of its tables that are not known by their names; `asked`: they are asked for now, so that it
    is an error where a table lacks them.  `exclude` are patterns of images of a folder that are left alone.
    """
    if not os.path.exists(location):
        return FolderContents(location, columns, exclude)
    try:
        embedded = holds_embeddings(location)
        files = None if embedded else find([location], split="all" if location.is_dir() else None, kind=AUTO)
    except OSError:  # a folder that cannot be listed
        return FolderContents(location, columns, exclude)
    if files is not None and files.is_image_folder:
        return FolderContents(location, columns, exclude, asked=asked)
    if exclude:
        raise UsageError(
            f"exclude {exclude[0]} of {location}", cure="only images of a folder can be excluded: use --where"
        )
    if files is None:
        from wordsight.search.embedded_folder import EmbeddedContents

        return EmbeddedContents(location, columns)
    from wordsight.search.sources import SourceContents  # here, for a search of a folder does without

    return SourceContents(location, files, columns, asked=asked)


def recalled(facts: Mapping[str, str]) -> frozenset[str]:
    """Return the tables that told of images the last time."""
    return frozenset(json.loads(facts.get(TABLES) or "[]"))


def is_container(file: str) -> bool:
    """Say whether the `file` of a state is a table or shard that holds the image, rather than the image itself."""
    return file[file.rfind(".") :].lower() in CONTAINERS


def refused(paths: Iterable[Path]) -> str:
    """Return a mark for a signature, of the files that may not be read now: their stamps do not tell; "" for none."""
    names = [str(path) for path in paths if not os.access(path, os.R_OK)]
    return f"!{sha256_bytes(json.dumps(names).encode())[:16]}" if names else ""


def away(location: Path) -> Whereabouts:
    """Return what became of an image whose location is away: nothing is proven."""
    verdict = Disk(location.parent).judge(location.name)
    return Whereabouts.UNREAD if verdict == Whereabouts.UNREAD else Whereabouts.ABSENT


def file_of_hit(location: Path, key: str, meta: Mapping[str, Value]) -> Path | None:
    """Return the file of an image, None where it lies inside another file; the metadata tells which it is.

    The location is not asked: it may be away.
    """
    if meta.keys() >= OF_FOLDER:
        return location / file_of(key)
    if not meta.get("path"):
        return None
    path, base = str(meta["path"]), location.parent  # relative as the location is, for what lies beside or below it
    inside = path.removeprefix(f"{base.absolute()}{os.sep}")
    return Path(path) if inside == path else base / inside


def reader() -> str:
    """Return what decides here, besides an image itself, whether it can be read."""
    return " ".join([str(decoding_memory().total), *(kind.extra for kind in (*OPTIONAL, *HOLDERS) if kind.installed())])


def library_folder(location: Path) -> Path:
    """Return where the library of `location` lies by default: PLACE/.wordsight, or FILE.wordsight beside a file."""
    return location / ".wordsight" if location.is_dir() else location.with_name(f"{location.name}.wordsight")


def lies_aside(folder: Path, location: Path) -> bool:
    """Say whether a library lies elsewhere than where that of `location` does by default."""
    return os.path.realpath(folder) != os.path.realpath(library_folder(location))


def index_command(location: Path, folder: Path, *options: str) -> str:
    """Return what indexes `location` on a command line, with its library in `folder`, for advice that can be copied."""
    import shlex

    aside = ["--library", str(folder)] if lies_aside(folder, location) else []
    return shlex.join(["wordsight", "index", str(location), *aside, *options])
