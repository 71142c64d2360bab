"""A made-up kind of source, as a newcomer would write it: this file is all of it, beside one row of the table.

A `.notes` file holds one entry a line: the picture's file, a semicolon, a caption.  Several files are several parts.
"""

from collections.abc import Iterator

from wordsight.base.errors import InputError
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.data.source import START, Position, Step, Walk


class NotesSource:
    def __init__(self, files, columns) -> None:
        del columns  # notes have none
        self.name = files.name
        self._paths = files.paths
        self._lines = [path.read_text().splitlines() for path in files.paths]

    def samples(self, start: Position = START) -> Walk:
        return Walk(self._steps(start), start)

    def _steps(self, start: Position) -> Iterator[Step]:
        for part in range(start.part, len(self._paths)):
            for entry in range(start.entry if part == start.part else 0, len(self._lines[part])):
                yield self._entry(part, entry), Position(part, entry + 1)

    def _entry(self, part: int, entry: int) -> Sample | InputError:
        file, semicolon, caption = self._lines[part][entry].partition(";")
        path = self._paths[part].parent / file
        if not semicolon or not path.is_file():
            return InputError(f"{self._paths[part]} line {entry + 1}: no picture {file}", cure="mend the line")
        return Sample(key=f"{part}/{entry}", image=path, texts=(caption.strip(),))

    def parts(self) -> int:
        return len(self._paths)

    def count(self) -> int:
        return sum(map(len, self._lines))

    def fingerprint(self) -> str:
        return sha256_bytes(b"\0".join(path.read_bytes() for path in self._paths))[:16]
