"""Tables in parquet, row by row, with what is wrong with a row in its place.  Needs the package pyarrow.

    table = ParquetTable(Path("products.parquet"))
    for number, row in table.rows(): ...   # the row's number, and column -> value or an `InputError`

Text, numbers, booleans, bytes, lists of texts and groups of `bytes` and `path` come as Python's own values, dates and
times as text, decimals as floats; of other columns it is only seen that they hold something ({}).  Where the schema has
Hugging Face's features, the numbers of a ClassLabel come as its names.  One value that cannot be read costs its row.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.optional import require
from wordsight.base.reading import open_regular

_ROWS = 256  # decoded at once: with images of 100 kB about 25 MB
_OUT_OF_RANGE = "<value out of range"  # how Arrow writes a date that no calendar has

Cell = Any  # a value, or a `_Problem`


class _Problem:
    """Why a value could not be read."""

    def __init__(self, text: str) -> None:
        self.text = text


class ParquetTable:
    """One file; its schema is read when it is made."""

    unit = "row"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrow = require("pyarrow", extra="data")
        parquet = require("pyarrow.parquet", extra="data")
        try:
            open_regular(path).close()  # a pipe would block
            self._file = parquet.ParquetFile(path)
        except (self._arrow.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} is not a parquet file: {error}", cure="make the file again") from None
        except UnicodeEncodeError:
            raise InputError(f"{path} has a name that is not UTF-8", cure="rename the file") from None
        schema = self._file.schema_arrow
        self.names: tuple[str, ...] = tuple(schema.names)
        for number, name in enumerate(self.names):
            if name in self.names[:number]:
                raise FormatError(f"{path} has two columns {name}", cure="rename one of them")
        self._classes = class_names(schema.metadata)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def rows(
        self, first: int = 0, *, binary: bool = True, names: Collection[str] | None = None
    ) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
        """Yield number and row of each row from the one with index `first` on; without bytes unless `binary`.

        `names` are the columns to read, all by default.
        """
        columns = None if binary and names is None else self._addresses(binary, self.names if names is None else names)
        passed = 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if passed + count > first:
                skipped = max(0, first - passed)
                for entry, row in enumerate(self._group(group, skipped, columns), start=passed + skipped):
                    yield entry + 1, row
            passed += count

    def rows_at(
        self, row_ids: Sequence[int], names: Collection[str]
    ) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
        """Yield row id and row of each of `row_ids`, which ascend; only their groups and these columns are read."""
        columns, start = self._addresses(True, names), 0
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            wanted = [row_id - start for row_id in row_ids if start <= row_id < start + count]
            if wanted:
                first = wanted[0]
                rows = enumerate(self._group(group, first, columns), start=first)
                picked = set(wanted)
                yield from ((start + at, row) for at, row in islice(rows, wanted[-1] - first + 1) if at in picked)
            start += count

    def _group(self, group: int, first: int, columns: Sequence[str] | None) -> Iterator[Mapping[str, Any] | InputError]:
        count = self._file.metadata.row_group(group).num_rows
        before = sum(self._file.metadata.row_group(number).num_rows for number in range(group))
        given = 0
        try:
            for batch in self._file.iter_batches(_ROWS, row_groups=[group], columns=columns, use_threads=False):
                if given + batch.num_rows > first:
                    start = max(0, first - given)
                    yield from self._rows_of(batch.slice(start), before + given + start)
                given += batch.num_rows
        except (self._arrow.ArrowException, OSError) as error:
            problem = f"{self.path}: rows from {given + 1} of group {group} are damaged: {error}"
            for _ in range(max(given, first), count):
                yield InputError(problem, cure="make the file again")

    def _addresses(self, binary: bool, names: Collection[str]) -> list[str]:
        """Return columns, and of groups the fields, as parquet addresses them; those of bytes only if `binary`."""
        types, addresses = self._arrow.types, []
        for field in self._file.schema_arrow:
            if field.name not in names:
                continue
            if types.is_struct(field.type) and not binary:
                fields = [field.type.field(number) for number in range(field.type.num_fields)]
                addresses += [f"{field.name}.{inner.name}" for inner in fields if not _is_binary(types, inner.type)]
            elif binary or not _is_binary(types, field.type):
                addresses.append(field.name)
        return addresses

    def _rows_of(self, batch: Any, first: int) -> Iterator[Mapping[str, Any] | InputError]:
        names = batch.schema.names
        columns = [self._cells(name, column) for name, column in zip(names, batch.columns, strict=True)]
        for entry in range(batch.num_rows):
            row = {name: cells[entry] for name, cells in zip(names, columns, strict=True)}
            problem = next((f"{name}: {v.text}" for name, v in row.items() if isinstance(v, _Problem)), None)
            if problem is None:
                yield row
            else:
                yield InputError(f"{self.path}: row {first + entry + 1}: column {problem}", cure="mend the row")

    def _cells(self, name: str, column: Any) -> list[Cell]:
        """Return the values of a column of one batch."""
        types, kind = self._arrow.types, column.type
        if types.is_dictionary(kind):
            return self._cells(name, column.dictionary_decode())
        if types.is_temporal(kind) and not (types.is_duration(kind) or types.is_interval(kind)):
            texts = self._cast(column, self._arrow.string())
            return [_Problem(text) if text and text.startswith(_OUT_OF_RANGE) else text for text in texts]
        if types.is_decimal(kind):
            return self._cast(column, self._arrow.float64())
        if not any(is_kind(types, kind) for is_kind in _READ):
            return _seen(column)
        cells = _values(column)
        if name in self._classes:
            names = self._classes[name]
            return [names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else None for cell in cells]
        return cells

    def _cast(self, column: Any, kind: Any) -> list[Cell]:
        try:
            return list(column.cast(kind).to_pylist())
        except self._arrow.ArrowException:
            return _seen(column)


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """Return column -> names of the classes, from what Hugging Face's datasets write beside a schema."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _is_binary(types: Any, kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _is_string(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list_of_texts(types: Any, kind: Any) -> bool:
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(is_list and _is_string(types, kind.value_type))


def _is_image_group(types: Any, kind: Any) -> bool:
    return bool(types.is_struct(kind)) and {kind.field(i).name for i in range(kind.num_fields)} <= {"bytes", "path"}


def _is_number(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind))


_READ: tuple[Callable[[Any, Any], bool], ...] = (_is_string, _is_number, _is_binary, _is_list_of_texts, _is_image_group)


def _values(column: Any) -> list[Cell]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Cell:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Problem("text that is not UTF-8")


def _seen(column: Any) -> list[Cell]:
    return [{} if valid else None for valid in column.is_valid().to_pylist()]
