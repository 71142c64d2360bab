"""Images in the letters of a terminal: each cell is an upper half block, so it shows two pixels, one above the other.

    lines = half_blocks(pixels)             # pixels uint8 (2 * rows, columns, 3) -> a Strip for each row
    fit(640, 480, columns=24, rows=12)      # columns and rows that keep its proportions

It needs 24-bit colours and nothing else, so it works over SSH and inside tmux.  Knows no image file.
"""

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from wordsight.base.arrays import Pixels

UPPER = "▀"


def fit(width: int, height: int, *, columns: int, rows: int) -> tuple[int, int]:
    """Return the columns and rows of a box in which an image of these sides keeps its proportions."""
    scale = min(columns / max(width, 1), 2 * rows / max(height, 1))
    return min(max(round(width * scale), 1), columns), min(max(round(height * scale / 2), 1), rows)


def half_blocks(pixels: Pixels) -> list[Strip]:
    """Return pixels, uint8 (2 R, C, 3), as R lines of C cells."""
    colours = [[Color.from_rgb(*pixel) for pixel in line] for line in pixels.tolist()]
    pairs = zip(colours[::2], colours[1::2], strict=True)
    return [
        Strip([Segment(UPPER, Style(color=a, bgcolor=b)) for a, b in zip(above, below, strict=True)], len(above))
        for above, below in pairs
    ]
