"""Tables that lie in a folder of images and tell of them: `metadata.csv` and any other at the top.

    file,price,colour                       file_name,caption
    shoes/1.jpg,49.5,red                    0001.jpg,a red shoe

`metadata.csv`, `.tsv`, `.jsonl` or `.parquet` may lie in the folders inside too; paths are relative to the table, or to
the folder that holds all images.  Another table counts when its image column names at least one image of the folder.
A row that names a file that is not there is a problem.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wordsight.base.errors import FormatError, InputError, MissingExtra
from wordsight.data import fields
from wordsight.data.facts import Facts, of_values
from wordsight.data.kinds import TEXT_TABLES
from wordsight.data.listing import FolderListing, is_metadata
from wordsight.data.names import composed, locate, posix
from wordsight.data.source import Columns
from wordsight.data.table import open_table

_FIRST = ("file", "file_name")  # the image column of metadata.*, ours and Hugging Face's, before the other known names


@dataclass(slots=True)
class Joined:
    """Image -> what the tables say of it; the rows that cannot be used; what was left alone, for the user to read.

    `images_of` are the images that each table tells of, `broken` the tables that could not be read, or not every row.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    images_of: dict[str, frozenset[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    problems: list[InputError] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def join_tables(listing: FolderListing, columns: Columns, *, required: bool = True) -> Joined:
    """Read the tables of a folder.  Where columns are `required`, one that none of them has raises `FormatError`."""
    joined = Joined()
    refused: list[FormatError] = []
    images = {composed(image): image for image in (*listing.images, *listing.holders)}
    for table in sorted(listing.tables):
        if listing.is_record(table):
            continue
        try:
            _Join(listing, images, table, columns).into(joined)
        except FormatError as error:
            refused.append(error)
        except MissingExtra as error:
            refused.append(FormatError(f"{listing.root / table}: {error.problem}", cure=error.cure))
        else:
            continue
        joined.broken.add(table)
        if is_metadata(table):
            joined.problems.append(InputError(refused[-1].problem, cure=refused[-1].cure))
        else:
            joined.remarks.append(f"left alone: {refused[-1]}")
    asked = next((name for name in (columns.image, columns.captions, columns.label, columns.key) if name), None)
    if required and asked and not joined.facts:
        problem = f"{listing.root} is a folder of pictures, it has no column {asked}"
        raise refused[0] if refused else FormatError(problem, cure="leave the column out")
    return joined


class _Join:
    """One table that is being read."""

    def __init__(self, listing: FolderListing, images: Mapping[str, str], table: str, columns: Columns) -> None:
        self._root = listing.root
        self._table = table
        self._images = images
        self._path = listing.root / table
        self._below = table.rpartition("/")[0]
        folders = {image.rpartition("/")[0] for image in images}
        self._only = min(folders) if len(folders) == 1 and self._below != ".." else self._below  # that has all images
        self._regular = listing.tables[table] is not None
        self._columns = columns
        self._is_metadata = is_metadata(table)
        self._whole = True  # until a row is met that cannot be read

    def into(self, joined: Joined) -> None:
        """Add what the table says, unless it tells of none of the images."""
        facts: dict[str, Facts] = {}
        problems: list[InputError] = []
        broken: list[InputError] = []
        try:
            for row in self._rows():
                if isinstance(row, InputError):
                    problems.append(row)
                else:
                    self._note(facts, *row, problems)
        except InputError as error:  # the table itself cannot be read, or not to its end
            broken.append(error)
        if facts:
            joined.images_of[self._table] = frozenset(facts)
        if broken or not self._whole:
            joined.broken.add(self._table)
        joined.problems += broken
        if facts or self._is_metadata:
            joined.problems += problems
        elif not broken:
            first = f": {problems[0].problem}" if problems else ""
            joined.remarks.append(f"{self._path} is left alone: it names no image of {self._root}{first}")
        for image, stated in facts.items():
            joined.facts[image] = joined.facts[image].also(stated) if image in joined.facts else stated

    def _note(self, facts: dict[str, Facts], image: str, stated: Facts, problems: list[InputError]) -> None:
        known = facts.get(image, stated)
        if known.label is None or stated.label in (None, known.label):
            facts[image] = known.also(stated)
        else:
            problem = f"{self._path}: class {stated.label} for {image} of class {known.label}"
            problems.append(InputError(problem, cure="give it one class"))

    def _rows(self) -> Iterator[tuple[str, Facts] | InputError]:
        if not self._regular:
            raise InputError(f"{self._path} is no regular file", cure="take it away, or put a table there")
        try:
            table = open_table(self._path, self._columns)
            chosen = None if table.names is None else self._choose(table.names)
            for number, row in table.rows(binary=False):
                where = f"{self._path}: {table.unit} {number}"
                self._whole &= not isinstance(row, InputError)
                met = row if isinstance(row, InputError) else self._read(row, chosen or self._choose(list(row)), where)
                if met is not None:
                    yield met
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror}", cure="check the file") from None

    def _choose(self, names: Sequence[str]) -> Mapping[str, str]:
        columns = self._columns
        if self._is_metadata and columns.image is None:
            columns = replace(columns, image=next((name for name in _FIRST if name in names), None))
        return fields.choose(names, columns, where=str(self._path), need_image=True)

    def _read(
        self, row: Mapping[str, Any], chosen: Mapping[str, str], where: str
    ) -> tuple[str, Facts] | InputError | None:
        """Return the image of a row with its facts; None for a row of another split."""
        cell = row.get(chosen["image"])  # images themselves are not read here
        cell = cell.get("path") if isinstance(cell, dict) else cell
        if not isinstance(cell, str) or not cell.strip():
            return InputError(f"{where} names no image", cure=f"put a path into its column {chosen['image']}")
        image = self._image(cell)
        if image is None:
            return None if self._below == ".." else self._missing(cell, where)
        try:
            return image, of_values(row, chosen, where=where, text_cells=self._path.suffix.lower() in TEXT_TABLES)
        except InputError as error:
            self._whole = False
            return error

    def _image(self, cell: str) -> str | None:
        """Return the image that a cell names."""
        for path in (cell.strip(), posix(cell)):
            below = posix(f"{self._below}/{path}")
            if os.path.isabs(path) or self._below == "..":
                below = os.path.relpath(self._path.parent / path, self._root)
            for name in (below, f"{self._only}/{path}"):
                image = self._images.get(composed(name.lstrip("/")))
                if image is not None:
                    return image
        return None

    def _missing(self, cell: str, where: str) -> InputError:
        path = fields.shortened(str(self._path.parent / posix(cell)))
        if locate(self._path.parent, cell) is None:
            return InputError(f"{where}: no file {path}", cure="paths are relative to the table")
        return InputError(f"{where}: {path} is no image of {self._root}", cure="leave the row out, or move the file")
