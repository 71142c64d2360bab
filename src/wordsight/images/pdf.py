"""The pages of PDF files, drawn with PDFium through pypdfium2.

PDFium does one thing at a time in a process, so a lock is around each page.  How long a page takes is not bounded.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import BrokenImage, InputError
from wordsight.base.value import Value
from wordsight.images.fragments import LONGEST, Inside

MOST = 2000  # pages of a file
POINT = 1 / 72  # inch
_DENSEST = 300  # pixels an inch at most, so that a small page is not drawn huge
_one_at_a_time = threading.RLock()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pypdfium2

    with open(path, "rb"):  # what the system refuses is said as of any file
        pass
    with _one_at_a_time:
        try:
            document = pypdfium2.PdfDocument(str(path))
        except pypdfium2.PdfiumError as error:
            if "password" in str(error).lower():
                raise BrokenImage(f"{path} is encrypted", cure="save it without a password") from error
            raise BrokenImage(f"{path} is no PDF that can be read", cure="save it again or leave it out") from error
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise BrokenImage(f"{path} cannot be read: {error}", cure="save it again or leave it out") from error
    finally:
        with _one_at_a_time:
            document.close()


def walked(path: Path) -> Iterator[Inside | InputError]:
    """See `fragments.walked`."""
    with _opened(path) as document:
        count = len(document)
        problems: list[InputError] = []
        drawn = 0
        for number in range(1, min(count, MOST) + 1):
            try:
                pixels, (width, height) = _drawn(document, number, path, LONGEST)
            except BrokenImage as error:
                problems.append(error)
                continue
            drawn += 1
            meta: dict[str, Value] = {"page": number, "pages": count}
            yield Inside(f"page={number}", pixels, width, height, meta)
        if problems and not drawn:
            raise problems[0]
        if not count:
            raise BrokenImage(f"{path} has no pages", cure="leave it out")
        if problems:
            more = f", and {len(problems) - 1} more of its pages" if len(problems) > 1 else ""
            yield BrokenImage(f"{problems[0].problem}{more}", cure=problems[0].cure)
        elif count > MOST:
            yield BrokenImage(f"{path} has {count:,} pages: the first {MOST:,} are read", cure="split it")


def pixels_at(path: Path, value: dict[str, Value], longest: int) -> Pixels:
    """Return page `value["page"]`, counted from 1."""
    with _opened(path) as document:
        return _drawn(document, int(str(value["page"])), path, longest)[0]


def _drawn(document: Any, number: int, path: Path, longest: int) -> tuple[Pixels, tuple[int, int]]:
    """Return a page and its sides in points."""
    import pypdfium2

    with _one_at_a_time:
        if not 1 <= number <= len(document):
            raise BrokenImage(f"{path} has no page {number}", cure=f"it has {len(document)}")
        try:
            page = document[number - 1]
            width, height = page.get_size()
            if not (width > 0 and height > 0):
                raise BrokenImage(f"page {number} of {path} has no size", cure="save it again or leave it out")
            scale = min(longest / max(width, height), _DENSEST * POINT)
            bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
            pixels: Pixels = np.array(bitmap.to_numpy())
            bitmap.close()
            page.close()
        except pypdfium2.PdfiumError as error:
            raise BrokenImage(f"page {number} of {path} cannot be drawn", cure="save it again") from error
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3]), (max(1, round(width)), max(1, round(height)))
