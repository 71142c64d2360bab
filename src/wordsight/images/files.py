"""Finding images in a folder, and reading their files.

    passed = PassedOver()
    for path in find_images(Path("photos"), passed): ...
    passed.text(), passed.unreadable                 # "12 videos not read"; folders that could not be listed
    data = image_bytes(sample.image, key=sample.key)

Goes by the names only: what is inside a file is seen when it is decoded.
"""

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wordsight.base.errors import InputError, NotFound, StorageError, UnreadableFile
from wordsight.base.files import sha256_bytes
from wordsight.base.reading import IMAGE_LIMIT, read_file, read_text, sha256_file
from wordsight.images.failures import name_of
from wordsight.images.ignore import IGNORE_FILE, Rules
from wordsight.images.kinds import HOLDER_SUFFIXES, IMAGE_SUFFIXES, extras, other_kind

SIDECARS = ".photoprism"  # a hidden folder beside images that PhotoPrism keeps its sidecars in
_ODD = "pipes and devices"
_ONE = {"videos": "video", _ODD: "pipe or device"}

_MARKS = (  # how files begin, and the ending they have
    (b"\xff\xd8\xff", 0, ".jpg"),
    (b"\x89PNG\r\n\x1a\n", 0, ".png"),
    (b"GIF8", 0, ".gif"),
    (b"BM", 0, ".bmp"),
    (b"II*\0", 0, ".tif"),
    (b"MM\0*", 0, ".tif"),
    (b"WEBP", 8, ".webp"),
    (b"ftypavi", 4, ".avif"),
    (b"ftyp", 4, ".heic"),
)


def ending_of(image: bytes) -> str:
    """Return the ending that the file of an image has, by how its bytes begin; "" where they begin as none does."""
    return next((ending for mark, at, ending in _MARKS if image.startswith(mark, at)), "")


def is_image_name(path: Path | str) -> bool:
    """Say whether the name ends like that of an image we read, in either case."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


def is_holder_name(path: Path | str) -> bool:
    """Say whether the name ends like that of a file that holds several images and can be read: a video, a PDF."""
    return os.path.splitext(path)[1].lower() in HOLDER_SUFFIXES


@dataclass(slots=True)
class PassedOver:
    """What a walk passed over.

    `unreadable` are folders that could not be listed and `linked` links to folders, as paths below the folder; `kinds`
    counts files that show something and are not read.  `ignored` are the images and the folders (with / behind) that
    rules leave alone; what is in such a folder is not looked at.  `holders`: files that hold several images are read.
    `aside` are the folders (with / behind, "" for the first) in which a hidden one of sidecars lies.
    """

    unreadable: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    ignored: set[str] = field(default_factory=set)
    holders: bool = False
    aside: list[str] = field(default_factory=list)

    def note(self, name: str) -> None:
        """Count a file that is not read if its name ends like that of something people look at."""
        suffix = name[name.rfind(".") :].lower()
        if kind := _ODD if suffix in IMAGE_SUFFIXES else other_kind(suffix):
            self.kinds[kind] += 1

    def note_ignored(self, path: str, *, folder: bool) -> None:
        """Note what a rule leaves alone: a folder, or a file if it is called like an image."""
        if folder or is_image_name(path) or (self.holders and is_holder_name(path)):
            self.ignored.add(f"{path}/" if folder else path)

    def ignores(self, path: str) -> bool:
        """Say whether an image was seen and left alone, or lies in a folder that was."""
        ends = (match.end() for match in re.finditer("/", path))
        return path in self.ignored or any(path[:end] in self.ignored for end in ends)

    def text(self) -> str:
        """Return what is not read and what is ignored as one line, with the cure where there is one; "" for nothing."""
        folders = sum(path[-1] == "/" for path in self.ignored)
        counted = ((len(self.ignored) - folders, "image"), (folders, "folder"))
        ignored = " and ".join(f"{number} {noun}{'s' * (number != 1)}" for number, noun in counted if number)
        return "; ".join(filter(None, [self._unread(), ignored and f"{ignored} ignored"]))

    def _unread(self) -> str:
        if not self.kinds:
            return ""
        counted = sorted(self.kinds.items(), key=lambda pair: (-pair[1], pair[0]))
        parts = [f"{number} {_ONE.get(kind, kind) if number == 1 else kind}" for kind, number in counted]
        line = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
        needed = extras(self.kinds, holders=self.holders)
        return f"{line} not read" + (f": pip install 'wordsight[{','.join(needed)}]'" if needed else "")


def require_image(image: bytes | Path | None, *, key: str) -> bytes | Path:
    """Return an image's bytes or path; where there is neither, raise `InputError`.  `key` is how it calls it."""
    if image is None:
        raise InputError(f"{key} has no picture", cure="give it one, or leave it out")
    return image


def image_bytes(image: bytes | Path | None, *, key: str) -> bytes:
    """Return the bytes of an image's file, read now if `image` is a path.  `key` is how errors call it.

    Raises `InputError` where there are none or too many, `UnreadableFile` where it cannot be opened.
    """
    image = require_image(image, key=key)
    if isinstance(image, bytes):
        return image
    with _file_errors(image):
        return read_file(image, limit=IMAGE_LIMIT)


