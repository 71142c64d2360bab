"""Libraries of format 1, read for the last time: their embeddings, entries and file states become a draft.

Format 1 had float32 embeddings in `rows-G.f32` and the position of each in `entry.slot`; nothing had a checksum.
"""

import contextlib
import sqlite3
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wordsight.base.arrays import is_unit
from wordsight.base.errors import FormatError
from wordsight.index.columns import MetaColumns
from wordsight.index.database import NAME, database_errors, read_facts
from wordsight.index.drafts import delete
from wordsight.index.index import FileState
from wordsight.index.values import restored

if TYPE_CHECKING:
    from wordsight.index.exact import ExactIndex

GROUP = 4096  # entries at once
_OURS = {"format", "fingerprint", "width", "generation", "slots"}  # facts of the index itself


def renew(folder: Path, index: "type[ExactIndex]") -> None:
    """Write a draft with all that a library of format 1 holds; what is no embedding is left to be made again."""
    delete(folder, draft=True)  # what an earlier try left
    path = folder / NAME
    with database_errors(path), contextlib.closing(sqlite3.connect(path.absolute(), isolation_level=None)) as old:
        facts = read_facts(old)
        fingerprint, width = facts["fingerprint"], int(facts["width"])
        with index.open(folder, fingerprint=fingerprint, width=width, writable=True, draft=True) as draft:
            lost = _copy_entries(old, folder, facts, draft)
            states = old.execute("select path, size, mtime_ns, sha256, error from file").fetchall()
            all_states = {str(restored(p)): FileState(size, t, sha, str(restored(e))) for p, size, t, sha, e in states}
            draft.files.record({key: state for key, state in all_states.items() if key not in lost})
            draft.note({name: value for name, value in facts.items() if name not in _OURS})
            draft.save()


def _copy_entries(old: sqlite3.Connection, folder: Path, facts: dict[str, str], draft: "ExactIndex") -> set[str]:
    """Copy the entries; returns the keys of those without a sound embedding, which are left out."""
    path, width, slots = folder / f"rows-{facts['generation']}.f32", int(facts["width"]), int(facts["slots"])
    there = path.stat().st_size // (4 * width) if path.is_file() else 0
    if there < slots:
        raise FormatError(
            f"{path} lacks embeddings", cure="make the library again with wordsight index PLACE --rebuild"
        )
    embeddings = np.memmap(path, "<f4", mode="r", shape=(there, width)) if there else np.empty((0, width), np.float32)
    columns = MetaColumns(old)
    selected = columns.selected()
    rows = old.execute(f"select {', '.join(['slot', 'key', *selected.values()])} from entry order by slot")
    lost: set[str] = set()
    while group := list(islice(rows, GROUP)):
        vectors = np.asarray(embeddings[[row[0] for row in group]], np.float32)
        sound = is_unit(vectors)
        keys = [str(restored(row[1])) for row in group]
        lost.update(key for key, good in zip(keys, sound, strict=True) if not good)
        kept = np.flatnonzero(sound)
        meta = [columns.read(selected, group[i][2:]) for i in kept]
        draft.add([keys[i] for i in kept], vectors[kept], meta)
    return lost
