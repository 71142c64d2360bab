"""The kept pairs as what other programs take: a table of verdicts, DataComp's file of uids, pairs to train on, shards.

write_verdicts(pool, verdicts, Path("verdicts.parquet"))
write_uids(pool, verdicts, Path("kept.npy"))          # dtype "u8,u8", sorted, each uid once
write_pairs(pool, verdicts, Path("kept.csv"))         # image, caption, key: a source for `wordsight train`
pack(KeptPairs(pool, verdicts), Path("shards"), options)   # the kept images with their kept captions
"""

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.base.files import atomic_write, sha256_bytes
from wordsight.curate.judging import Verdicts
from wordsight.curate.pool import PairPool
from wordsight.curate.records import ImageRecord
from wordsight.curate.tables import TableColumn, write_table
from wordsight.data.source import START, Position, Step, Walk, readings
from wordsight.data.uids import UIDS, halves

VERDICTS = (
    TableColumn("key", "text"),
    TableColumn("caption", "whole number"),
    TableColumn("text", "text"),
    TableColumn("kept", "flag"),
    TableColumn("rule", "text"),
    TableColumn("why", "text"),
    TableColumn("figure", "number"),
)
PAIRS = (TableColumn("image", "text"), TableColumn("caption", "text"), TableColumn("key", "text"))


def verdict_rows(pool: PairPool, verdicts: Verdicts) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each pair: what was decided, by which rule and figure; of a kept one the last rule's figure."""
    for pair, number, record in _pairs(pool):
        rule, why = verdicts.reason(pair)
        figure = float(verdicts.figures[pair])
        known = None if np.isnan(figure) else round(figure, 6)
        values = (record.key, number, record.texts[number], bool(verdicts.kept[pair]), rule, why, known)
        yield {column.name: value for column, value in zip(VERDICTS, values, strict=True)}


def write_verdicts(pool: PairPool, verdicts: Verdicts, path: Path) -> None:
    """Write the verdicts as csv or parquet, by the ending."""
    write_table(path, VERDICTS, verdict_rows(pool, verdicts))


def write_uids(pool: PairPool, verdicts: Verdicts, path: Path) -> int:
    """Write the uids of images with a kept pair; return how many.

    A uid is the source's column `uid`, else the key; one that is not 32 hexadecimal digits is a `UsageError`.
    """
    uids = sorted({_halves(record) for pair, _, record in _pairs(pool) if verdicts.kept[pair]})
    packed = io.BytesIO()
    np.save(packed, np.array(uids, UIDS), allow_pickle=False)
    with atomic_write(path) as handle:
        handle.write(packed.getvalue())
    return len(uids)


def check_uids(pool: PairPool) -> None:
    """Raise `UsageError` when an image has no uid, before anything is judged."""
    for record in pool.records.rows():
        _halves(record)


def _halves(record: ImageRecord) -> tuple[int, int]:
    uid = halves(record.uid)
    if uid is None:
        cure = "name the column with them: --key COLUMN; or write a table: --out verdicts.csv"
        raise UsageError(f"{record.uid!r} is no uid of 32 hexadecimal digits", cure=cure)
    return uid


def write_pairs(pool: PairPool, verdicts: Verdicts, path: Path) -> None:
    """Write the kept pairs as a table that is a source itself, csv or parquet; its paths are relative to it."""
    folder = Path(os.path.realpath(path)).parent
    rows = (
        {"image": _relative(record, folder), "caption": record.texts[number], "key": record.key}
        for pair, number, record in _pairs(pool)
        if verdicts.kept[pair]
    )
    write_table(path, PAIRS, rows)


def repeated_key(pool: PairPool) -> str | None:
    """Return the first key that an image before it has too; None where every image has its own."""
    hashes = np.fromiter((hash(record.key) for record in pool.records.rows()), np.int64, pool.records.images)
    if len(np.unique(hashes)) == len(hashes):
        return None
    seen: set[str] = set()
    for record in pool.records.rows():
        if record.key in seen:
            return record.key
        seen.add(record.key)
    return None


def check_pairs(pool: PairPool) -> None:
    """Raise `UsageError` when an image is no file, so that a table could not name it."""
    inside = next((record.key for record in pool.records.rows() if record.file is None), None)
    if inside is not None:
        cure = "write shards, which hold them: --out DIR"
        raise UsageError(f"the image {inside} of {pool.source.name} lies inside a table or shard", cure=cure)


def _relative(record: ImageRecord, folder: Path) -> str:
    assert record.file is not None
    return os.path.relpath(os.path.realpath(record.file), folder)


def _pairs(pool: PairPool) -> Iterator[tuple[int, int, ImageRecord]]:
    """Yield every pair: its number, that of its caption, its image."""
    pair = 0
    for record in pool.records.rows():
        for number in range(len(record.texts)):
            yield pair, number, record
            pair += 1


class KeptPairs:
    """A `Source` of the images that have a kept pair, with their kept captions; all else as the source has it."""

    def __init__(self, pool: PairPool, verdicts: Verdicts) -> None:
        self.name = pool.source.name
        self._pool, self._kept = pool, verdicts.kept
        self._first = np.concatenate([[0], np.cumsum(pool.records.counts)])  # the first pair of each image

    def samples(self, start: Position = START) -> Walk:
        """Walk over the kept samples from `start` on."""
        return Walk(self._steps(self._pool.source.samples(start), self._pool.records.row_at(start)), start)

    def _steps(self, walk: Walk, row: int) -> Iterator[Step]:
        for reading in readings(walk):
            for failure in reading.failures:
                yield failure, reading.position
            if reading.sample is None:
                continue
            kept = self._kept[self._first[row] : self._first[row + 1]]
            if kept.any():
                texts = tuple(text for text, stays in zip(reading.sample.texts, kept, strict=True) if stays)
                yield replace(reading.sample, texts=texts), reading.position
            row += 1

    def parts(self) -> int:
        """Return how many files the source has."""
        return self._pool.source.parts()

    def count(self) -> int:
        """Return how many images are kept."""
        return len(np.unique(self._pool.records.owners[self._kept]))

    def fingerprint(self) -> str:
        """Return what names the source and the kept pairs."""
        return sha256_bytes(self._pool.source.fingerprint().encode(), np.packbits(self._kept).tobytes())[:16]


def kept_images(pool: PairPool, verdicts: Verdicts) -> int:
    """Return how many images have a kept pair."""
    return len(np.unique(pool.records.owners[verdicts.kept]))
