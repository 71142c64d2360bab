"""A word written onto an image: the typographic attack, which asks whether a model reads instead of looking.

    attacked = write_word(pixels, "iPod", WordStyle("note", position="middle", size=0.15))
    for style in word_styles(sizes=(0.1, 0.2)): ...     # a grid: 3 fonts x 9 positions x the sizes

Sources: Goh et al., "Multimodal Neurons in Artificial Neural Networks", Distill 2021 (an apple with a note "iPod" on
it); Westerhoff et al., "SCAM", 2025: words that are drawn lower accuracy about as much as photographed notes do.

The letters are those of the font that Pillow brings with it (Aileron, a subset: mostly English).  Positions do not look
at what the image shows: a word may cover the object itself, so compare with the same note without a misleading word.
Versions of FreeType may differ in single levels at the rims of letters.  Knows nothing of classes or models.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

WordFont = Literal["plain", "outlined", "note"]  # letters alone, with a rim of the other colour, on a pale box
WordPosition = Literal[
    "top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right"
]
Colour = tuple[int, int, int]
_Box = tuple[int, int, int, int]  # left, top, right, bottom, as Pillow's

WORD_FONTS: tuple[WordFont, ...] = get_args(WordFont)
WORD_POSITIONS: tuple[WordPosition, ...] = get_args(WordPosition)
WORD_SIZES = (0.05, 0.1, 0.15, 0.2, 0.25)  # of the image's height

LEAST_LETTERS = 4.0  # pixels of font size; smaller ones are grey dots
_MARGIN = 0.02  # of the shorter side, between word and border
_RIM = 0.08  # of the font size: the outline
_PADDING = 0.35  # of the font size: the pale border of a note around its word
_PAPER: Colour = (255, 244, 160)  # of a note: its usual yellow
_INK: Colour = (24, 24, 32)  # on a note
_BLACK: Colour = (0, 0, 0)
_WHITE: Colour = (255, 255, 255)
_LUMINANCE = np.array((0.2126, 0.7152, 0.0722))  # of linear sRGB; WCAG 2.2, "relative luminance"
_FLARE = 0.05  # added to both luminances of a contrast ratio; WCAG 2.2


@dataclass(frozen=True, slots=True)
class WordStyle:
    """How a word is written.  `size` is the font size as a share of the image's height, 0.05 to 0.25."""

    font: WordFont = "outlined"
    position: WordPosition = "middle"
    size: float = 0.15

    def __post_init__(self) -> None:
        if self.font not in WORD_FONTS:
            raise UsageError(f"no font {self.font!r} for a word", cure=f"choose one of: {', '.join(WORD_FONTS)}")
        if self.position not in WORD_POSITIONS:
            raise UsageError(f"no position {self.position!r}", cure=f"choose one of: {', '.join(WORD_POSITIONS)}")
        if not WORD_SIZES[0] <= self.size <= WORD_SIZES[-1]:
            raise UsageError(f"a word of size {self.size!r}", cure="give a share of the height from 0.05 to 0.25")


def word_styles(
    fonts: Sequence[WordFont] = WORD_FONTS,
    positions: Sequence[WordPosition] = WORD_POSITIONS,
    sizes: Sequence[float] = WORD_SIZES,
) -> tuple[WordStyle, ...]:
    """Return every combination as a style, sizes changing fastest: 135 of all."""
    return tuple(WordStyle(*one) for one in itertools.product(fonts, positions, sizes))