def image_hash(image: bytes | Path | None, *, key: str) -> str:
    """Return the SHA-256 of an image's file, read in parts; errors as those of `image_bytes`."""
    if not isinstance(image, Path):
        return sha256_bytes(image_bytes(image, key=key))
    with _file_errors(image):
        return sha256_file(image, limit=IMAGE_LIMIT)


@contextmanager
def unchanged(image: bytes | Path | None) -> Iterator[None]:
    """Raise `UnreadableFile` at the end of the block if the file of an image is another than at its beginning."""
    before = _stamp(image)
    yield
    if _stamp(image) != before:
        raise UnreadableFile(f"{image!s} was changed while it was read", cure="try it again")


def _stamp(image: bytes | Path | None) -> tuple[int, ...]:
    if not isinstance(image, Path):
        return ()
    try:
        facts = os.stat(image)
    except (OSError, ValueError):
        return ()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


@contextmanager
def _file_errors(image: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = f"{name_of(image)} cannot be opened: {error.strerror}"
        if error.errno == errno.EINVAL:  # no file, or too large a one: it will not be another next time
            raise InputError(problem, cure="leave it out") from error
        raise UnreadableFile(problem, cure="check the path, and that you may read it") from error


def find_images(folder: Path, passed: PassedOver | None = None) -> Iterator[Path]:
    """Yield the images in `folder` and below, sorted folder by folder; see `walk_images`."""
    paths = sorted(path.split("/") for path, _ in walk_images(folder, passed))
    for parts in sorted(paths, key=lambda parts: parts[:-1]):
        yield folder.joinpath(*parts)


def walk_images(folder: Path, passed: PassedOver | None = None) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield path below `folder` (with /) and directory entry of every image, in no order; see `walk_files`.

    What is neither a file nor a link is no image; a link to nowhere is one, and fails when it is opened.
    """
    passed = PassedOver() if passed is None else passed
    for path, entry in walk_files(folder, passed):
        if is_image_entry(entry):
            yield path, entry
        else:
            passed.note(entry.name)


def is_image_entry(entry: "os.DirEntry[str]") -> bool:
    """Say whether an entry is an image by its name, and a file or a link to one; a link to nowhere is too."""
    return is_image_name(entry.name) and is_file(entry)


def walk_files(
    folder: Path, passed: PassedOver | None = None, *, exclude: Iterable[str] = ()
) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield path below `folder` (with /) and directory entry of all that is no folder, in no order.

    Hidden files and folders (a name that begins with a dot) are passed over, and what the patterns of `exclude` and of
    `.wordsightignore` files say (`images.ignore`); links to folders are not followed.
    A folder inside that may not be read, has too long a path or is gone by the time, is passed over.  A `folder` that
    is not there raises `NotFound`, a disk that fails `StorageError`.
    """
    if not folder.is_dir():
        raise NotFound(f"no folder {folder}", cure="check the path")
    passed = PassedOver() if passed is None else passed
    waiting = [(str(folder), "", Rules(exclude))]
    while waiting:
        path, prefix, rules = waiting.pop()
        entries = _entries(path, prefix, passed)
        rules = _with_file(rules, entries, prefix)
        ignoring = rules.for_files
        for entry in entries:
            if entry.name[0] == ".":
                if entry.name == SIDECARS:
                    passed.aside.append(prefix)
                continue
            if entry.is_dir(follow_symlinks=False):
                if rules.ignores(prefix + entry.name, folder=True):
                    passed.note_ignored(prefix + entry.name, folder=True)
                else:
                    waiting.append((entry.path, f"{prefix}{entry.name}/", rules))
            elif entry.is_symlink() and os.path.isdir(entry.path):
                passed.linked.append(prefix + entry.name)
            elif ignoring and rules.ignores(prefix + entry.name, folder=False):
                passed.note_ignored(prefix + entry.name, folder=False)
            else:
                yield prefix + entry.name, entry


def is_walked(root: Path, below: str, *, exclude: Iterable[str] = ()) -> bool:
    """Say whether `walk_files` of a folder comes to `below`, the path of a folder in it."""
    rules, prefix = Rules(exclude), ""
    for name in below.split("/"):
        rules = _with_file(rules, _entries(str(root / prefix), prefix, PassedOver()), prefix)
        if name[0] == "." or rules.ignores(prefix + name, folder=True) or (root / prefix / name).is_symlink():
            return False
        prefix += f"{name}/"
    return True


def _with_file(rules: Rules, entries: "Iterable[os.DirEntry[str]]", prefix: str) -> Rules:
    """Return the rules with those of the folder's own file, if it has one."""
    for entry in entries:
        if entry.name == IGNORE_FILE:
            try:
                return rules.below(read_text(entry.path), prefix)
            except (OSError, UnicodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                cure = "mend it or take it away; one pattern a line, for example *.png"
                raise UnreadableFile(f"{entry.path} cannot be read: {reason}", cure=cure) from error
    return rules


def _entries(folder: str, below: str, passed: PassedOver) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if not isinstance(error, PermissionError) and error.errno != errno.ENAMETOOLONG:
            raise StorageError(f"{folder} cannot be read: {error.strerror}", cure="check the disk") from error
        passed.unreadable.append(below.rstrip("/") or ".")
        return []


def is_file(entry: "os.DirEntry[str]") -> bool:
    """Say whether an entry is a file, or a link to one; a link to nowhere is too, and fails when it is opened."""
    if not entry.is_symlink():
        return entry.is_file()
    return os.path.isfile(entry.path) or not os.path.exists(entry.path)
