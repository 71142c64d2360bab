"""Absent or gone: what became of an image that a library knows and that was not met.

    disk = Disk(Path("photos"))
    disk.judge("a/red.jpg")         # GONE only where its own folder proves it

An image is gone where its own folder could be listed, holds something, and does not hold it.  A folder that is not
there, is empty or cannot be listed proves nothing: it may be a disk that is not mounted.  Knows no index.
"""

import os
from enum import Enum
from pathlib import Path
from typing import NamedTuple

MOST_AT_ONCE = 10  # of 100 images: where more are gone at once, it may be a mistake


class Whereabouts(Enum):
    """Why an image was not met."""

    EXCLUDED = "it is to be left alone, by the user's own wish"
    REPLACED = "its file is there, and holds other images now"
    GONE = "it is proven that it is no more"
    ABSENT = "it is not there, and may come back"
    UNREAD = "it is there, or what holds it is, and cannot be read now"


class Seen(NamedTuple):
    """What listing a folder gave: all names in it, none where it is not there.  `refused`: it could not be listed."""

    names: frozenset[str] = frozenset()
    refused: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but hidden files, which systems leave in empty folders too."""
        return all(name[0] == "." for name in self.names)


def list_names(folder: str) -> Seen:
    """List a folder."""
    try:
        with os.scandir(folder) as entries:
            return Seen(frozenset(entry.name for entry in entries))
    except (FileNotFoundError, NotADirectoryError):
        return Seen()
    except OSError:
        return Seen(refused=True)


def judge(name: str, folder: Seen, *, is_there: bool) -> Whereabouts:
    """Return what became of the file `name` of a folder; `is_there` says that it leads to something all the same."""
    if folder.refused or is_there:
        return Whereabouts.UNREAD
    return Whereabouts.ABSENT if folder.is_empty or name in folder.names else Whereabouts.GONE


def too_many(removed: int, known: int) -> bool:
    """Say whether so many of the known images may not be removed without being asked for."""
    return removed > 1 and 100 * removed > MOST_AT_ONCE * known


class Disk:
    """The folders at and below `base`, each listed once when it is first asked for."""

    def __init__(self, base: Path) -> None:
        self._base = os.path.realpath(base)
        self._seen: dict[str, Seen] = {}

    def judge(self, path: str, *, through_links: bool = True) -> Whereabouts:
        """Return what became of a file; unless `through_links` a link among the folders below `base` proves nothing."""
        folder, name = os.path.split(os.path.join(self._base, path))
        if not through_links and os.path.realpath(folder) != folder:
            return Whereabouts.ABSENT
        if folder not in self._seen:
            self._seen[folder] = list_names(folder)
        return judge(name, self._seen[folder], is_there=os.path.exists(os.path.join(folder, name)))
