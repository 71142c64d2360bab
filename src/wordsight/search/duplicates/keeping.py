"""Which image of a group is kept: an ordered rule that can be changed, and its reason in words.

    rule = KeepRule.read("pixels,format,bytes", prefer=["Originals"], protect=["Albums"])
    best, *others = sorted(images, key=rule.rank)
    rule.reason(best, others[0])              # "1200 x 800 pixels against 600 x 400"

Knows what is known of images, and opens none.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.base.errors import UsageError
from wordsight.base.reading import in_words
from wordsight.base.suggest import suggest
from wordsight.images.kinds import RAW

LOSSLESS = frozenset([".png", ".tif", ".tiff", ".bmp"])
DETAILS = ("taken", "latitude", "keywords", "rating", "caption", "tags", "camera")  # columns worth keeping
DEFAULT = "pixels,format,bytes,details,oldest,shortest"


@dataclass(frozen=True, slots=True)
class KnownImage:
    """What is known of an image; `file` is None where it lies inside another file.

    `moment` is in words, as its column has it; `details` are the columns that tell something of it.
    """

    key: str
    file: Path | None
    sha256: str
    size: int
    width: int = 0
    height: int = 0
    moment: str = ""
    details: tuple[str, ...] = field(default=())

    @property
    def quality(self) -> int:
        """Return 2 for raw photos, 1 for formats that lose nothing, else 0."""
        suffix = os.path.splitext(self.key)[1].lower()
        return 2 if suffix in RAW.suffixes else int(suffix in LOSSLESS)


KeepOrder = tuple[Callable[[KnownImage], Any], Callable[[KnownImage], str]]  # the least is the best; in words
_QUALITIES = ("compressed", "lossless", "raw")
ORDERS: dict[str, KeepOrder] = {
    "pixels": (lambda one: -one.width * one.height, lambda one: f"{one.width} x {one.height} pixels"),
    "format": (lambda one: -one.quality, lambda one: _QUALITIES[one.quality]),
    "bytes": (lambda one: -one.size, lambda one: in_words(one.size)),
    "details": (lambda one: -len(one.details), lambda one: f"known: {', '.join(one.details) or 'nothing'}"),
    "oldest": (lambda one: (not one.moment, one.moment), lambda one: one.moment or "no date"),
    "newest": (lambda one: (bool(one.moment), _reversed(one.moment)), lambda one: one.moment or "no date"),
    "shortest": (lambda one: len(one.key), lambda one: f"{len(one.key)} letters"),
}
_IN_WORDS = {"oldest": "older: ", "newest": "newer: ", "shortest": "shorter path: "}  # what numbers alone do not say


def _reversed(moment: str) -> tuple[int, ...]:
    """Return what sorts the later dates first."""
    return tuple(-ord(letter) for letter in moment)


@dataclass(frozen=True, slots=True)
class KeepRule:
    """`orders` are names of `ORDERS`, the first that differs decides; `prefer` and `protect` are folders of keys."""

    orders: tuple[str, ...] = tuple(DEFAULT.split(","))
    prefer: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()

    @classmethod
    def read(cls, orders: str = DEFAULT, *, prefer: Sequence[str] = (), protect: Sequence[str] = ()) -> "KeepRule":
        """Return the rule of an option; unknown names raise `UsageError`."""
        named = tuple(part.strip() for part in orders.split(",") if part.strip())
        for name in named or ("",):
            if name not in ORDERS:
                raise UsageError(f"--keep {name}", cure=suggest(name, list(ORDERS)))
        folders = [tuple(map(_plain, some)) for some in (prefer, protect)]
        return cls(named, *folders)

    def is_protected(self, one: KnownImage) -> bool:
        """Return whether an image is in a folder of which nothing is moved."""
        return folder_of(one.key, self.protect) < len(self.protect)

    def rank(self, one: KnownImage) -> tuple[Any, ...]:
        """Return what sorts the image to keep first."""
        folders = not self.is_protected(one), folder_of(one.key, self.prefer)
        return (*folders, *(ORDERS[name][0](one) for name in self.orders), one.key)

    def reason(self, kept: KnownImage, other: KnownImage) -> str:
        """Return why `kept` is kept and not `other`."""
        if self.is_protected(kept) != self.is_protected(other):
            return "protected"
        if folder_of(kept.key, self.prefer) != folder_of(other.key, self.prefer):
            return "in a preferred folder"
        for name in self.orders:
            value, words = ORDERS[name]
            if value(kept) != value(other):
                return f"{_IN_WORDS.get(name, '')}{words(kept)} against {words(other)}"
        return "first by name"


def _plain(folder: str) -> str:
    """Return a folder as keys have it: `./albums/` as `albums`, and `.` as "", in which all images are."""
    plain = os.path.normpath(folder.replace(os.sep, "/").strip("/")).replace(os.sep, "/")
    return "" if plain == "." else plain


def folder_of(key: str, folders: Sequence[str]) -> int:
    """Return the number of the first folder that holds the key, how many there are where none does."""
    inside = (at for at, folder in enumerate(folders) if not folder or key == folder or key.startswith(f"{folder}/"))
    return next(inside, len(folders))
