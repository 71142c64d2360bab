"""The files of a balance: how many pairs have each entry, and which pairs are kept.

    write_counts(Path("counts.csv"), entries, counts)
    counts = read_counts([Path("a.csv"), Path("b.csv")], entries)        # the sums
    with verdict_writer(Path("verdicts.csv"), entries) as write: write(block)

Counts and verdicts are csv, jsonl or parquet by their ending; a `.txt` of verdicts has the keys of the pairs that are
kept, one a line.  Files are whole or not there.  Counts of another list of entries are refused.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.files import JSON_ESCAPES, atomic_write, require_file
from wordsight.base.optional import require
from wordsight.base.reading import open_regular
from wordsight.data.balance import PairVerdict, VerdictBlock
from wordsight.data.terms import IntArray

PARQUET = ".parquet"
COUNTS = (".csv", ".jsonl", PARQUET)
VERDICTS = (*COUNTS, ".txt")
_COUNT_COLUMNS = ("entry", "count")
Write = Callable[[VerdictBlock], None]


def check_ending(path: Path, endings: Sequence[str], option: str) -> None:
    """Raise `UsageError` for a file whose ending is none of these, `StorageError` where no file can be written."""
    if path.suffix not in endings:
        raise UsageError(f"{option} {path}", cure=f"end it in {', '.join(endings)}")
    if path.suffix == PARQUET:
        require("pyarrow", extra="data")
    require_file(path)


def write_counts(path: Path, entries: Sequence[str], counts: IntArray) -> None:
    """Write each entry with the number of pairs that have it, in the order of the list."""
    rows = zip(entries, counts.tolist(), strict=True)
    if path.suffix == PARQUET:
        arrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
        table = arrow.table({"entry": [_sound(entry) for entry in entries], "count": counts})
        with atomic_write(path) as handle:
            parquet.write_table(table, handle)
        return
    with atomic_write(path, "w") as handle:
        if path.suffix == ".csv":
            csv.writer(handle, lineterminator="\n").writerows([_COUNT_COLUMNS, *rows])
        else:
            handle.writelines(_line(dict(zip(_COUNT_COLUMNS, row, strict=True))) for row in rows)


def read_counts(paths: Sequence[Path], entries: Sequence[str]) -> IntArray:
    """Return the sums of the counts of files of this list of entries, (E,).

    Raises `NotFound`, `FormatError` for a file that is none of counts, `UsageError` for one of another list.
    """
    total = np.zeros(len(entries), np.int64)
    known = {_sound(entry): number for number, entry in enumerate(entries)}
    for path in paths:
        given = _counts(path)
        missing = next((entry for entry in known if entry not in given), None)
        extra = next((entry for entry in given if entry not in known), None)
        if missing is not None or extra is not None:
            which = f"has no {missing!r}" if missing is not None else f"has {extra!r}, which is not in the list"
            raise UsageError(f"{path} counts other entries: it {which}", cure="count with the same --entries")
        for entry, count in given.items():
            total[known[entry]] += count
    return total


def _counts(path: Path) -> dict[str, int]:
    try:
        with open_regular(path) as handle:
            rows = list(_count_rows(handle, path))
        counts = {_sound(str(entry)): int(count) for entry, count in rows}
        if len(counts) < len(rows) or min(counts.values(), default=0) < 0:
            raise ValueError("an entry is there twice, or a count is below 0")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror or error}", cure="check the path") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} holds no counts of entries: {error}", cure="write it with --counts") from None
    return counts


def _count_rows(handle: IO[bytes], path: Path) -> Iterator[tuple[Any, Any]]:
    if path.suffix == PARQUET:
        columns = require("pyarrow.parquet", extra="data").read_table(handle, columns=list(_COUNT_COLUMNS)).to_pydict()
        yield from zip(columns["entry"], columns["count"], strict=True)
        return
    lines = (line.decode("utf-8") for line in handle)
    if path.suffix == ".csv":
        yield from ((row["entry"], row["count"]) for row in csv.DictReader(lines))
    else:
        yield from ((row["entry"], row["count"]) for row in map(json.loads, lines))


@contextmanager
def verdict_writer(path: Path, entries: Sequence[str]) -> Iterator[Write]:
    """Open a file of verdicts: give each block to what comes; the file is there when the block ends well."""
    if path.suffix == PARQUET:
        with atomic_write(path) as handle, _parquet(handle, entries) as write:
            yield write
        return
    with atomic_write(path, "w") as handle:
        if path.suffix == ".txt":
            yield lambda block: handle.writelines(f"{key}\n" for key in _kept(block))
        elif path.suffix == ".csv":
            rows = csv.writer(handle, lineterminator="\n")
            rows.writerow(PairVerdict._fields)
            yield lambda block: rows.writerows(zip(*block.columns(entries, kept=int), strict=True))
        else:
            yield lambda block: handle.writelines(_line(row._asdict()) for row in block.verdicts(entries))


def _kept(block: VerdictBlock) -> list[str]:
    return [block.keys[number] for number in np.flatnonzero(block.kept).tolist()]


@contextmanager
def _parquet(handle: IO[bytes], entries: Sequence[str]) -> Iterator[Write]:
    arrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
    kinds = (arrow.string(), arrow.bool_(), arrow.string(), arrow.float64(), arrow.float64(), arrow.int64())
    schema = arrow.schema(list(zip(PairVerdict._fields, kinds, strict=True)))
    names = np.array([*map(_sound, entries), ""], object)  # the last one is that of -1

    def write(block: VerdictBlock) -> None:
        keys = [_sound(key) for key in block.keys]
        columns = (keys, block.kept, names[block.entries], block.entry_probabilities, block.probabilities)
        writer.write_table(arrow.table([*columns, block.matches], schema=schema))

    with parquet.ParquetWriter(handle, schema) as writer:
        yield write


def _sound(text: str) -> str:
    """Return a text that UTF-8 can hold: what it cannot is escaped as JSON does it."""
    return text if text.isascii() else text.encode("utf-8", JSON_ESCAPES).decode("utf-8")


def _line(row: dict[str, Any]) -> str:
    return f"{json.dumps(row, ensure_ascii=False)}\n"
