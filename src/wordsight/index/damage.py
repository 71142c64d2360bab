"""What was met damaged in one file of embeddings while answering: it is left out from then on, and named.

    damage = KnownDamage()
    damage.check_blocks(seen, path)
    damage.sentences()

Nothing of it is stored; `verify` looks at everything that is.
"""

from pathlib import Path

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
