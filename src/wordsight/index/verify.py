"""Everything that an index on disk stores, compared with its checksums.

Knows the parts of the index, and mends nothing.
"""

import sqlite3

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.index.database import is_sealed
from wordsight.index.entries import EntryRow, EntryTable
from wordsight.index.files import FileTable
from wordsight.index.halves import Halves
from wordsight.index.index import Damage
from wordsight.index.layout import CheckedBlock, FileLayout, living
from wordsight.index.values import restored


def damage_in(
    connection: sqlite3.Connection, layout: FileLayout, halves: Halves, *, entries: EntryTable, files: FileTable
) -> list[Damage]:
    """Return all that is not what was written; raises `FormatError` where the database itself is damaged."""
    cure = "make the library again with wordsight index PLACE --rebuild"
    problems = [text for (text,) in connection.execute("pragma integrity_check(3)")]
    if problems != ["ok"]:
        raise FormatError(f"the database is damaged: {'; '.join(problems)}", cure=cure)
    if not is_sealed(connection):
        raise FormatError("the facts about the library are damaged", cure=cure)
    rows: dict[int, EntryRow] = {}  # of damaged blocks only
    blocks = [block for block, _ in living(layout) if not block.is_sound(halves)]
    damage = _damaged_rows(layout, halves, entries, blocks=blocks, rows=rows)
    damage += [_of_block(block, layout, halves, rows) for block in blocks]
    known = {key for one in damage for key in one.keys}
    damage += [Damage(f"the record of the file {path}", (path,)) for path in files.damaged()]
    lost = connection.execute("select path from file where error = '' and path not in (select key from entry)")
    without = [str(restored(path)) for (path,) in lost]
    damage += [Damage(f"the entry of {path}, which is not there", (path,)) for path in without if path not in known]
    return damage


def _damaged_rows(
    layout: FileLayout,
    halves: Halves,
    entries: EntryTable,
    *,
    blocks: list[CheckedBlock],
    rows: dict[int, EntryRow],
) -> list[Damage]:
    """Return the damaged entries that lie in sound blocks; those of damaged blocks are put into `rows` by position."""
    in_damaged = np.zeros(layout.count, bool)
    for block in blocks:
        in_damaged[block.start : block.stop] = True
    damage = []
    for some in entries.all_rows():
        ids = np.array([row.id for row in some], np.int64)
        positions = np.minimum(layout.positions(ids), layout.count - 1)
        placed = layout.ids[positions] == ids
        for row, position, is_placed in zip(some, positions.tolist(), placed.tolist(), strict=True):
            if is_placed and in_damaged[position]:
                rows[position] = row
            elif not is_placed or layout.dead[position] or not row.is_sound(halves[position]):
                damage.append(Damage(f"the entry of {row.key}", (row.key,), (row.id,)))
    return damage


def _of_block(block: CheckedBlock, layout: FileLayout, halves: Halves, rows: dict[int, EntryRow]) -> Damage:
    there = {position: rows[position] for position in range(block.start, block.stop) if position in rows}
    sound = {p: row for p, row in there.items() if p < len(halves) and row.is_sound(halves[p])}
    damaged = [row for position, row in there.items() if position not in sound]
    return Damage(
        f"the embeddings {block.start} to {block.stop - 1}",
        tuple(row.key for row in damaged),
        tuple(row.id for row in damaged),
        tuple(row.key for row in sound.values()),
    )
