"""Captions from text files, one a line, as pairs for `balance`: of any length, read as they come.

    lines = CaptionLines([Path("captions.txt.gz")])     # "-" is standard input
    for key, captions in lines: ...                     # "captions.txt.gz:1", ("a dog",)
    lines.failures                                      # a line that is not UTF-8, a file that is cut

A key is the file's name and the number of the line; blank lines have a number and are no pairs.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from wordsight.base.errors import NotFound
from wordsight.base.reading import open_regular
from wordsight.data.balance import Captioned

STDIN = "-"
SUFFIXES = (".txt", ".txt.gz", ".gz")


def is_lines(path: str) -> bool:
    """Say whether a source is captions in a text file, or standard input."""
    return path == STDIN or path.lower().endswith(SUFFIXES)


class CaptionLines:
    """The captions of text files, iterated over as often as wanted unless one is standard input."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.name = ", ".join(paths)
        self._paths = paths
        self.failures: list[str] = []
        for path in paths:
            with _open(path, ""):  # one that is not there is told at once
                pass

    def __iter__(self) -> Iterator[Captioned]:
        self.failures = []
        for path in self._paths:
            name = Path(path).name
            with _open(path, name) as handle:
                yield from self._lines(handle, name)

    def _lines(self, handle: IO[bytes], name: str) -> Iterator[Captioned]:
        number = 0
        try:
            for number, line in enumerate(handle, 1):
                try:
                    caption = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    problem = f"byte 0x{line[error.start]:02x} is not UTF-8"
                    self.failures.append(f"{name}, line {number}: {problem}; save it as UTF-8")
                    continue
                if caption:
                    yield f"{name}:{number}", (caption,)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.failures.append(f"{name} is cut or damaged behind line {number}: {error}; fetch or make it again")


@contextmanager
def _open(path: str, name: str) -> Iterator[IO[bytes]]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        handle = open_regular(path)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", cure="check the path") from None
    with handle:
        if not name.lower().endswith(".gz"):
            yield handle
            return
        with gzip.GzipFile(fileobj=handle) as unpacked:
            yield cast("IO[bytes]", unpacked)
