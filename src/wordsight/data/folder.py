"""A folder of images as a source: class folders, images with `.txt` beside them, or just images.

An image's class is its first folder below the root, when there are at least two such folders and no image
lies beside them.  Its captions are the lines of the `.txt` of the same name.  Keys are paths below the root.
"""

from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.data import fields
from wordsight.data.source import START, Columns, Position, Step, Walk
from wordsight.data.source_files import SourceFiles
from wordsight.images.files import find_images


class FolderSource:
    """The images below a folder, sorted by path.  One part."""

    def __init__(self, files: SourceFiles, columns: Columns) -> None:
        asked = next((name for name in (columns.image, columns.captions, columns.label, columns.key) if name), None)
        if asked:
            raise FormatError(
                f"{files.paths[0]} is a folder of pictures, it has no column {asked}", cure="leave the column out"
            )
        self.name = files.name
        self.root = files.paths[0]
        self._paths = list(find_images(self.root))
        if not self._paths:
            raise FormatError(f"no pictures below {self.root}", cure="give a folder with pictures, shards or a table")
        tops = {path.relative_to(self.root).parts[0] for path in self._paths}
        self._classes = len(tops) >= 2 and all((self.root / top).is_dir() for top in tops)

    def samples(self, start: Position = START) -> Walk:
        """Walk over the images from `start` on."""
        return Walk(self._steps(start), start)

    def _steps(self, start: Position) -> Iterator[Step]:
        for entry in range(start.entry, len(self._paths) if start.part == 0 else 0):
            try:
                met: Sample | InputError = self._sample(self._paths[entry])
            except InputError as error:
                met = error
            yield met, Position(0, entry + 1)

    def _sample(self, path: Path) -> Sample:
        relative = path.relative_to(self.root)
        label = relative.parts[0] if self._classes else None
        return Sample(key=relative.as_posix(), image=path, texts=_captions_beside(path), label=label)

    def parts(self) -> int:
        """Return 1."""
        return 1

    def count(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of the images and captions."""
        files = (file for path in self._paths for file in (path, path.with_suffix(".txt")))
        facts = [stamp(file, self.root) for file in files if file.exists()]
        return sha256_bytes("\n".join(["folder", *facts]).encode())[:16]


def stamp(path: Path, root: Path) -> str:
    """Return name, size and time of a file as one line: what a fingerprint of files is made of."""
    facts = path.stat()
    return f"{path.relative_to(root).as_posix()} {facts.st_size} {facts.st_mtime_ns}"


def _captions_beside(path: Path) -> tuple[str, ...]:
    beside = path.with_suffix(".txt")
    if not beside.exists():
        return ()
    try:
        return fields.lines(beside.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{beside} is not UTF-8", cure="save the captions as UTF-8") from None
    except OSError as error:
        raise InputError(f"{beside} cannot be read: {error.strerror}", cure="check the permissions") from None
