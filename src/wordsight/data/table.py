"""Tables as a source: csv, tsv, jsonl and parquet, one row an image.

The image column holds a path (relative to the table's folder) or, in parquet, the encoded bytes; a group
`{"bytes": ..., "path": ...}` is read too.  Captions may be a list, a JSON list as text, or one text.  Further plain
columns become metadata.
Parquet needs the package pyarrow; the other forms need nothing.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.optional import require
from wordsight.data import fields
from wordsight.data.folder import stamp
from wordsight.data.source import START, Columns, Position, Step, Walk
from wordsight.data.source_files import SourceFiles

Row = Mapping[str, Any] | InputError
_PARQUET_ROWS = 256  # rows decoded at once: with images of 100 kB about 25 MB


class TableSource:
    """The rows of one or several tables of one form, in order.  A part is a file."""

    def __init__(self, files: SourceFiles, columns: Columns) -> None:
        self.name = files.name
        self.paths = files.paths
        self._columns = columns

    def samples(self, start: Position = START) -> Walk:
        """Walk over the rows from `start` on."""
        self._check_columns()
        return Walk(self._steps(start), start)

    def _check_columns(self) -> None:
        for path in self.paths:
            if not path.exists() or path.suffix.lower() == ".jsonl":  # in jsonl each line has its own keys
                continue
            try:
                names = _header(path)
            except (InputError, OSError):
                continue  # walking over the source reports it
            fields.choose(names, self._columns, where=str(path), need_image=True)

    def _steps(self, start: Position) -> Iterator[Step]:
        for part in range(start.part, len(self.paths)):
            path = self.paths[part]
            first = start.entry if part == start.part else 0
            try:
                for entry, row in enumerate(_rows(path, first), start=first):
                    yield self._sample(row, path, entry), Position(part, entry + 1)
            except InputError as error:
                yield error, Position(part + 1, 0)
            except OSError as error:
                yield (
                    InputError(f"{path} cannot be read: {error.strerror}", cure="check the file"),
                    Position(part + 1, 0),
                )

    def _sample(self, row: Row, path: Path, entry: int) -> Sample | InputError:
        if isinstance(row, InputError):
            return row
        where = f"{path}: row {entry + 1}"
        try:
            chosen = fields.choose(list(row), self._columns, where=where, need_image=True)
            image = _image(row[chosen["image"]], path.parent, where)
            key = row.get(chosen.get("key", ""))
            if key in (None, ""):
                key = row[chosen["image"]] if isinstance(row[chosen["image"]], str) else f"{path.stem}:{entry:08d}"
            return Sample(
                key=str(key),
                image=image,
                texts=fields.captions(row.get(chosen.get("captions", "")), where=where),
                label=fields.label(row, chosen),
                meta=fields.meta(row, chosen),
            )
        except InputError as error:
            return error
        except FormatError as error:  # a line of jsonl without an image
            return InputError(error.problem, cure=error.cure)

    def parts(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def count(self) -> int | None:
        """Return the number of rows of parquet files; None for text tables."""
        if any(path.suffix.lower() != ".parquet" or not path.exists() for path in self.paths):
            return None
        return sum(_stated_rows(path) for path in self.paths)

    def fingerprint(self) -> str:
        """Return a hash of the names, sizes and times of the tables, and of the columns asked for."""
        facts = [stamp(path, path.parent) for path in self.paths if path.exists()]
        return sha256_bytes("\n".join(["table", repr(self._columns), *facts]).encode())[:16]


def _image(value: Any, folder: Path, where: str) -> bytes | Path:
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes) and value:
        return value
    if isinstance(value, str) and value.strip():
        path = folder / value.strip()
        if not path.is_file():
            raise InputError(f"{where}: no file {path}", cure="paths are relative to the table")
        return path
    raise InputError(f"{where}: no picture", cure="the image column has to hold a path or the encoded bytes")


def _stated_rows(path: Path) -> int:
    try:
        return int(_parquet(path).metadata.num_rows)
    except InputError:
        return 0  # walking over the source reports it


def _header(path: Path) -> list[str]:
    if path.suffix.lower() == ".parquet":
        return list(_parquet(path).schema_arrow.names)
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as handle:
        return next(csv.reader(handle, delimiter=_delimiter(path)), [])


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _rows(path: Path, first: int) -> Iterator[Row]:
    if not path.exists():
        raise InputError(f"no table {path}", cure="check the path")
    if path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path, first)
    elif path.suffix.lower() == ".jsonl":
        yield from _json_rows(path, first)
    else:
        yield from _csv_rows(path, first)


def _csv_rows(path: Path, first: int) -> Iterator[Row]:
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as handle:
        reader = csv.reader(handle, delimiter=_delimiter(path))
        names = next(reader, [])
        entry = -1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                entry += 1
                if entry >= first:
                    yield InputError(f"{path}: row {entry + 1}: {error}", cure="mend the row")
                continue
            if not cells:
                continue  # an empty line is no row
            entry += 1
            if entry >= first:
                yield _csv_row(names, cells, f"{path}: row {entry + 1}")


def _csv_row(names: list[str], cells: list[str], where: str) -> Row:
    if len(cells) != len(names):
        return InputError(f"{where} has {len(cells)} fields, the header {len(names)}", cure="mend the row")
    if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell if letter > "\u00ff"):
        return InputError(f"{where} is not UTF-8", cure="save the table as UTF-8")
    return dict(zip(names, cells, strict=True))


def _json_rows(path: Path, first: int) -> Iterator[Row]:
    with open(path, "rb") as handle:
        filled = (line for line in handle if line.strip())
        for entry, line in enumerate(filled):
            if entry < first:
                continue
            where = f"{path}: row {entry + 1}"
            try:
                row = json.loads(line)
            except ValueError as error:
                yield InputError(f"{where} is not JSON: {error}", cure="mend the line")
                continue
            yield row if isinstance(row, dict) else InputError(f"{where} is no object", cure="write one object a line")


def _parquet(path: Path) -> Any:
    pyarrow = require("pyarrow", extra="data")
    parquet = require("pyarrow.parquet", extra="data")
    try:
        return parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a parquet file: {error}", cure="make the file again") from None


def _parquet_rows(path: Path, first: int) -> Iterator[Row]:
    file = _parquet(path)
    passed = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if passed + rows > first:
            yield from _group_rows(file, path, group, max(0, first - passed))
        passed += rows


def _group_rows(file: Any, path: Path, group: int, first: int) -> Iterator[Row]:
    pyarrow = require("pyarrow", extra="data")
    rows = file.metadata.row_group(group).num_rows
    given = 0
    try:
        for batch in file.iter_batches(_PARQUET_ROWS, row_groups=[group], use_threads=False):
            if given + batch.num_rows > first:
                yield from batch.slice(max(0, first - given)).to_pylist()
            given += batch.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        problem = f"{path}: rows from {given + 1} of group {group} are damaged: {error}"
        for _ in range(max(given, first), rows):
            yield InputError(problem, cure="make the file again")
