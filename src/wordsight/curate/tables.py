"""Tables written row by row, whole or not there: csv without any package, parquet with pyarrow."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from wordsight.base.errors import UsageError
from wordsight.base.files import atomic_write
from wordsight.base.optional import require

SUFFIXES = (".csv", ".parquet")
_AT_ONCE = 50_000  # rows of a parquet group


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column; a whole number may be missing nowhere, text and numbers may."""

    name: str
    kind: Literal["text", "whole number", "number", "flag"]


def check_table(path: Path) -> None:
    """Raise `UsageError` for a file that is neither csv nor parquet, `MissingExtra` for parquet without pyarrow."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} is neither .csv nor .parquet", cure="give the file one of these endings")
    if path.suffix.lower() == ".parquet":
        require("pyarrow", extra="data")


def write_table(path: Path, columns: Sequence[TableColumn], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows; csv has 1 and 0 for flags and nothing for what is missing."""
    check_table(path)
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, columns, rows)
        return
    flags = {column.name for column in columns if column.kind == "flag"}
    with atomic_write(path, "w") as handle:
        writer = csv.DictWriter(handle, [column.name for column in columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: int(value) if name in flags else value for name, value in row.items()} for row in rows)


def _write_parquet(path: Path, columns: Sequence[TableColumn], rows: Iterable[Mapping[str, Any]]) -> None:
    pyarrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
    types = {
        "text": pyarrow.string(),
        "whole number": pyarrow.int32(),
        "number": pyarrow.float32(),
        "flag": pyarrow.bool_(),
    }
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    rest = iter(rows)
    with atomic_write(path) as handle, parquet.ParquetWriter(handle, schema) as writer:
        while some := list(islice(rest, _AT_ONCE)):
            plain = [{name: _unicode(value) for name, value in row.items()} for row in some]
            writer.write_table(pyarrow.Table.from_pylist(plain, schema))


def _unicode(value: Any) -> Any:
    """Return a text as valid Unicode: parquet knows no other."""
    return value.encode("utf-8", errors="backslashreplace").decode() if isinstance(value, str) else value


def require_outside(path: Path, sources: Sequence[str | Path]) -> None:
    """Raise `UsageError` for a path inside a folder that is read: what is written there would become part of it."""
    for source in sources:
        real = Path(os.path.realpath(source))
        if real.is_dir() and Path(os.path.realpath(path)).is_relative_to(real):
            raise UsageError(f"{path} lies in {source}, which is read", cure="write it elsewhere")
