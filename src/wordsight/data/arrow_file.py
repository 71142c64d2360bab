"""Tables in Arrow's own files (`.arrow`), row by row: what Hugging Face's datasets save and keep.

    table = ArrowTable(Path("set/train/data-00000-of-00001.arrow"))
    for number, row in table.rows(): ...   # the row's number, and column -> value or an `InputError`

The stream format and the file format are read; the file is mapped into memory.  Each batch is checked before it is
used, for Arrow itself trusts what stands in it.  Damage costs the batch.  Needs the package pyarrow.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.optional import require
from wordsight.base.reading import open_regular
from wordsight.data.arrow_cells import ArrowCells, is_binary

_ROWS = 256  # made into Python's values at once
_FILE = b"ARROW1"  # how the file format begins; the stream format has no such mark
_CURE = "make the file again"


class ArrowTable:
    """One file; its schema is read when it is made.  `label` is the column asked for as label."""

    unit = "row"

    def __init__(self, path: Path, *, label: str | None = None) -> None:
        self.path = path
        self._arrow = require("pyarrow", extra="data")
        self._ipc = require("pyarrow.ipc", extra="data")
        schema = self._open()[0]
        self.names: tuple[str, ...] = tuple(schema.names)
        for number, name in enumerate(self.names):
            if name in self.names[:number]:
                raise FormatError(f"{path} has two columns {name}", cure="rename one of them")
        self.cells = ArrowCells(path, schema, label=label)

    def _open(self) -> tuple[Any, Iterator[Any]]:
        """Return the schema and the batches."""
        try:
            with open_regular(self.path) as handle:  # a pipe would block
                is_file = handle.read(len(_FILE)) == _FILE
            mapped = self._arrow.memory_map(str(self.path))
            if not is_file:
                stream = self._ipc.open_stream(mapped)
                return stream.schema, iter(stream)
            reader = self._ipc.open_file(mapped)
            return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
        except (self._arrow.ArrowException, OSError) as error:
            raise InputError(f"{self.path} is not an Arrow file: {error}", cure=_CURE) from None
        except UnicodeEncodeError:
            raise InputError(f"{self.path} has a name that is not UTF-8", cure="rename the file") from None

    def rows(self, first: int = 0, *, binary: bool = True) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
        """Yield number and row of each row from the one with index `first` on; without bytes unless `binary`."""
        passed, batches = 0, self._open()[1]
        while (batch := self._next(batches, passed)) is not None:
            for start in range(max(0, first - passed), batch.num_rows, _ROWS):
                part = batch.slice(start, _ROWS)
                for entry, row in enumerate(self._checked(part, passed + start, binary), start=passed + start):
                    yield entry + 1, row
            passed += batch.num_rows

    def _next(self, batches: Iterator[Any], passed: int) -> Any:
        try:
            return next(batches, None)
        except (self._arrow.ArrowException, OSError) as error:
            raise InputError(f"{self.path} is damaged behind row {passed}: {error}", cure=_CURE) from None

    def _checked(self, batch: Any, first: int, binary: bool) -> Iterator[Mapping[str, Any] | InputError]:
        try:
            batch.validate(full=True)
        except self._arrow.ArrowException as error:
            problem = f"{self.path}: rows from {first + 1} to {first + batch.num_rows} are damaged: {error}"
            yield from (InputError(problem, cure=_CURE) for _ in range(batch.num_rows))
            return
        yield from self.cells.rows(batch if binary else self._without_bytes(batch), first)

    def _without_bytes(self, batch: Any) -> Any:
        types, columns = self._arrow.types, {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if types.is_struct(column.type):
                inner = {column.type.field(at).name: part for at, part in enumerate(column.flatten())}
                kept = {key: part for key, part in inner.items() if not is_binary(types, part.type)}
                columns[name] = self._arrow.StructArray.from_arrays(list(kept.values()), list(kept)) if kept else None
            elif not is_binary(types, column.type):
                columns[name] = column
        kept_columns = {name: column for name, column in columns.items() if column is not None}
        return self._arrow.RecordBatch.from_arrays(list(kept_columns.values()), list(kept_columns))
