"""A small true source without files: coloured squares with their names, made from their number."""

import io
from collections.abc import Iterator

from wordsight.base.errors import InputError
from wordsight.base.nouns import Sample
from wordsight.data.source import START, Position, Step, Walk

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 210),
    "yellow": (240, 220, 40),
}


class FakeSource:
    """`number` squares of `side` pixels; the entries in `broken` fail, as rows of a damaged table would."""

    def __init__(self, number: int = 12, *, side: int = 16, broken: tuple[int, ...] = ()) -> None:
        self.name = f"fake-{number}"
        self._number = number
        self._side = side
        self._broken = broken

    def samples(self, start: Position = START) -> Walk:
        """Walk over the squares from `start` on."""
        return Walk(self._steps(start), start)

    def _steps(self, start: Position) -> Iterator[Step]:
        for entry in range(start.entry, self._number if start.part == 0 else 0):
            yield self._make(entry), Position(0, entry + 1)

    def _make(self, entry: int) -> Sample | InputError:
        if entry in self._broken:
            return InputError(f"square {entry} is broken", cure="leave it out")
        from PIL import Image

        names = list(COLOURS)
        name = names[entry % len(names)]
        side = self._side + entry // len(names)  # later rounds differ in size, so that no two squares are the same file
        buffer = io.BytesIO()
        Image.new("RGB", (side, side), COLOURS[name]).save(buffer, "PNG")
        texts = (f"a {name} square", f"a square that is {name}")
        return Sample(key=f"{entry:04d}", image=buffer.getvalue(), texts=texts, label=name, meta={"side": side})

    def parts(self) -> int:
        """Return 1."""
        return 1

    def count(self) -> int:
        """Return the number of squares, broken ones included."""
        return self._number

    def fingerprint(self) -> str:
        """Return a text that changes with the arguments."""
        return f"{self._number:04x}{self._side:04x}{hash(self._broken) & 0xFFFFFFFF:08x}"
