"""What was met damaged in one file of embeddings while answering: it is left out from then on, and named.

    damage = KnownDamage()
    damage.check_blocks(seen, path)
    damage.sentences()

Nothing of it is stored; `verify` looks at everything that is.
"""

from pathlib import Path

import numpy as np

from wordsight.base.arrays import RowIds
from wordsight.index.entries import EntryTable
from wordsight.index.index import IndexEntry
from wordsight.index.layout import FileLayout, SeenIndex


class KnownDamage:
    """The damaged positions that are known, each range with a sentence."""

    def __init__(self) -> None:
        self._ranges: dict[tuple[int, int], str] = {}
        self._checked = 0  # positions whose blocks have been compared with their checksums

    def check_blocks(self, seen: SeenIndex, path: Path, *, anew: bool = False) -> None:
        """Compare the blocks of the file at `path` with their checksums, each once, or all of them `anew`."""
        checked = 0 if anew else self._checked
        for block in seen.layout.blocks if checked < seen.layout.count else ():
            if block.stop <= checked or seen.layout.dead[block.start : block.stop].all():
                continue  # of an earlier look, or nothing of it is answered
            if not block.is_sound(seen.halves):
                what = f"what {path} holds from {block.start} to {block.stop - 1}"
                self.note(seen.layout, block.start, block.stop, what)
        self._checked = seen.layout.count

    def sound_entries(
        self, seen: SeenIndex, entries: EntryTable, positions: RowIds, path: Path
    ) -> dict[int, IndexEntry]:
        """Return position -> entry; those that are not what was written are left out, from now on."""
        ids = seen.layout.ids[positions]
        position_of = dict(zip(ids.tolist(), positions.tolist(), strict=True))
        rows = {position_of[row.id]: row for row in entries.rows(list(position_of))}
        sound = {}
        for position in position_of.values():
            row = rows.get(position)
            if row is not None and position < len(seen.halves) and row.is_sound(seen.halves[position]):
                sound[position] = IndexEntry(row.key, seen.halves[position].astype(np.float32), row.meta)
            else:
                name = f"the entry of {row.key}" if row is not None else f"the entry at {position}"
                self.note(seen.layout, position, position + 1, f"{name} in {path}")
        return sound

    def note(self, layout: FileLayout, start: int, stop: int, what: str) -> None:
        """Leave positions out of answers from now on; `what` names what is damaged."""
        layout.damaged[start:stop] = True
        self._ranges[start, stop] = f"{what} is damaged"

    def mark(self, layout: FileLayout) -> None:
        """Mark what is known in a layout that was read again; what was mended meanwhile is dead, and is forgotten."""
        self._ranges = {at: what for at, what in self._ranges.items() if not layout.dead[slice(*at)].all()}
        for start, stop in self._ranges:
            layout.damaged[start:stop] = True

    def mended(self, layout: FileLayout) -> None:
        """Forget what was damaged; blocks that were compared are not compared again."""
        layout.damaged[:] = False
        self._ranges.clear()

    def sentences(self) -> list[str]:
        """Return what is damaged, a sentence for each range."""
        return list(self._ranges.values())