def write_word(pixels: Pixels, word: str, style: WordStyle) -> Pixels:
    """Return an image uint8 (H, W, 3) with a word (or several, on one line) written onto it; the given one stays.

    Letters without a box are black or white, whichever has the greater contrast ratio (WCAG 2.2) to the mean of what
    they cover.  A word too long for the width becomes smaller.  An empty word, one with a character that the font lacks
    (Chinese, emoji), letters of less than 4 pixels and other shapes raise `UsageError`.
    """
    from PIL import Image, ImageDraw

    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UsageError(f"an image of {pixels.dtype} {pixels.shape}", cure="give uint8 (H, W, 3)")
    _check_word(word)
    height, width, _ = pixels.shape
    size = _fitting_size(word, style, height, width)
    rim, padding = _surroundings(style.font, size)
    font = _font(size)
    inner = font.getbbox(word, stroke_width=rim)
    left, top, right, bottom = _box(inner, padding, style.position, (height, width))
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    if style.font == "note":
        draw.rectangle((left, top, right - 1, bottom - 1), fill=_PAPER)
        colour, other = _INK, _INK
    else:
        colour, other = _contrasting(pixels[top:bottom, left:right])
    corner = (left + padding - int(inner[0]), top + padding - int(inner[1]))
    draw.text(corner, word, fill=colour, font=font, stroke_width=rim, stroke_fill=other)
    return np.array(image)


def _check_word(word: str) -> None:
    """Refuse a word that cannot be written on one line in the letters that there are."""
    if not word.strip():
        raise UsageError(f"the word {word!r} has no letters", cure="give one that can be seen")
    lacking = "".join(dict.fromkeys(letter for letter in word if not _is_drawn(letter)))
    if lacking:
        raise UsageError(
            f"the font has no {lacking!r}, so {word!r} cannot be written",
            cure="write it in unaccented Latin letters, or leave this word out",
        )


@lru_cache(maxsize=1024)
def _is_drawn(letter: str) -> bool:
    """Return whether the font has a letter: whether it looks different from U+FFFF, which no font has."""
    font = _font(32)
    return letter.isprintable() and (letter == " " or _shape(font, letter) != _shape(font, "\uffff"))


def _shape(font: "FreeTypeFont", letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=64)
def _font(size: float) -> "FreeTypeFont":
    """Return Pillow's own font at a size in pixels, laid out alike with and without the library Raqm."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def _surroundings(font: WordFont, size: float) -> tuple[int, int]:
    """Return the pixels of the rim of every letter and of the border around the word."""
    return (max(1, round(_RIM * size)) if font == "outlined" else 0, round(_PADDING * size) if font == "note" else 0)


def _margin(height: int, width: int) -> int:
    return round(_MARGIN * min(height, width))


def _fitting_size(word: str, style: WordStyle, height: int, width: int) -> float:
    """Return the font size in pixels: the style's, or what fits the width."""
    size = style.size * height
    room = width - 2 * _margin(height, width)
    while size >= LEAST_LETTERS:
        rim, padding = _surroundings(style.font, size)
        left, _, right, _ = _font(size).getbbox(word, stroke_width=rim)
        needed = right - left + 2 * padding
        if needed <= room:
            return size
        size = min(size * room / needed, size - 0.25)
    raise UsageError(
        f"{word!r} does not fit {width} x {height} pixels in letters of {LEAST_LETTERS:g} or more",
        cure="give a larger image or size, or a shorter word",
    )


def _box(inner: tuple[float, ...], padding: int, position: WordPosition, shape: tuple[int, int]) -> _Box:
    """Return what a word with its border covers, from `inner`, what its letters cover at the origin."""
    height, width = shape
    margin = _margin(height, width)
    wide, high = int(inner[2] - inner[0]) + 2 * padding, int(inner[3] - inner[1]) + 2 * padding
    across = 0 if "left" in position else 2 if "right" in position else 1
    down = 0 if "top" in position else 2 if "bottom" in position else 1
    left = (margin, (width - wide) // 2, width - margin - wide)[across]
    top = (margin, (height - high) // 2, height - margin - high)[down]
    return left, top, left + wide, top + high


def _contrasting(covered: Pixels) -> tuple[Colour, Colour]:
    """Return black and white, first the one with the greater contrast ratio to the mean of (h, w, 3)."""
    values = covered.reshape(-1, 3) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    luminance = float(linear.mean(axis=0) @ _LUMINANCE)
    against_black = (luminance + _FLARE) / _FLARE
    against_white = (1 + _FLARE) / (luminance + _FLARE)
    return (_BLACK, _WHITE) if against_black >= against_white else (_WHITE, _BLACK)
