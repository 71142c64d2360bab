"""Tables as a source: csv, tsv, jsonl, parquet, arrow.  One row an image, or one row a caption.

The image column holds a path (relative to the table's folder) or, in parquet, the encoded bytes; a group
`{"bytes": ..., "path": ...}` is read too.  Captions may be a list, a JSON list as text, or one text.  Further plain
columns become metadata.

Rows that name the same file are one sample, given where the first of them stands: it has the captions of all, in order,
and the metadata of the first.  Rows that hold bytes are of one image when the bytes are equal *and* their path, or
where they have none their key, says so.  A row with another class than those before it is a failed row.
Parquet and arrow need the package pyarrow; the other forms need nothing.
"""

import contextlib
import os
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.data import fields
from wordsight.data.arrow_file import ArrowTable
from wordsight.data.by_key import ImageOrError, ParquetKeys
from wordsight.data.class_labels import card_beside
from wordsight.data.json_lines import JsonLines
from wordsight.data.label_lists import Labels, read_labels
from wordsight.data.listing import stamp
from wordsight.data.names import composed, locate, posix
from wordsight.data.parquet import ParquetTable
from wordsight.data.same_image import NO_NAME, SharedRows, Stated, repeated
from wordsight.data.source import START, BrokenEntry, Columns, Position, Step, Walk
from wordsight.data.source_files import SourceFiles
from wordsight.data.text_table import TextTable

Row = Mapping[str, Any] | InputError


