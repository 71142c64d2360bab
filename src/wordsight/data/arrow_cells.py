"""The columns of Arrow as Python's values, row by row, with what is wrong with a row in its place.

    cells = ArrowCells(path, schema)
    for row in cells.rows(batch, first=0): ...      # column -> value, or an `InputError`

Text, numbers, booleans, bytes, lists of texts and groups of `bytes` and `path` come as Python's own values, dates and
times as text, decimals as floats; of other columns it is only seen that they hold something ({}).  The numbers of a
ClassLabel of Hugging Face come as its names, also in lists and in groups of objects, where the schema or a card beside
the file has them; lists of numbers are read where they may be labels.  One value that cannot be read costs its row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wordsight.base.errors import InputError
from wordsight.base.optional import require
from wordsight.data.class_labels import card_beside, class_names
from wordsight.data.fields import KNOWN, LABEL_LISTS
from wordsight.data.label_lists import NAMED_BY

_OUT_OF_RANGE = "<value out of range"  # how Arrow writes a date that no calendar has
_LABELS = frozenset({*LABEL_LISTS, *KNOWN["label"]})  # columns of which lists of numbers are read

Cell = Any  # a value, or a `_Problem`


class _Problem:
    """Why a value could not be read."""

    def __init__(self, text: str) -> None:
        self.text = text


class ArrowCells:
    """How the columns of one file are read.  `label` is the column asked for as label, whatever its name.

    `classes` are the names of the classes of columns, `of_one_class` those of these columns that hold one for an image.
    """

    def __init__(self, path: Path, schema: Any, *, label: str | None = None) -> None:
        self._path = path
        self._arrow = require("pyarrow", extra="data")
        self.classes: Mapping[str, Sequence[str]] = class_names(schema.metadata)
        if not self.classes and (card := card_beside(path.parent)):
            self.classes = {name: names for name, names in card.names.items() if name in schema.names}
        integer = self._arrow.types.is_integer
        self.of_one_class = frozenset(name for name in self.classes if integer(schema.field(name).type))
        self._asked = label

    def rows(self, batch: Any, first: int) -> Iterator[Mapping[str, Any] | InputError]:
        """Yield the rows of a batch; `first` is the index of its first row in the file."""
        names = batch.schema.names
        columns = [self._cells(name, column) for name, column in zip(names, batch.columns, strict=True)]
        for entry in range(batch.num_rows):
            row = {name: cells[entry] for name, cells in zip(names, columns, strict=True)}
            problem = next((f"{name}: {v.text}" for name, v in row.items() if isinstance(v, _Problem)), None)
            if problem is None:
                yield row
            else:
                yield InputError(f"{self._path}: row {first + entry + 1}: column {problem}", cure="mend the row")

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
        if name in self.classes or name == self._asked or name.lower() in _LABELS:
            return self._labels(name, column)
        if not any(is_kind(types, kind) for is_kind in _READ):
            return _seen(column)
        return _values(column)

    def _labels(self, name: str, column: Any) -> list[Cell]:
        """Return the values of a column of labels: names for class numbers, lists of them, or what else it has."""
        types, kind, names = self._arrow.types, column.type, self.classes.get(name)
        if types.is_struct(kind):
            inner = next((number for number in map(kind.get_field_index, NAMED_BY) if number >= 0), None)
            return _seen(column) if inner is None else self._labels(name, column.flatten()[inner])
        if _is_list(types, kind):
            item = kind.value_type
            if types.is_struct(item):
                inner = next((one for one in NAMED_BY if item.get_field_index(one) >= 0), None)
                if inner is None:
                    return _seen(column)
                lists = [
                    [one and one.get(inner) for one in cell] if isinstance(cell, list) else cell
                    for cell in _values(column)
                ]
                return [_named_list(cell, names) for cell in lists]
            if not (types.is_integer(item) or _is_string(types, item) or types.is_null(item)):
                return _seen(column)
            return [_named_list(cell, names) for cell in _values(column)]
        if not any(is_kind(types, kind) for is_kind in _READ):
            return _seen(column)
        cells = _values(column)
        return cells if names is None else [_named(cell, names) for cell in cells]

    def _cast(self, column: Any, kind: Any) -> list[Cell]:
        try:
            return list(column.cast(kind).to_pylist())
        except self._arrow.ArrowException:
            return _seen(column)


def is_binary(types: Any, kind: Any) -> bool:
    """Say whether a type of Arrow is bytes; `types` is the module `pyarrow.types`."""
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _is_string(types: Any, kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(types: Any, kind: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_list_of_texts(types: Any, kind: Any) -> bool:
    return _is_list(types, kind) and _is_string(types, kind.value_type)


def _is_image_group(types: Any, kind: Any) -> bool:
    return bool(types.is_struct(kind)) and {kind.field(i).name for i in range(kind.num_fields)} <= {"bytes", "path"}


def _is_number(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind))


_READ: tuple[Callable[[Any, Any], bool], ...] = (_is_string, _is_number, is_binary, _is_list_of_texts, _is_image_group)


def _named(cell: Cell, names: Sequence[str]) -> Cell:
    """Return the name of a class number, None where it has none: -1 is an image without a class."""
    if isinstance(cell, float) and cell.is_integer():  # data frames write numbers so beside missing ones
        cell = int(cell)
    if isinstance(cell, int):
        return names[cell] if 0 <= cell < len(names) else None
    return cell if isinstance(cell, str | _Problem) else None  # text has its name


def _named_list(cell: Cell, names: Sequence[str] | None) -> Cell:
    if names is None or not isinstance(cell, list):
        return cell
    beyond = next((number for number in cell if isinstance(number, int) and number >= len(names)), None)
    if beyond is not None:
        return _Problem(f"class {beyond}, where {len(names)} are named")
    return [_named(number, names) for number in cell]


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
