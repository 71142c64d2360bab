"""Tables in parquet, row by row, with what is wrong with a row in its place.  Needs the package pyarrow.

    table = ParquetTable(Path("products.parquet"))
    for number, row in table.rows(): ...   # the row's number, and column -> value or an `InputError`

What the values come as is the business of `arrow_cells`.  One value that cannot be read costs its row, damage inside a
group of rows the rest of the group.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.optional import require
from wordsight.base.reading import open_regular
from wordsight.data.arrow_cells import ArrowCells, is_binary

_ROWS = 256  # decoded at once: with images of 100 kB about 25 MB


class ParquetTable:
    """One file; its schema is read when it is made.  `label` is the column asked for as label."""

    unit = "row"

    def __init__(self, path: Path, *, label: str | None = None) -> None:
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
        self.cells = ArrowCells(path, schema, label=label)

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
                    yield from self.cells.rows(batch.slice(start), before + given + start)
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
                addresses += [f"{field.name}.{inner.name}" for inner in fields if not is_binary(types, inner.type)]
            elif binary or not is_binary(types, field.type):
                addresses.append(field.name)
        return addresses
