"""A page of hits as a grid of small images, one of which is chosen; it draws itself, whatever the number of hits.

    grid.show(hits)                 # the first page; images come as they are decoded
    grid.chosen                     # the hit under the cursor

Sends `HitGrid.Chosen` when another hit is chosen, `HitGrid.Wanted` with the hits whose images are to be decoded.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from wordsight.base.arrays import Pixels
from wordsight.base.terminal import escaped
from wordsight.browse.cells import fit, half_blocks
from wordsight.search.hits import Hit, percent

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = ((16, 6), (26, 10), (40, 15), (64, 24))  # columns and rows of a cell, its line of text included
FIRST_ZOOM = 1
WAITING, BROKEN = Style(color="grey50"), Style(color="red")


class HitGrid(Widget, can_focus=True):
    """How large a cell is, is a position in `SIZES`."""

    BINDINGS = [  # noqa: RUF012  # as textual wants it
        Binding("left", "move(-1)", "left", show=False),
        Binding("right", "move(1)", "right", show=False),
        Binding("up", "move_line(-1)", "up", show=False),
        Binding("down", "move_line(1)", "down", show=False),
        Binding("pagedown", "move_page(1)", "next page"),
        Binding("pageup", "move_page(-1)", "page before", show=False),
        Binding("home", "move(-1000000)", "first", show=False),
        Binding("end", "move(1000000)", "last", show=False),
        Binding("z", "resize", "larger, smaller"),
    ]

    class Chosen(Message):
        """Another hit is chosen, or none."""

        def __init__(self, hit: Hit | None) -> None:
            super().__init__()
            self.hit = hit

    class Wanted(Message):
        """The images of these hits are wanted by a grid, at most this many pixels wide and high."""

        def __init__(self, grid: "HitGrid", hits: Sequence[Hit], side: int) -> None:
            super().__init__()
            self.grid = grid
            self.hits = hits
            self.side = side

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hits: Sequence[Hit] = ()
        self._at = 0
        self._zoom = FIRST_ZOOM
        self._images: dict[str, list[Strip]] = {}  # by key, in cells of this size
        self._broken: set[str] = set()

    @property
    def chosen(self) -> Hit | None:
        """The hit under the cursor."""
        return self._hits[self._at] if self._at < len(self._hits) else None

    @property
    def position(self) -> tuple[int, int]:
        """The number of the chosen hit from 1, and of all; 0 of 0 for none."""
        return min(self._at + 1, len(self._hits)), len(self._hits)

    def show(self, hits: Sequence[Hit], *, at: int = 0) -> None:
        """Show these hits, the one at this position chosen, or the last where there are fewer."""
        self._hits, self._at = hits, min(at, max(len(hits) - 1, 0))
        self._changed()

    def draw(self, key: str, pixels: Pixels | None) -> None:
        """Give the image of a hit, uint8 (H, W, 3); None where it cannot be read."""
        if pixels is None:
            self._broken.add(key)
        else:
            self._images[key] = half_blocks(pixels)
        self.refresh()

    def box(self, width: int, height: int) -> tuple[int, int]:
        """Return the pixels, width and height, that an image of these sides has in a cell."""
        columns, rows = fit(width, height, columns=self._cell[0] - 2, rows=self._cell[1] - 2)
        return columns, 2 * rows

    @property
    def _cell(self) -> tuple[int, int]:
        return SIZES[self._zoom]

    @property
    def _columns(self) -> int:
        return max(self.size.width // self._cell[0], 1)

    @property
    def _lines(self) -> int:
        return max(self.size.height // self._cell[1], 1)

    @property
    def _page(self) -> int:
        """The position of the first hit of the page that holds the chosen one."""
        count = self._columns * self._lines
        return self._at // count * count

    def action_move(self, by: int) -> None:
        """Choose another hit."""
        self._at = min(max(self._at + by, 0), max(len(self._hits) - 1, 0))
        self._changed()

    def action_move_line(self, by: int) -> None:
        """Choose the hit above or below."""
        if 0 <= self._at + by * self._columns < len(self._hits):
            self.action_move(by * self._columns)

    def action_move_page(self, by: int) -> None:
        """Choose a hit of the next page."""
        self.action_move(by * self._columns * self._lines)

    def action_resize(self) -> None:
        """Show the images larger, or the smallest after the largest."""
        self._zoom = (self._zoom + 1) % len(SIZES)
        self._images.clear()
        self._changed()

    def on_resize(self, event: events.Resize) -> None:
        """Ask for what is seen now."""
        self._changed()

    def on_click(self, event: events.Click) -> None:
        """Choose the hit that was clicked on."""
        at = self._page + event.y // self._cell[1] * self._columns + min(event.x // self._cell[0], self._columns - 1)
        if at < len(self._hits):
            self._at = at
            self._changed()

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Chosen(self.chosen))
        page = self._hits[self._page : self._page + self._columns * self._lines]
        wanted = [hit for hit in page if hit.key not in self._images and hit.key not in self._broken]
        if wanted and self.size.width:
            self.post_message(self.Wanted(self, wanted, 2 * max(self._cell)))

    def render_lines(self, crop: Region) -> list[Strip]:
        """See textual: the lines of the grid that lie in a region."""
        lines = [self._line(y).crop(crop.x, crop.right) for y in range(crop.y, crop.bottom)]
        return [line.adjust_cell_length(crop.width) for line in lines]

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the whole width."""
        return container.width

    def _line(self, y: int) -> Strip:
        height = self._cell[1]
        first = self._page + y // height * self._columns
        inside = y // height < self._lines
        hits = self._hits[first : first + self._columns] if inside else ()
        return Strip.join([self._part(hit, y % height, first + n == self._at) for n, hit in enumerate(hits)])

    def _part(self, hit: Hit, y: int, is_chosen: bool) -> Strip:
        """Return one line of a cell."""
        width, height = self._cell
        if y == height - 2:
            text = set_cell_size(f" {caption(hit)}", width - 1)
            return Strip([Segment(text, Style(reverse=is_chosen, bold=is_chosen)), Segment(" ")], width)
        image = self._images.get(hit.key)
        if image is None:
            words = "cannot be read" if hit.key in self._broken else "..."
            text = words if y == 0 else ""
            return Strip([Segment(set_cell_size(f" {text}", width), BROKEN if hit.key in self._broken else WAITING)])
        if y >= len(image):
            return Strip([Segment(" " * width)], width)
        left = (width - 1 - image[y].cell_length) // 2
        return Strip.join([Strip([Segment(" " * left)], left), image[y]]).adjust_cell_length(width)


def caption(hit: Hit) -> str:
    """Return what stands below an image: its probability, where known, and its name."""
    name = escaped(hit.key.rpartition("/")[2])
    likely = "" if hit.match is None else f"{percent(hit.match)} "
    return f"{likely}{name}{f' +{len(hit.alike)}' if hit.alike else ''}"


def shrunk(image: "Image", size: tuple[int, int]) -> Pixels:
    """Return a Pillow image as pixels (height, width, 3) of this width and height."""
    from PIL.Image import Resampling

    return np.asarray(image.resize(size, Resampling.BOX))
