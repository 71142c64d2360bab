"""Metadata as parquet: columns of numbers stay numbers, all others are text.

A library's column may hold numbers in one row and text in another; parquet's may not.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wordsight.base.optional import require
from wordsight.base.value import Value


def write_rows(rows: Sequence[Mapping[str, Value]], path: Path) -> None:
    """Write rows; columns stand in the order in which they are met."""
    pa, pq = (require(module, extra="data") for module in ("pyarrow", "pyarrow.parquet"))
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: _column(row.get(name) for row in rows) for name in names}), path)


def _column(values: Iterable[Value]) -> Any:
    pa = require("pyarrow", extra="data")
    cells = [value if value is None or isinstance(value, str) else _number(value) for value in values]
    if any(isinstance(cell, str) for cell in cells):
        return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())
    return pa.array(cells)


def _number(value: float) -> float | int:
    return int(value) if isinstance(value, bool) else value


def _text(value: str | float) -> str:
    return str(value).encode("utf-8", "replace").decode()  # odd file names are no UTF-8
