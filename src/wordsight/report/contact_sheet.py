"""A contact sheet: one picture with a small image of every hit, each with its rank, how well it fits, and its name.

    write_contact_sheet(Path("hits.png"), hits, heading="red shoes", columns=("price",))

The images are smaller the more there are.  Letters are those of the font inside Pillow, which
has few besides English ones; a line with others takes the font of the system that has most of them, and those that it
lacks are written without their accents, or left out, which is said once.
"""

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError, UsageError
from wordsight.base.files import atomic_write
from wordsight.base.progress import notice
from wordsight.report.hits_page import clean
from wordsight.search.hits import Located, one_line, strength, title
from wordsight.search.thumbnails import thumbnails

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
MOST = 1000  # hits of one sheet: about 4,900 x 3,900 pixels
SIDES = ((12, 300), (40, 220), (120, 160), (300, 128), (MOST, 104))  # up to so many hits: pixels of an image's side
INSIDE = ""  # the name of the font inside Pillow
SYSTEM = (  # for letters that it lacks; the later ones have Chinese, Japanese and Korean
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "arial.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "msyh.ttc",
)
GAP = 12  # pixels between cells, and around all
ACROSS = 4 / 3  # width of a sheet by its height, about
QUALITY = 90  # of JPEG
PNG_LEVEL = 3  # of compression: a third of the time of the usual 6, and a tenth larger
ENLARGED = 3  # times at most, so that small images fill their cells
TITLE_LINES = 2  # below an image
PAPER, INK, SOFT, FRAME = (251, 251, 250), (28, 30, 33), (96, 101, 108), (236, 237, 239)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where things lie on a sheet, in pixels."""

    columns: int
    side: int
    lines: int  # of text below an image
    letter: int  # height of a letter
    top: int  # below the heading

    @property
    def row(self) -> int:
        return self.side + 6 + self.lines * self.line + GAP

    @property
    def line(self) -> int:
        return self.letter + 4

    def corner(self, number: int) -> tuple[int, int]:
        down, across = divmod(number, self.columns)
        return GAP + across * (self.side + GAP), self.top + down * self.row

    def size(self, count: int) -> tuple[int, int]:
        rows = math.ceil(count / self.columns)
        return GAP + self.columns * (self.side + GAP), self.top + rows * self.row


def check_sheet(path: Path) -> None:
    """Raise `UsageError` for a name that does not end like a picture that is written."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"a sheet {path}", cure=f"give a name that ends in {', '.join(FORMATS)}")


def write_contact_sheet(
    path: Path, hits: Sequence[Located], *, heading: str, columns: Sequence[str] | None = None
) -> None:
    """Write the sheet of the first `MOST` hits, with these columns below each image; None: its title, else its name."""
    from PIL import Image, ImageDraw

    check_sheet(path)
    shown = [one.hit for one in hits[:MOST]]
    grid = _grid(len(shown), lines=1 + (TITLE_LINES if columns is None else len(columns)))
    sheet = Image.new("RGB", grid.size(len(shown)), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (GAP, GAP), heading, Room(sheet.width - 2 * GAP, 18))
    images = thumbnails(shown, partial(_filling, side=grid.side), side=grid.side)
    room = Room(grid.side, grid.letter)
    for number, (hit, image) in enumerate(zip(shown, images, strict=True)):
        left, top = grid.corner(number)
        _paste(sheet, draw, image, (left, top), grid)
        below = top + grid.side + 6
        write(draw, (left, below), f"{number + 1} · {strength(hit)}", replace(room, colour=INK))
        if columns is None:
            write(draw, (left, below + grid.line), title(hit) or hit.key, replace(room, lines=TITLE_LINES))
        for line, name in enumerate(columns or (), start=1):
            write(draw, (left, below + line * grid.line), one_line(hit.meta.get(name)) or "-", room)
    with atomic_write(path) as handle:
        sheet.save(handle, FORMATS[path.suffix.lower()], quality=QUALITY, compress_level=PNG_LEVEL)


