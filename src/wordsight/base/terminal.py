r"""Text for a terminal: what came from outside (file names, keys, captions, names of models) is shown, never obeyed.

    say(f"{score:.3f}  {path}")          # one line on standard output; escaped there only if it is a terminal
    shown(text, sys.stderr)              # the same for another stream

Control characters, those that turn the direction of writing, and bytes that are not UTF-8 are escaped as Python
writes them (`\x1b`, `\n`, `\u202e`).  What goes to a file or another program is unchanged.
"""

import codecs
import contextlib
import os
import re
import sys
from typing import TextIO

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """Return a text with every character escaped that a terminal would act upon, line breaks included."""
    return _UNSAFE.sub(_escape, text)


def shown(text: str, stream: TextIO | None) -> str:
    """Return one line as it may be written to `stream`: escaped on a terminal, unchanged elsewhere."""
    return escaped(text) if stream is not None and stream.isatty() else text


def say(line: str) -> None:
    """Print one line of a result on standard output."""
    print(shown(line, sys.stdout))


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return bytes of file names as they are, and whatever else UTF-8 cannot hold escaped: printing never fails."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = (
        bytes([ord(one) - 0xDC00]) if 0xDC80 <= ord(one) <= 0xDCFF else one.encode("ascii", "backslashreplace")
        for one in error.object[error.start : error.end]
    )
    return b"".join(parts), error.end


PRINTABLE = "wordsight-printable"  # what a stream of UTF-8 does with what is none
codecs.register_error(PRINTABLE, _printable)


def drop(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's last flush of it cannot fail once more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, AttributeError):  # a stream without a descriptor, or none
        os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    byte = 0xDC80 <= code <= 0xDCFF  # of a file name that is not UTF-8
    return chr(code - 0xDC00 if byte else code).encode("unicode_escape").decode()
