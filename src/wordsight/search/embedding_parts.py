"""Embeddings that a program has written to a folder, in parts: which files they are, and their rows one by one.

    parts, problems = embedding_parts(Path("out"))
    for row in parts[0].rows(): ...                  # EmbeddedRow(number, embedding, values)

Three layouts: `img_emb/img_emb_0.npy` beside `metadata/metadata_0.parquet` (clip-retrieval), `embeddings.npy` beside
`metadata.parquet`, and the store of `wordsight embed`.  Row i of one file belongs to row i of the other.  Files are
read a block at a time and never mapped: one that is cut meanwhile is an error.  Knows neither index nor model.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import InputError
from wordsight.data.parquet import ParquetTable
from wordsight.embeddings.store import finished_parts, part_name

BLOCK = 1024  # rows read at once: of 768 numbers 3 MB
LEAST = 1e-6  # a stored vector shorter than this has no direction; half precision holds no shorter one
_NUMBERED = re.compile(r"(?:img_emb|metadata)_?(\d+)\.(?:npy|parquet)")
_CURE = "write the folder again"


class EmbeddedRow(NamedTuple):
    """One row: its number in the part from 0, its embedding (width,) at length 1, and what the other file says of it.

    `embedding` is None where the stored one is NaN, infinite or zero; `values` is an error where they cannot be read.
    """

    number: int
    embedding: Embeddings | None
    values: Mapping[str, Any] | InputError


class EmbeddingPart(NamedTuple):
    """A file of embeddings and the file that tells of them."""

    embeddings: Path
    records: Path

    def shape(self) -> tuple[int, int]:
        """Return how many rows the embeddings have and how long each is; `InputError` where they are none."""
        return _NpyFile(self.embeddings).shape

    def names(self) -> Sequence[str]:
        """Return the columns of what tells of the embeddings; `InputError` where it cannot be read."""
        return ("key",) if self.states_its_model else ParquetTable(self.records).names

    def rows(self) -> Iterator[EmbeddedRow]:
        """Yield all rows; `InputError` where a file is damaged, or the two have different numbers of rows."""
        file = _NpyFile(self.embeddings)
        records = self._records(file.shape[0])
        for start, block in file.blocks():
            embeddings, sound = _checked(block)
            for number, (embedding, is_sound) in enumerate(zip(embeddings, sound, strict=True), start):
                yield EmbeddedRow(number, embedding if is_sound else None, next(records))

    def rows_at(self, numbers: Sequence[int], names: Sequence[str]) -> list[EmbeddedRow]:
        """Return these rows, in ascending order, with these columns of their values."""
        file = _NpyFile(self.embeddings)
        if self.states_its_model:
            return []  # such a store says which model made it
        rows = []
        for number, values in ParquetTable(self.records).rows_at(numbers, names):
            embeddings, sound = _checked(file.read(number, 1))
            rows.append(EmbeddedRow(number, embeddings[0] if sound[0] else None, values))
        return rows

    @property
    def states_its_model(self) -> bool:
        """Whether it is of the store of `wordsight embed`, whose manifest has the fingerprint of the model."""
        return self.records.suffix == ".jsonl"

    def _records(self, count: int) -> Iterator[Mapping[str, Any] | InputError]:
        if self.states_its_model:
            return _lines(self.records, count)
        table = ParquetTable(self.records)
        if len(table) != count:
            raise _unlike(self.embeddings, count, self.records, len(table))
        return (values for _, values in table.rows(binary=False))


def embedding_parts(folder: Path) -> tuple[list[EmbeddingPart], list[InputError]]:
    """Return the parts in order, and an error for each file that lacks the other one."""
    if (folder / "img_emb").is_dir():
        return _pairs(folder)
    if (folder / "embeddings.npy").is_file():
        return [EmbeddingPart(folder / "embeddings.npy", folder / "metadata.parquet")], []
    numbers = range(finished_parts(folder))
    names = [(part_name("image", number, ".npy"), part_name("image", number, ".jsonl")) for number in numbers]
    return [EmbeddingPart(folder / one, folder / other) for one, other in names], []


def _pairs(folder: Path) -> tuple[list[EmbeddingPart], list[InputError]]:
    embeddings, records = (_by_number(folder / name) for name in ("img_emb", "metadata"))
    parts = [
        EmbeddingPart(embeddings[number], records[number]) for number in sorted(embeddings.keys() & records.keys())
    ]
    alone = [*(path for number, path in sorted(embeddings.items()) if number not in records)]
    alone += [path for number, path in sorted(records.items()) if number not in embeddings]
    cure = "write the missing file, or take this one away"
    return parts, [InputError(f"{path} has no file of its number in the other folder", cure=cure) for path in alone]


def _by_number(folder: Path) -> dict[int, Path]:
    matches = {path: _NUMBERED.fullmatch(path.name) for path in (folder.iterdir() if folder.is_dir() else ())}
    return {int(match[1]): path for path, match in matches.items() if match is not None}


class _NpyFile:
    """Rows of numbers in an npy file (numpy.lib.format, versions 1 and 2); its header is read when it is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as handle:
                version = np.lib.format.read_magic(handle)
                header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
                shape, is_columns, self._type = header(handle)
                self._begin = handle.tell()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}", cure=_CURE) from None
        except ValueError as error:
            raise InputError(f"{path} is no npy file: {error}", cure=_CURE) from None
        if len(shape) != 2 or not shape[1] or is_columns or self._type.kind != "f":
            problem = f"{path} holds {self._type} of shape {shape}, no rows of floating-point numbers"
            raise InputError(problem, cure="write one embedding a row, as float16 or float32, in C order")
        self.shape: tuple[int, int] = (int(shape[0]), int(shape[1]))

    def blocks(self) -> Iterator[tuple[int, NDArray[np.floating]]]:
        """Yield the first row's number and the rows of each block."""
        for start in range(0, self.shape[0], BLOCK):
            yield start, self.read(start, min(BLOCK, self.shape[0] - start))

    def read(self, start: int, count: int) -> NDArray[np.floating]:
        """Return some rows (count, width)."""
        size = self.shape[1] * self._type.itemsize
        try:
            with self._path.open("rb") as handle:
                handle.seek(self._begin + start * size)
                data = handle.read(count * size)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}", cure=_CURE) from None
        if len(data) != count * size:
            raise InputError(f"{self._path} ends before its row {start + count:,}", cure=_CURE)
        return np.frombuffer(data, self._type).reshape(count, self.shape[1])


def _checked(block: NDArray[np.floating]) -> tuple[Embeddings, NDArray[np.bool_]]:
    """Return the rows of a block at length 1, and which of them had a direction."""
    wide = np.asarray(block, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(wide, axis=1)
        sound = np.isfinite(lengths) & (lengths > LEAST)
    return unit(np.where(sound[:, None], wide, 0.0)), sound


def _lines(path: Path, count: int) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as handle:
            lines = handle.readlines()  # a part of such a store has some thousand
            records = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", cure=_CURE) from None
    if len(records) != count or not all(isinstance(one, dict) for one in records):
        raise InputError(f"{path} has {len(records):,} records for {count:,} embeddings", cure=_CURE)
    return iter(records)


def _unlike(embeddings: Path, count: int, records: Path, rows: int) -> InputError:
    return InputError(f"{embeddings} has {count:,} rows, {records} {rows:,}: they do not belong together", cure=_CURE)
