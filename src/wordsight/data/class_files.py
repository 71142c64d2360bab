"""Class numbers of shards and the files that tell of them, as CLIP_benchmark lays them out.

    set/classnames.txt       one name a line, the first is number 0
    set/dataset_type.txt     "multilabel" or "retrieval"; without it images have one class
    set/test/0.tar           a.webp, a.cls ("3")  or  a.webp, a.npy (a flag for each class)

The files lie beside the shards or in the folder above.  A number without a name stays what it is, with a notice.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from wordsight.base.errors import FormatError, InputError
from wordsight.base.progress import notice
from wordsight.base.reading import read_text
from wordsight.data.fields import shortened, without_marks
from wordsight.data.label_vector import flagged

NAMES = "classnames.txt"
TYPE = "dataset_type.txt"
CLASSIFICATION, RETRIEVAL, MULTILABEL = "classification", "retrieval", "multilabel"
_DIGITS = 20  # of a class number that are read


def beside(folder: Path, name: str) -> Path | None:
    """Return the file of this name in a folder or in the one above; None where there is none."""
    return next((path for path in (folder / name, folder.parent / name) if path.is_file()), None)


def read_lines(path: Path, what: str) -> list[str]:
    """Return the lines of a file without white space around them, blank ones at its end left out.

    What cannot be read raises `FormatError`; `what` is to be written there.
    """
    try:
        return [line.strip() for line in without_marks(read_text(path)).rstrip().split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise FormatError(f"{path} cannot be read: {reason}", cure=f"write {what}") from None


def read_class_names(path: Path) -> list[str]:
    """Return the names in the order of their numbers; "" for a blank line, whose number has none.

    A name that two numbers have is told of: their images count as one class.
    """
    names = read_lines(path, "one class name a line")
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name and first.setdefault(name, number) != number:
            lines = f"lines {first[name] + 1} and {number + 1}"
            notice(f"{path}: {lines} both name {shortened(name)}: their images count as one class", once=True)
    return names


def read_type(path: Path) -> str:
    """Return what a `dataset_type.txt` says; another word raises `FormatError`."""
    known = (CLASSIFICATION, RETRIEVAL, MULTILABEL)
    stated = " ".join(read_lines(path, f"one of {', '.join(known)}")).lower()
    if stated not in known:
        raise FormatError(f"{path} says {shortened(stated)!r}", cure=f"write one of {', '.join(known)}")
    return stated


class ClassFile:
    """The names of the classes of the shards in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = beside(folder, NAMES)
        self.type_path = beside(folder, TYPE)

    @cached_property
    def names(self) -> Sequence[str]:
        """Return the names in the order of their numbers; none where there is no file."""
        return () if self.path is None else read_class_names(self.path)

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.names)

    @cached_property
    def kind(self) -> str | None:
        """Return what `dataset_type.txt` says, None where there is no such file."""
        return None if self.type_path is None else read_type(self.type_path)

    def wants_vectors(self) -> bool:
        """Say whether a `.npy` is a flag for each class: in a set that says so, or names classes and no type."""
        return self.kind == MULTILABEL or (self.kind is None and self.path is not None)

    def label(self, text: str, where: str) -> str | None:
        """Return the class that a `.cls` member states: a number by its name, or a name."""
        text = without_marks(text).strip()
        if not text.isdecimal():
            if text and self.path is not None and text not in self._listed:
                problem = f"{where}.cls has class {shortened(text)}"
                raise InputError(problem, cure=f"{self.path} has no such name; write its number, from 0 on")
            return text or None
        if self.path is None:
            self._notice_numbers()
            return text
        number = int(text) if len(text) <= _DIGITS else len(self.names)
        if number >= len(self.names) or not self.names[number]:
            shown = text if len(text) <= _DIGITS else f"{text[:_DIGITS]}..."
            raise InputError(f"{where}.cls has class {shown}", cure=f"{self.path} names {len(self.names)} classes")
        return self.names[number]

    def labels(self, vector: bytes, where: str) -> tuple[str, ...]:
        """Return the classes that a `.npy` member flags, in the order of their numbers."""
        flags = flagged(vector, f"{where}.npy")
        if self.path is None:
            self._notice_numbers()
            return tuple(map(str, flags.numbers))
        if flags.length != len(self.names):
            problem = f"{where}.npy has {flags.length} flags"
            raise InputError(problem, cure=f"{self.path} names {len(self.names)} classes")
        nameless = next((number for number in flags.numbers if not self.names[number]), None)
        if nameless is not None:
            raise InputError(f"{where}.npy has class {nameless}", cure=f"line {nameless + 1} of {self.path} is blank")
        return tuple(dict.fromkeys(self.names[number] for number in flags.numbers))

    def _notice_numbers(self) -> None:
        notice(f"classes in {self._folder} are plain numbers: put their names into {NAMES}, one a line", once=True)
