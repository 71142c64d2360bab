"""Metadata that lies beside a folder's images: `metadata.csv` with a column `file` and any others.

    file,price,colour
    shoes/1.jpg,49.5,red

`file` is a path below the folder.  Cells that look like numbers become numbers.  The file is read when a library is
brought up to date and has changed.  Knows no index.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from wordsight.base.errors import FormatError
from wordsight.base.nouns import Value

NAME = "metadata.csv"
KEY = "file"
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # "007" stays text
_LARGEST = 2**63 - 1  # SQLite's integers
_LONGEST = 64  # letters of a number; more digits than that are a name


def stamp(folder: Path) -> str:
    """Return what changes when the table does: "" if there is none."""
    path = folder / NAME
    if not path.is_file():
        return ""
    facts = path.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def read_beside(folder: Path) -> dict[str, dict[str, Value]]:
    """Return path below the folder -> further columns; empty when there is no table."""
    import csv

    path = folder / NAME
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if KEY not in (reader.fieldnames or []):
                raise FormatError(f"{path} has no column {KEY}", cure=f"name the column with the paths {KEY}")
            return {_posix(row[KEY]): _columns(row) for row in reader if row[KEY]}
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path} is no table: {error}", cure="save it as CSV in UTF-8") from None


def plain(value: Value) -> Value:
    """Return a value as the index keeps it: whole numbers beyond 64 bits as floats."""
    if isinstance(value, int) and abs(value) > _LARGEST:
        return float(value)
    return value


def from_text(text: str) -> Value:
    """Return the cell of a text table: a number where it looks like one, None where it is empty."""
    if not text.strip():
        return None
    match = _NUMBER.fullmatch(text.strip()) if len(text) < _LONGEST else None
    if match is None:
        return text
    return float(text) if match[2] or match[3] else plain(int(text))


def _columns(row: Mapping[str | None, str | list[str] | None]) -> dict[str, Value]:
    return {name: from_text(cell) for name, cell in row.items() if name and name != KEY and isinstance(cell, str)}


def _posix(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")
