"""Where each embedding of an index lies in its file, and which may be answered: the table `block`, in memory.

A block is up to 256 embeddings that follow each other, with a checksum, and the ids of the entries they belong to.
Ids only ever grow along the file, so the place of an id is found by bisection.  What is removed or replaced is marked
in the block; the file is never changed.  Knows neither keys nor metadata.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.base.errors import FormatError
from wordsight.index.database import select_in
from wordsight.index.embedding_file import EmbeddingFile
from wordsight.index.halves import Halves, Mask
from wordsight.index.values import checksum_of

BLOCK = 256  # embeddings: what is checked, and damaged, at once


@dataclass(slots=True)
class CheckedBlock:
    """`count` embeddings from position `start` on, of the model with this fingerprint; `crc32` is of their bytes.

    `checksum` is of its row in the database, -1 before it has one.
    """

    start: int
    count: int
    crc32: int
    fingerprint: str
    checksum: int = -1

    @property
    def stop(self) -> int:
        """The position behind it."""
        return self.start + self.count

    def is_sound(self, halves: Halves) -> bool:
        """Return whether the embeddings (N, width) of the file hold what was written."""
        part = halves[self.start : self.stop]
        return len(part) == self.count and zlib.crc32(np.ascontiguousarray(part).data.cast("B")) == self.crc32


class FileLayout:
    """Ids and marks by position.  `damaged` is what was met while reading, and is not stored."""

    def __init__(self) -> None:
        self.blocks: list[CheckedBlock] = []
        self.count = 0
        self._ids: RowIds = np.empty(0, np.int64)
        self._dead: Mask = np.empty(0, bool)
        self._absent: Mask = np.empty(0, bool)
        self._damaged: Mask = np.empty(0, bool)
        self._closed = False  # whether the last block is to stay as it is
        self._changed: set[int] = set()  # numbers of blocks that are to be written

    @property
    def ids(self) -> RowIds:
        """The id of the entry at each position (N,), rising."""
        return self._ids[: self.count]

    @property
    def dead(self) -> Mask:
        """Whether the entry at each position was removed or replaced (N,)."""
        return self._dead[: self.count]

    @property
    def absent(self) -> Mask:
        """Whether the image of the entry was not there when last looked for (N,)."""
        return self._absent[: self.count]

    @property
    def damaged(self) -> Mask:
        """Whether what is stored is known not to be what was written (N,)."""
        return self._damaged[: self.count]

    def answerable(self, *, absent: bool) -> Mask:
        """Return which positions may be answered (N,)."""
        hidden = self.dead | self.damaged
        return ~hidden if absent else ~(hidden | self.absent)

    def positions(self, ids: RowIds) -> RowIds:
        """Return the positions of ids that are in it."""
        positions: RowIds = np.searchsorted(self.ids, ids).astype(np.int64)
        return positions

    def append(self, ids: RowIds, halves: Halves, fingerprint: str) -> None:
        """Add embeddings (n, width) behind the last, of entries with these ids, larger than any before."""
        self._make_room(self.count + len(ids))
        self._ids[self.count : self.count + len(ids)] = ids
        for mask in (self._dead, self._absent, self._damaged):
            mask[self.count : self.count + len(ids)] = False
        done = 0
        while done < len(ids):
            last = self.blocks[-1] if self.blocks else None
            if last is None or self._closed or last.count >= BLOCK or last.fingerprint != fingerprint:
                self._closed = False
                last = CheckedBlock(self.count, 0, 0, fingerprint)
                self.blocks.append(last)
            part = np.ascontiguousarray(halves[done : done + BLOCK - last.count])
            last.crc32 = zlib.crc32(part.data.cast("B"), last.crc32)
            last.count += len(part)
            self.count += len(part)
            done += len(part)
            self._changed.add(len(self.blocks) - 1)

    def mark(self, positions: RowIds, *, dead: bool | None = None, absent: bool | None = None) -> None:
        """Set what is given of these positions."""
        if dead is not None:
            self.dead[positions] = dead
        if absent is not None:
            positions = positions[self.absent[positions] != absent]
            self.absent[positions] = absent
        starts = np.array([block.start for block in self.blocks], np.int64)
        self._changed.update((np.searchsorted(starts, positions, "right") - 1).tolist())

    def digest(self, count: int) -> int:
        """Return a checksum of the first `count` embeddings, but for the last block of them, which may have grown."""
        return zlib.crc32(np.array([block.crc32 for block in self.blocks if block.stop < count], "<u4").tobytes())

    def close_unsound(self, halves: Halves) -> None:
        """Let the next embedding begin a block of its own where the last block does not hold what was written."""
        self._closed = bool(self.blocks) and not self.blocks[-1].is_sound(halves)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the blocks that have changed to the database."""
        rows = [self._row(self.blocks[number]) for number in sorted(self._changed)]
        connection.executemany("insert or replace into block values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._changed.clear()

    def _row(self, block: CheckedBlock) -> tuple[int | str | bytes | None, ...]:
        part = slice(block.start, block.stop)
        ids = self.ids[part]
        follow = int(ids[-1]) - int(ids[0]) == block.count - 1
        row = (
            block.start,
            block.count,
            int(ids[0]),
            None if follow else ids.astype("<i8").tobytes(),
            _packed(self.dead[part]),
            _packed(self.absent[part]),
            block.crc32,
            block.fingerprint,
        )
        block.checksum = checksum_of(*row)
        return (*row, block.checksum)

    def _make_room(self, count: int) -> None:
        if count > len(self._ids):
            room = max(2 * len(self._ids), count) - len(self._ids)
            self._ids = np.concatenate([self._ids, np.empty(room, np.int64)])
            self._dead = np.concatenate([self._dead, np.empty(room, bool)])
            self._absent = np.concatenate([self._absent, np.empty(room, bool)])
            self._damaged = np.concatenate([self._damaged, np.empty(room, bool)])


@dataclass(frozen=True, slots=True)
class SeenIndex:
    """One state of an index: facts, layout, and the embeddings (N, width), fewer where the file has been cut.

    `saved`: it is the state of a save, not one with changes since.
    """

    facts: Mapping[str, str]
    layout: FileLayout
    halves: Halves
    saved: bool

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self.facts["width"])

    def unchanged(self, ids: Mapping[str, int], keys: Sequence[str], halves: Halves) -> dict[str, int]:
        """Return those of the known `ids` by key whose entries have this embedding (of n, width) already."""
        positions = self.layout.positions(np.array([ids.get(key, 0) for key in keys], np.int64))
        return {
            key: ids[key]
            for key, position, vector in zip(keys, positions, halves, strict=True)
            if key in ids and position < len(self.halves) and np.array_equal(self.halves[position], vector)
        }


