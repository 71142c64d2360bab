"""What images bring along for a library: the columns that they and their sidecars state, read again only where need be.

    brought = Brought(facts)
    columns, problems = brought.of_folder(listing, "2024/a.jpg", meta, stated)
    brought.facts()                     # to be kept by the library

`stated` are columns that tables and JSON give an image: they come before those of the image.  An untouched image
whose sidecars are as they were keeps what was read of them; of others all is read again, because what stands in their
columns may not be theirs.  A library of another `VERSION` of what is read has all headers read once; so has one that a
version of the program without these columns has written to since: the signature that it leaves lacks the mark.  Knows
no index.
"""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.value import Value
from wordsight.data.listing import FolderListing, Stamp
from wordsight.images.embedded_names import EMBEDDED

VERSION = 2  # of what is read of images: with another one, all headers are read again
BROUGHT = "brought"  # the fact that keeps the version
OVERLAID = "overlaid"  # the fact that keeps which of the columns tables and JSON gave, as a JSON list
SIDECAR = "sidecar"  # the column with an image's sidecars, one a line: name, size in bytes, time of change
MARK_OF_FOLDER, MARK_OF_TABLE = f" {VERSION}", f"@{VERSION}"  # in the signature of a folder, and of a table of files
_MARKED = re.compile(rf"{MARK_OF_FOLDER}$|{MARK_OF_TABLE}(?: |$)")


class Brought:
    """What a library knows by its facts of the columns of its images, and learns while they are read.

    `signature` is the one that the last sync left, None where none tells who left it.
    """

    def __init__(self, facts: Mapping[str, str], signature: str | None = None) -> None:
        self.is_current = facts.get(BROUGHT) == str(VERSION) and (
            signature is None or _MARKED.search(signature) is not None
        )
        self._overlaid = set(json.loads(facts.get(OVERLAID) or "[]"))
        self._before = frozenset(self._overlaid)

    def facts(self) -> dict[str, str]:
        """Return the facts to keep once all has been read."""
        return {BROUGHT: str(VERSION), OVERLAID: json.dumps(sorted(self._overlaid))}

    def is_kept(self, meta: Mapping[str, Value]) -> bool:
        """Say whether the columns of an image that has not changed are its own, as they are in its metadata."""
        return self.is_current and self._before.isdisjoint(meta)

    def keeps_all(self) -> bool:
        """Say whether that holds of every image."""
        return self.is_current and not self._before

    def of_folder(
        self, listing: FolderListing, key: str, meta: Mapping[str, Value], stated: Mapping[str, Value]
    ) -> tuple[dict[str, Value], list[InputError]]:
        """Return the columns of an image of a folder, and an error for each damaged sidecar.

        `meta` is its metadata until now, with its `path` where it is known and has not changed.
        """
        sidecars = listing.sidecars.of(key)
        beside = "\n".join(f"{_name(path)} {_in_words(listing.sidecars.stamps[path])}" for path in sidecars)
        if "path" in meta and beside == (meta.get(SIDECAR) or "") and self.is_kept(meta):
            return self._under({name: meta[name] for name in (*EMBEDDED, SIDECAR) if name in meta}, stated), []
        from wordsight.data.sidecar_files import photo_columns

        image = None if key in listing.holders else listing.root / key  # films and documents have no such headers
        columns, problems = photo_columns(image, [listing.root / path for path in sidecars])
        if beside and not problems:  # those that are damaged are read, and told of, again
            columns[SIDECAR] = beside
        return self._under(columns, stated), problems

    def of_source(self, image: Path | bytes | None, stated: Mapping[str, Value]) -> dict[str, Value]:
        """Return what a table or shards tell of an image, and below it what the image says."""
        from wordsight.images.embedded import embedded_columns, first_of
        from wordsight.images.exif_json import COLUMN, columns_of_json

        columns = first_of(embedded_columns(image), columns_of_json(stated.get(COLUMN)))
        return {**stated, **self._under(columns, stated)}

    def _under(self, columns: dict[str, Value], stated: Mapping[str, Value]) -> dict[str, Value]:
        """Return the columns that nobody else tells, and note which somebody does."""
        others = {name for name, value in stated.items() if value is not None}
        self._overlaid |= others.intersection(EMBEDDED)
        return {name: value for name, value in columns.items() if name not in others}


def _name(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _in_words(stamp: Stamp | None) -> str:
    """Return a stamp as text, with all that tells it from others."""
    if stamp is None:
        return "-"
    size, changed = stamp
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(changed // 10**9))
    return f"{size} {seconds}.{changed % 10**9:09}Z"