class TableFile(Protocol):
    """One table.  `names` are its columns, None where each row has its own; `unit` is what its rows are numbered by."""

    unit: str

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the columns."""

    def rows(self, first: int = 0, *, binary: bool = True) -> Iterator[tuple[int, Row]]:
        """Yield number (from 1) and row from the row with index `first` on; bytes may be left out unless `binary`."""


def open_table(path: Path, columns: Columns) -> TableFile:
    """Open one table; raises `InputError` when it is not there or none."""
    if not path.exists():
        raise InputError(f"no table {path}", cure="check the path")
    if path.suffix.lower() == _PARQUET:
        return ParquetTable(path, label=columns.label)
    if path.suffix.lower() == _ARROW:
        return ArrowTable(path, label=columns.label)
    if path.suffix.lower() == ".jsonl":
        return JsonLines(path)
    asked = (columns.image, columns.captions, columns.label, columns.key)
    return TextTable(path, [name for name in asked if name])


_PARQUET, _ARROW = ".parquet", ".arrow"
_WAY = "rows of one image are one"  # of reading; another one is another fingerprint


class _Entry(NamedTuple):
    """A row that can be read: where it stands, its values, and which column plays which role."""

    path: Path
    folder: str  # of the table, from the root
    row_id: int  # from 0
    unit: str
    number: int
    values: Mapping[str, Any]
    chosen: Mapping[str, str]

    @property
    def where(self) -> str:
        return f"{self.path}: {self.unit} {self.number}"

    def get(self, role: str) -> Any:
        return self.values.get(self.chosen.get(role, ""))

    def captions(self) -> tuple[str, ...]:
        return fields.captions(self.get("captions"), where=self.where)

    def labels(self) -> Labels:
        return read_labels(self.values, self.chosen, where=self.where)

    def image(self) -> bytes | Path:
        return image_of(self.get("image"), self.path.parent, self.where)

    def key(self, prefix: str) -> str:
        """Return the key of the sample; `prefix` as in `sample`."""
        value = self.get("image")
        key = fields.name(self.get("key")) or (value.replace("\\", "/") if isinstance(value, str) else None)
        return f"{prefix}{self.path.stem}:{self.row_id:08d}" if key is None else key

    def missing_file(self) -> Path | None:
        """Return the file that the row names for its image, if it names one and there is none."""
        value = self.get("image")
        value = value.get("path") if isinstance(value, dict) and not value.get("bytes") else value
        if not isinstance(value, str) or not value.strip() or locate(self.path.parent, value) is not None:
            return None
        return self.path.parent / posix(value)

    def sample(self, prefix: str) -> Sample:
        """Return the sample of this row alone; raises `InputError` when its image is missing or a value wrong.

        `prefix` is what tells rows of this table from those of others of its name.
        """
        label, labels = self.labels()
        return Sample(
            key=self.key(prefix),
            image=self.image(),
            texts=self.captions(),
            label=label,
            meta=fields.meta(self.values, self.chosen),
            labels=labels,
        )


class TableSource:
    """The rows of one or several tables of one form, in order.  A part is a file."""

    def __init__(self, files: SourceFiles, columns: Columns) -> None:
        self.name = files.name
        self.paths = files.paths
        self._prefixes = files.prefixes()
        self._columns = columns
        self._starts: list[int] = []  # number of the first row of each table, once they are counted
        self._shared: SharedRows | None = None
        self._guessed: dict[Path, str | None] = {}  # the image column of tables whose names tell none
        self._keys: dict[Path, ParquetKeys] = {}  # of tables of which images were asked for by key

    def samples(self, start: Position = START) -> Walk:
        """Walk over the rows from `start` on."""
        self._check_columns()
        return Walk(self._steps(start), start)

    def _check_columns(self) -> None:
        for path in self.paths:
            with contextlib.suppress(InputError, OSError):  # walking over the source reports it
                table = self._open(path)
                if table.names is not None:
                    self._chosen(table, path)

    def guessed_image(self) -> str | None:
        """Return the image column of all tables that is told by what it holds; None where names tell, or they differ.

        Raises `FormatError` where a table has none.
        """
        self._check_columns()
        guessed = {self._guessed.get(path) for path in self.paths}
        return guessed.pop() if len(guessed) == 1 else None

    def _chosen(self, table: TableFile, path: Path) -> dict[str, str]:
        """Return which column of a table with a header plays which role: by its name, the image's by what it holds."""
        columns, names = self._columns, table.names or ()
        if columns.image is None and not fields.names_image(names):
            if path not in self._guessed:
                from wordsight.data.guess import image_columns

                self._guessed[path] = fields.only_image(image_columns(table, path.parent), where=str(path))
            columns = replace(columns, image=self._guessed[path])
        chosen = fields.choose(names, columns, where=str(path), need_image=True)
        of_one_class = table.cells.of_one_class if isinstance(table, ParquetTable | ArrowTable) else ()
        if "label" not in chosen and chosen.get("labels") in of_one_class:
            chosen["label"] = chosen.pop("labels")  # `labels` with one class an image
        return chosen

    def _of_object(self, row: Mapping[str, Any], where: str) -> dict[str, str]:
        """Return which key of one object plays which role."""
        return fields.choose(list(row), self._columns, where=where, need_image=True, complete=False)

    def _open(self, path: Path) -> TableFile:
        return open_table(path, self._columns)

    def _steps(self, start: Position) -> Iterator[Step]:
        self._find_shared()
        for part in range(start.part, len(self.paths)):
            path = self.paths[part]
            try:
                for index, met in self._entries(path, start.entry if part == start.part else 0):
                    sample = self._sample(met, self._starts[part] + index) if isinstance(met, _Entry) else met
                    if sample is not None:
                        yield sample, Position(part, index + 1)
            except InputError as error:
                yield error, Position(part + 1, 0)
            except OSError as error:
                problem = InputError(f"{path} cannot be read: {error.strerror}", cure="check the file")
                yield problem, Position(part + 1, 0)

    def _entries(self, path: Path, first: int = 0, *, binary: bool = True) -> Iterator[tuple[int, _Entry | InputError]]:
        """Yield index and row of each row of a table."""
        table = self._open(path)
        folder, chosen = os.path.abspath(path.parent), None
        for index, (number, row) in enumerate(table.rows(first, binary=binary), start=first):
            if isinstance(row, InputError):
                yield index, row
                continue
            try:
                if chosen is None or table.names is None:
                    where = f"{path}: {table.unit} {number}"
                    chosen = self._chosen(table, path) if table.names is not None else self._of_object(row, where)
            except FormatError as error:  # a line of jsonl without an image
                yield index, InputError(error.problem, cure=error.cure)
                continue
            yield index, _Entry(path, folder, index, table.unit, number, row, chosen)

    def _find_shared(self) -> None:
        """Find the rows of images that have several; the tables are read once for it, twice where there are some."""
        if self._starts:
            return
        names, starts = array("q"), []
        for path in self.paths:
            starts.append(len(names))
            with contextlib.suppress(InputError, OSError):  # the walk reports it
                for _, met in self._entries(path, binary=False):
                    names.append(_image_name(met) if isinstance(met, _Entry) else NO_NAME)
        members = repeated(names)
        if len(members):
            self._shared = self._noted(SharedRows(members), iter(members.tolist()), starts)
        self._starts = starts

    def _noted(self, shared: SharedRows, members: Iterator[int], starts: list[int]) -> SharedRows:
        """Note what the members say, in a walk over all tables; bytes are compared by their hash."""
        member = next(members, None)
        for path, start in zip(self.paths, starts, strict=True):
            with contextlib.suppress(InputError, OSError):
                for index, met in self._entries(path):
                    if start + index == member:
                        shared.note(*_noted(met))
                        member = next(members, None)
        shared.settle()
        return shared

    def _sample(self, entry: _Entry, number: int) -> Sample | InputError | None:
        """Return the sample of a row, or None when it has been given with an earlier row of the same image."""
        owner = number if self._shared is None else self._shared.owner(number)
        if owner != number:
            return self._of_another_class(entry, owner)
        stated = [] if self._shared is None else list(self._shared.stated(number))
        prefix = self._prefixes[entry.path]
        try:
            sample = entry.sample(prefix)
        except InputError as error:
            rows = f" ({len(stated)} rows are of it)" if len(stated) > 1 else ""
            return BrokenEntry(
                f"{error.problem}{rows}", cure=error.cure, key=entry.key(prefix), file=entry.missing_file()
            )
        if not stated:
            return sample
        first = _first_label(stated)
        texts = tuple(text for one in stated if one.label in (None, first) for text in one.captions)
        labels = dict.fromkeys(name for one in stated for name in one.labels)
        return replace(sample, texts=texts, label=first, labels=tuple(labels))

    def _of_another_class(self, entry: _Entry, owner: int) -> InputError | None:
        """Return what is wrong with a row that is not the first of its image, if anything."""
        label = entry.labels().label
        first = None if label is None or self._shared is None else _first_label(self._shared.stated(owner))
        if label == first:
            return None
        problem = f"{entry.where}: class {label} for an image of class {first}"
        return BrokenEntry(problem, cure="give it one class", key=entry.key(self._prefixes[entry.path]))

    def images_by_key(self, keys: Collection[str]) -> Iterator[tuple[str, ImageOrError]]:
        """Yield key and image of those that are there; of parquet only the rows asked for are read."""
        left = set(keys)
        for path in self.paths:
            with contextlib.suppress(InputError, OSError):  # whoever asks is told that there is no such image
                for entry in self._entries_of(path, left):
                    left.remove(entry.key(self._prefixes[path]))
                    yield entry.key(self._prefixes[path]), _image_or_error(entry)

    def _entries_of(self, path: Path, keys: Collection[str]) -> Iterator[_Entry]:
        """Yield the first row of each of these keys that is there."""
        if path.suffix.lower() != _PARQUET:
            left = set(keys)
            for _, met in self._entries(path):
                if isinstance(met, _Entry) and (key := met.key(self._prefixes[path])) in left:
                    left.remove(key)
                    yield met
            return
        table = ParquetTable(path)
        chosen = self._chosen(table, path)

        def entry(row_id: int, values: Mapping[str, Any]) -> _Entry:
            return _Entry(path, os.path.abspath(path.parent), row_id, table.unit, row_id + 1, values, chosen)

        naming = [chosen[role] for role in ("key", "image") if role in chosen]
        if path not in self._keys:
            self._keys[path] = ParquetKeys(
                table, naming, lambda row_id, values: entry(row_id, values).key(self._prefixes[path])
            )
        for row_id, values in self._keys[path].rows(keys, naming):
            yield entry(row_id, values)

    def classes(self) -> tuple[bool, tuple[str, ...]] | None:
        """Return whether images have one class, and all class names, as the first table states them; None: it does not.

        A column that was asked for and is not there raises `FormatError`.
        """
        with contextlib.suppress(InputError, OSError):  # walking over the source reports it
            table = self._open(self.paths[0])
            if isinstance(table, ParquetTable | ArrowTable):
                chosen = self._chosen(table, self.paths[0])
                columns = [chosen[role] for role in ("label", "labels") if chosen.get(role) in table.cells.classes]
                if columns:
                    return columns[0] in table.cells.of_one_class, tuple(table.cells.classes[columns[0]])
        return None

    def parts(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def count(self) -> int | None:
        """Return the number of rows of parquet files; None for text tables."""
        if any(path.suffix.lower() != _PARQUET or not path.exists() for path in self.paths):
            return None
        return sum(_stated_rows(path) for path in self.paths)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of the tables, and of the columns asked for."""
        there = [path for path in self.paths if path.exists()]
        folders = {path.parent for path in there if path.suffix.lower() in (_PARQUET, _ARROW)}
        cards = [card.path for folder in sorted(folders) if (card := card_beside(folder))]
        facts = [stamp(path, path.parent) for path in (*there, *cards)]
        named = "\n".join(["table", _WAY, repr(self._columns), *facts])
        return sha256_bytes(named.encode(errors="surrogateescape"))[:16]


def _image_or_error(entry: _Entry) -> ImageOrError:
    try:
        return entry.image()
    except InputError as error:
        return error


def _stated_rows(path: Path) -> int:
    try:
        return len(ParquetTable(path))
    except InputError:
        return 0  # walking over the source reports it


def _first_label(stated: Iterable[Stated]) -> str | None:
    return next((one.label for one in stated if one.label is not None), None)


def _image_name(entry: _Entry) -> int:
    """Return a hash of what names the image of a row: its file, or the path or key that stands beside its bytes."""
    value = entry.get("image")
    path = value.get("path") if isinstance(value, dict) else value
    if isinstance(path, str) and path.strip():
        name = composed(posix(path))
        inside = name[0] not in "./"
        return hash(f"{entry.folder}/{name}" if inside else os.path.normpath(os.path.join(entry.folder, name))) or 1
    key = fields.name(entry.get("key"))
    return NO_NAME if key is None else hash(key) or 1


def _noted(met: _Entry | InputError) -> tuple[int, Stated]:
    if isinstance(met, InputError):
        return NO_NAME, Stated()
    value = met.get("image")
    content = value.get("bytes") if isinstance(value, dict) else value
    try:
        stated = Stated(met.captions(), *met.labels())
    except InputError:
        return NO_NAME, Stated()
    return hash((_image_name(met), content if isinstance(content, bytes) else None)) or 1, stated


def image_of(value: Any, folder: Path, where: str) -> bytes | Path:
    """Return the image of a cell: its bytes, or the file that it names, relative to the folder of the table."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return value
    if isinstance(value, str) and value.strip():
        return _file(value.strip(), folder, where)
    raise InputError(f"{where}: no picture", cure="the image column has to hold a path or the encoded bytes")


def _file(name: str, folder: Path, where: str) -> Path:
    path = locate(folder, name)
    if path is None:
        raise InputError(
            f"{where}: no file {fields.shortened(str(folder / name))}", cure="paths are relative to the table"
        )
    return path
