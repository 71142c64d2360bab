"""Lists in text files, as people write them: classes or templates, one a line.

    for number, line in listed_lines(path): ...

Blank lines and those that begin with `#` are left out.  UTF-8, or UTF-16 with its mark; a byte order mark never
becomes part of a line.
"""

from pathlib import Path

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.reading import read_argument


def listed_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that say something, without white space around them, each with its number.

    A file that cannot be read raises `NotFound`, one that is not text `FormatError`; both name it.
    """
    try:
        text = read_argument(path)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", cure="check the path") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problem = f"{path} is not {error.encoding.upper()}: byte 0x{error.object[error.start]:02x} in line {line}"
        raise FormatError(problem, cure="save it as UTF-8") from None
    if "\0" in text:
        raise FormatError(f"{path} is not text: it holds zero bytes", cure="save it as UTF-8")
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]