def _grid(count: int, *, lines: int) -> _Grid:
    side = next(side for most, side in SIDES if count <= most)
    letter = 11 if side < 160 else 13
    high = side + 6 + lines * (letter + 4)
    columns = max(1, min(count, round(math.sqrt(count * ACROSS * high / side))))
    return _Grid(max(columns, min(count, math.ceil(320 / side))), side, lines, letter, top=GAP + 18 + GAP)


def _filling(image: "Image", side: int) -> "Image":
    """Return an image whose longer side is `side`; a small one is enlarged, at most `ENLARGED` times."""
    factor = min(ENLARGED, side / max(image.size))
    return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))


def _paste(
    sheet: "Image", draw: "ImageDraw", image: "Image | InputError", corner: tuple[int, int], grid: _Grid
) -> None:
    left, top = corner
    draw.rectangle((left, top, left + grid.side - 1, top + grid.side - 1), fill=FRAME)
    if isinstance(image, InputError):
        room = Room(grid.side - 12, grid.letter, lines=(grid.side - 12) // grid.line - 1)
        write(draw, (left + 6, top + 6), "no picture", room)
        write(draw, (left + 6, top + 6 + grid.line), image.problem, room)
        return
    sheet.paste(image, (left + (grid.side - image.width) // 2, top + (grid.side - image.height) // 2))


@dataclass(frozen=True, slots=True)
class Room:
    """The room for a text: width, height of its letters, lines and colour."""

    width: int
    letter: int
    lines: int = 1
    colour: tuple[int, int, int] = SOFT


def write(draw: "ImageDraw", corner: tuple[int, int], text: str, room: Room) -> None:
    """Write a text, its end left out where there is no room for it."""
    text = clean(text)[: room.width * room.lines]  # no letter is narrower than a pixel
    name = _best_font(text, room.letter)
    font = _font(name, room.letter)
    drawn = "".join(_spelled(c, name, room.letter) for c in text)
    if len(drawn) < len(text):
        notice("letters that no font here has are left out of the sheet; a page (--html) has them", once=True)
        drawn = " ".join(drawn.split())
    text = drawn
    for number, line in enumerate(_lines(text, font, room)):
        draw.text((corner[0], corner[1] + number * (room.letter + 4)), line, fill=room.colour, font=font)


def _best_font(text: str, letter: int) -> str:
    """Return the first font that has all letters of a text, else the one that has most of them."""
    most, best = -1, INSIDE
    for name in (INSIDE, *SYSTEM):
        count = sum(_has(c, name, letter) for c in text)
        if count == len(text):
            return name
        if count > most:
            most, best = count, name
    return best


def _lines(text: str, font: Any, room: Room) -> Iterator[str]:
    """Yield as many lines as there is room for, broken between words where that is possible."""
    for number in range(room.lines):
        last = number == room.lines - 1
        fits = _fitting(text, font, room.width)
        if fits == len(text):
            yield text
            return
        if last:
            yield f"{text[: _fitting(text, font, room.width - font.getlength('…'))].rstrip()}…"
            return
        end = text.rfind(" ", 1, fits + 1)
        end = fits if end < 0 else end
        yield text[:end]
        text = text[end:].lstrip()


def _fitting(text: str, font: Any, width: float) -> int:
    """Return how many letters of a text a line has room for, one at least."""
    return max(1, bisect_right(range(1, len(text) + 1), width, key=lambda end: font.getlength(text[:end])))


@lru_cache(maxsize=32)
def _font(name: str, letter: int) -> Any:
    """Return a font in a size: the one inside Pillow, or one of the system, None where it is not there."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(letter) if name == INSIDE else ImageFont.truetype(name, letter)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _has(character: str, name: str, letter: int) -> bool:
    font = _font(name, letter)
    if font is None or character.isspace():
        return font is not None
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010ffff"))


@lru_cache(maxsize=4096)
def _spelled(character: str, name: str, letter: int) -> str:
    """Return a character if a font has it, else without its accents, else nothing."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    known = (text for text in (character, plain) if text and all(_has(c, name, letter) for c in text))
    return next(known, "")
