r"""Paths as tables and other systems write them, and the files they mean here.

    locate(Path("set"), "im\café.jpg")     # set/im/café.jpg, however the disk spells the letter

Backslashes are separators where no file has one in its name, and names that are equal in Unicode are the same name: a
table may hold composed letters and the disk decomposed ones, or the other way round.  Opens nothing.
"""

import os
import posixpath
from pathlib import Path
from typing import Literal

_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def composed(text: str) -> str:
    """Return a name under which all Unicode spellings of it are the same."""
    return text if text.isascii() else _normalised("NFC", text)


def posix(text: str) -> str:
    r"""Return a path of a table with `/` between its parts and nothing superfluous: `.\a\b.jpg` is `a/b.jpg`."""
    return posixpath.normpath(text.strip().replace("\\", "/"))


def locate(folder: Path, text: str) -> Path | None:
    """Return the file that a path in a table means, relative to `folder`; None if there is none."""
    for candidate in (text.strip(), posix(text)):
        path = folder / candidate
        if os.path.isfile(path):
            return path
    return None if text.isascii() else _respelled(folder, posix(text))


def _respelled(folder: Path, text: str) -> Path | None:
    """Return the file whose parts are those of `text`, each in either Unicode form."""
    path = folder
    for part in text.split("/"):
        spellings = (path / form for form in (part, *(_normalised(form, part) for form in _FORMS)))
        there = next((spelling for spelling in spellings if os.path.lexists(spelling)), None)
        if there is None:
            return None
        path = there
    return path if os.path.isfile(path) else None


def _normalised(form: Literal["NFC", "NFD"], text: str) -> str:
    import unicodedata  # a megabyte that names in ASCII do without

    return unicodedata.normalize(form, text)
