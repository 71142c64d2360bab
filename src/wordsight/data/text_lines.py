"""The lines of a text file, whatever Unicode form it is saved in, each with its number.

    for number, line in numbered_lines(path): ...       # 1, "image,caption"

UTF-8, UTF-16 and UTF-32, with a byte order mark or without one; the mark is never part of the text.  No other encoding
is guessed: a byte that is not UTF-8 stays in the line as a lone surrogate, which `is_text` finds.
"""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.reading import open_regular

LONGEST = 2**24  # characters of a line; a longer one comes cut to this length plus one
_PARTS = 16  # times `LONGEST`: how far the end of a line is looked for
_MARKS = (  # the longer ones first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_KEPT = "wordsight.lone-surrogate"


def _keep(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(_KEPT, _keep)


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text that begins with `head`, four bytes or more if there are as many."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 2 and (head[0] == 0) != (head[1] == 0):  # tables begin with a Latin letter: its other byte is 0
        return "utf-16-le" if head[1] == 0 else "utf-16-be"
    return "utf-8-sig"


def numbered_lines(path: Path, *, newline: str = "") -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line without its end; `newline` is that of `open`: "" is any."""
    raw = open_regular(path)
    try:
        encoding = encoding_of(raw.read(4))
        raw.seek(0)
    except BaseException:
        raw.close()
        raise
    with io.TextIOWrapper(raw, encoding, newline=newline, errors=_KEPT) as handle:
        number = 0
        while line := handle.readline(LONGEST + 2):
            number += 1
            yield number, line.rstrip("\r\n")[: LONGEST + 1]
            passed = 0
            while len(line) == LONGEST + 2 and line[-1] not in "\r\n":  # the rest of a long line
                line = handle.readline(LONGEST + 2)
                passed += 1
                if passed > _PARTS:
                    raise InputError(f"{path}: line {number} has no end", cure="it is no text file: take it away")


def is_text(line: str) -> bool:
    """Return whether a line was decoded without loss: no byte of another encoding, no half of a character."""
    if line.isascii():
        return True
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
