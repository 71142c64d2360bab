"""What a folder of images holds, from one walk that opens nothing: images, what tells of them, what was passed over.

    listing = list_folder(Path("photos"))
    listing.images                          # {"a/red.jpg": (size, time of change), ...}
    listing.beside("a/red.jpg", ".txt")     # "a/red.TXT", or None

Paths are below the folder, with `/`.  Names and stamps come from the system calls that find the files: ten thousand
take some tens of milliseconds.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from wordsight.base.files import sha256_bytes
from wordsight.base.reading import MEGABYTE
from wordsight.data.folder_names import SPLITS, name_files
from wordsight.data.kinds import TABLE, kind_of_suffix
from wordsight.data.names import composed
from wordsight.data.sidecars import JSON, LARGEST_JSON, XMP, YML, Sidecars
from wordsight.images.files import SIDECARS, PassedOver, is_file, walk_files
from wordsight.images.kinds import HOLDER_SUFFIXES, IMAGE_SUFFIXES

Stamp = tuple[int, int]  # size in bytes, time of change in nanoseconds
BESIDE = (".txt", ".json")  # endings of the files that tell of the image of the same name
LARGEST = MEGABYTE  # of a file beside an image: captions have hundreds of bytes; larger JSON holds outlines or an image
_LATEST = 2**63 - 1  # nanoseconds, in the year 2262: what an index keeps; file systems go on to 2446 and beyond
_METADATA = "metadata"  # stem of the tables that are looked for in the folders inside, too
_STATS = "_stats.json"  # img2dataset writes NNNNN_stats.json beside the folder NNNNN


@dataclass(frozen=True, slots=True)
class FolderListing:
    """One look at a folder.  The stamp of a link to nowhere, and of what is no regular file, is None."""

    root: Path
    images: dict[str, Stamp | None] = field(default_factory=dict)
    tables: dict[str, Stamp | None] = field(default_factory=dict)  # those at the top, and metadata.* anywhere
    others: list[str] = field(default_factory=list)  # files of other kinds of sources at the top
    downloads: list[str] = field(default_factory=list)  # parts of the folder that img2dataset wrote
    passed: PassedOver = field(default_factory=PassedOver)
    sidecars: Sidecars = field(default_factory=Sidecars)
    holders: dict[str, Stamp] = field(default_factory=dict)  # videos and documents, where they are asked for
    _beside: dict[str, tuple[str, Stamp | None]] = field(default_factory=dict)  # composed name -> path, stamp

    def beside(self, image: str, suffix: str) -> str | None:
        """Return the file beside an image that has its name and `suffix` in any case, or None."""
        side_file = self._beside.get(composed(_stem(image)) + suffix)
        return side_file[0] if side_file else None

    def sorted_images(self) -> list[str]:
        """Return the images sorted folder by folder."""
        paths = sorted(path.split("/") for path in self.images)
        return ["/".join(parts) for parts in sorted(paths, key=lambda parts: parts[:-1])]

    def nowhere(self) -> list[str]:
        """Return the images that are links to nothing, sorted."""
        return sorted(image for image, stamp in self.images.items() if stamp is None)

    def class_part(self) -> int | None:
        """Return which part of every image's path is its class, or None where folders are no classes.

        Classes are two or more folders beside each other and no image beside them: at the top, or below folders
        named for splits when nothing else lies at the top.  The folders that img2dataset numbers are none.
        """
        folders = [folder.split("/") for folder in {path.rpartition("/")[0] for path in self.images}]
        tops = {parts[0] for parts in folders}
        part = int(all(top.lower() in SPLITS for top in tops))
        if not tops.isdisjoint(["", *self.downloads]) or any(len(parts) <= part for parts in folders):
            return None
        return part if len({parts[part] for parts in folders}) > 1 else None

    def signature(self) -> str:
        """Return a hash of what tells of the images and of what is passed over; "" where there are images alone."""
        stamps, class_part = {**self.tables, **dict(self._beside.values())}, self.class_part()
        lines = [f"{path} {stamp}" for path, stamp in sorted(stamps.items())]
        if class_part is not None:
            lines += [f"class {class_part}", *(f"names {path.name} {_stamp(path)}" for path in name_files(self.root))]
        for passed in (self.passed.unreadable, self.passed.linked, self.others, self.nowhere()):
            lines += [f"passed {path}" for path in sorted(passed)]
        return sha256_bytes("\n".join(lines).encode(errors="surrogateescape"))[:16] if lines else ""

    def sidecar_signature(self) -> str:
        """Return a hash of the sidecars, which tell libraries of the images; "" where there are none."""
        lines = list(self.sidecars.lines())
        return sha256_bytes("\n".join(lines).encode(errors="surrogateescape"))[:16] if lines else ""

    def is_record(self, table: str) -> bool:
        """Say whether a table is img2dataset's record of a folder, whose images have all of it in their JSON."""
        return _stem(table) in self.downloads