def read_layout(connection: sqlite3.Connection, earlier: FileLayout | None = None) -> FileLayout:
    """Return what the table `block` holds; raises `FormatError` for a row that is not what was written.

    `earlier`, of the same file of embeddings, is brought up to date: only rows that have changed since are read.
    """
    layout = earlier or FileLayout()
    number_of = {block.start: number for number, block in enumerate(layout.blocks)}
    if earlier is None:
        rows = connection.execute("select * from block order by start").fetchall()
    else:
        known = {block.start: block.checksum for block in layout.blocks}
        sums = connection.execute("select start, checksum, start + count from block order by start").fetchall()
        if len(sums) < len(layout.blocks) or (
            sums and sums[-1][2] < layout.count
        ):  # put back from a backup, or damaged
            return read_layout(connection)
        changed = [start for start, checksum, _ in sums if known.get(start) != checksum]
        rows = sorted(select_in(connection, "select * from block where start in", changed))
    for *row, checksum in rows:
        if checksum_of(*row) != checksum:
            raise _unreadable(f"the record of the embeddings from {row[0]} on is damaged")
    layout._make_room(max((row[0] + row[1] for row in rows), default=0))
    for start, size, first_id, ids, dead, absent, crc32, fingerprint, checksum in rows:
        number = number_of.get(start, len(layout.blocks))
        if start != (layout.blocks[number - 1].stop if number else 0):
            raise _unreadable(f"the record of the embeddings before {start} is lost")
        stop = start + size
        layout._ids[start:stop] = np.arange(first_id, first_id + size) if ids is None else np.frombuffer(ids, "<i8")
        layout._dead[start:stop] = False if dead is None else _unpacked(dead, size)
        layout._absent[start:stop] = False if absent is None else _unpacked(absent, size)
        layout._damaged[max(start, layout.count) : stop] = False
        layout.blocks[number : number + 1] = [CheckedBlock(start, size, crc32, fingerprint, checksum)]
        layout.count = max(layout.count, stop)
    return layout


def _unreadable(problem: str) -> FormatError:
    return FormatError(problem, cure="make the library again with wordsight index PLACE --rebuild")


def copy_living(layout: FileLayout, halves: Halves, fresh: EmbeddingFile) -> FileLayout:
    """Write the living embeddings (of N, width) to another file; returns their layout there."""
    copied = FileLayout()
    for block, positions in living(layout):
        part = halves[positions]
        fresh.append(copied.count, part)
        absent = copied.count + np.flatnonzero(layout.absent[positions])
        copied.append(layout.ids[positions], part, block.fingerprint)
        copied.mark(absent, absent=True)
    return copied


def living(layout: FileLayout) -> Iterator[tuple[CheckedBlock, RowIds]]:
    """Yield each block that has living embeddings, with their positions."""
    for block in layout.blocks:
        positions = block.start + np.flatnonzero(~layout.dead[block.start : block.stop])
        if len(positions):
            yield block, positions


def _packed(mask: Mask) -> bytes | None:
    return np.packbits(mask).tobytes() if mask.any() else None


def _unpacked(packed: bytes, count: int) -> Mask:
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)


def once(positions: RowIds) -> RowIds:
    """Return each position once, rising: what `np.unique` does, which imports much."""
    return np.array(sorted(set(positions.ravel().tolist())), np.int64)