def is_metadata(table: str) -> bool:
    """Say whether a file is a table called `metadata`, which tells of the images beside and below it."""
    return _stem(table[table.rfind("/") + 1 :]) == _METADATA and kind_of_suffix(_suffix(table)) == TABLE


def list_folder(
    root: Path, above: Iterable[Path] = (), *, exclude: Iterable[str] = (), holders: bool = False
) -> FolderListing:
    """Walk over a folder; raises `NotFound` when it is not there, `StorageError` when the disk fails.

    `above` are tables in the folder above that may tell of the images too, `exclude` patterns of what is left alone,
    `holders`: files that hold several images (`images.kinds.HOLDERS`) are listed, which are passed over otherwise.
    """
    listing = FolderListing(root, passed=PassedOver(holders=holders))
    listing.tables.update((f"../{path.name}", _stamp(path)) for path in above)
    beside: dict[str, tuple[str, os.DirEntry[str]]] = {}
    for path, entry in walk_files(root, listing.passed, exclude=exclude):
        suffix = _suffix(path)
        if suffix in IMAGE_SUFFIXES:
            image_stamp = _stamp(entry)
            if image_stamp is not None or is_file(entry):
                listing.images[path] = image_stamp
            else:
                listing.passed.note(entry.name)
            continue
        if suffix in (XMP, JSON, YML) and listing.sidecars.note(path):
            _note_sidecar(listing.sidecars, path, _stamp(entry))
        if holders and suffix in HOLDER_SUFFIXES and (holder_stamp := _stamp(entry)) is not None:
            listing.holders[path] = holder_stamp
            continue
        if suffix in BESIDE:
            beside[composed(_stem(path)) + suffix] = path, entry
            if "/" not in path and path.endswith(_STATS):
                listing.downloads.append(path.removesuffix(_STATS))
            continue
        kind = kind_of_suffix(suffix)
        if kind == TABLE and ("/" not in path or is_metadata(path)):
            listing.tables[path] = _stamp(entry)
        elif kind not in (None, TABLE) and "/" not in path:
            listing.others.append(path)
        else:
            listing.passed.note(entry.name)
    _note_beside(listing, beside)
    _note_aside(listing)
    return listing


def _note_aside(listing: FolderListing) -> None:
    """Keep the sidecars in the hidden folders of PhotoPrism."""
    for above in listing.passed.aside:
        try:
            with os.scandir(listing.root / above / SIDECARS) as entries:
                for entry in entries:
                    path = f"{above}{SIDECARS}/{entry.name}"
                    if _suffix(entry.name) == YML and listing.sidecars.note(path):
                        _note_sidecar(listing.sidecars, path, _stamp(entry))
        except OSError:
            listing.passed.unreadable.append(f"{above}{SIDECARS}")


def _note_sidecar(sidecars: Sidecars, path: str, side_stamp: Stamp | None) -> None:
    """Keep a sidecar; JSON that is too large for one is something else."""
    if side_stamp is None or side_stamp[0] <= LARGEST_JSON or path.lower().endswith(XMP):
        sidecars.stamps[path] = side_stamp


def _note_beside(listing: FolderListing, beside: "Mapping[str, tuple[str, os.DirEntry[str]]]") -> None:
    """Keep the files that lie beside an image."""
    for image in (*listing.images, *listing.holders) if beside else ():
        stem = composed(_stem(image))
        for suffix in BESIDE:
            if stem + suffix in beside:
                path, entry = beside[stem + suffix]
                stamp = _stamp(entry)
                if suffix != ".json" or stamp is None or stamp[0] <= LARGEST:
                    listing._beside[stem + suffix] = path, stamp


def _stamp(entry: "os.DirEntry[str] | Path") -> Stamp | None:
    try:
        return stamp_of(entry.stat())
    except OSError:  # a link to nowhere, or gone since the folder was listed
        return None


def stamp_of(facts: os.stat_result) -> Stamp | None:
    """Return the stamp of a file, None for what is no regular one."""
    if not S_ISREG(facts.st_mode):
        return None
    changed = facts.st_mtime_ns
    return facts.st_size, changed if -_LATEST <= changed <= _LATEST else max(-_LATEST, min(changed, _LATEST))


def _stem(path: str) -> str:
    return path[: path.rfind(".")] if "." in path[path.rfind("/") + 1 :] else path


def _suffix(path: str) -> str:
    return path[path.rfind(".") :].lower()


def no_images(listing: FolderListing) -> str:
    """Return that a folder has no images, and where there may be some."""
    passed = {"cannot be read": listing.passed.unreadable, "links, which are not followed": listing.passed.linked}
    inside = "".join(f" ({why}: {', '.join(sorted(paths)[:5])})" for why, paths in passed.items() if paths)
    words = listing.passed.text()
    return f"no images in {listing.root}{inside}" + (f": {words}" if words else "")


def stamp(path: Path, root: Path) -> str:
    """Return name, size and time of a file as one line: what a fingerprint of files is made of."""
    facts = path.stat()
    return f"{path.relative_to(root).as_posix()} {facts.st_size} {facts.st_mtime_ns}"
