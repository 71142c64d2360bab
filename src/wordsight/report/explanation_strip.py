"""An explained image as one drawn picture: it, the map under each text and the shifts, each with its text and verdict.

    write_explanation_strip(path, explained)       # PNG or JPEG, by the ending

A map that fails has a red frame and a cross, as on the page.
"""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.files import atomic_write
from wordsight.explain.in_words import shift_in_words, verdict_in_words
from wordsight.report.canvas import brief
from wordsight.report.contact_sheet import FORMATS, GAP, INK, PAPER, QUALITY, SOFT, Room, write
from wordsight.report.explanation_page import Explained, scores

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Colour = tuple[int, int, int]
NARROWEST = 260  # pixels: room for a text below an image
LETTER = 14  # pixels
LINE = LETTER + 4
ROOM = (2, 1, 3)  # lines of a title, a line and a verdict
LINES = sum(ROOM)
FRAME = 5  # pixels of the frame of a map that fails
GOOD, BAD = (21, 122, 70), (190, 40, 40)
CHECK, CROSS = (
    ((0.1, 0.55), (0.4, 0.85), (0.9, 0.15)),
    ((0.15, 0.15), (0.85, 0.85), (0.5, 0.5), (0.85, 0.15), (0.15, 0.85)),
)


class _Panel(NamedTuple):
    """An encoded image with what is written below it; `verdict` begins with its sign."""

    image: bytes
    title: str
    line: str
    verdict: str


def write_explanation_strip(out: Path, explained: Explained) -> Path:
    """Write the image, its maps and their shifts side by side to `out`; return it."""
    from PIL import Image, ImageDraw

    panels = _panels(explained)
    images = [_opened(panel.image) for panel in panels]
    width, height = images[0].size
    sheet = Image.new("RGB", (len(panels) * (width + GAP) + GAP, height + 2 * GAP + LINES * LINE + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (panel, image) in enumerate(zip(panels, images, strict=True)):
        left = GAP + number * (width + GAP)
        sheet.paste(image, (left, GAP))
        if panel.verdict.startswith("✗"):
            draw.rectangle((left, GAP, left + width - 1, GAP + height - 1), outline=BAD, width=FRAME)
        _write_below(draw, panel, (left, GAP + height + GAP // 2), width)
    with atomic_write(out) as handle:
        sheet.save(handle, FORMATS[out.suffix.lower()], quality=QUALITY)
    return out


def _panels(explained: Explained) -> list[_Panel]:
    first, *others = explained.texts
    maps = [
        _Panel(one.overlay, f"“{one.text}”", scores(one), verdict_in_words(one.verdict, one.checks))
        for one in explained.texts
    ]
    shifts = [
        _Panel(
            one.difference,
            f"blue: “{brief(first.text, 40)}”; orange: “{brief(one.text, 40)}”",
            "how it shifts",
            shift_in_words(first.verdict, one.verdict),
        )
        for one in others
    ]
    return [_Panel(explained.image, explained.name, f"maps by {explained.method}", ""), *maps, *shifts]


def _opened(data: bytes) -> "Image":
    """Return an image, enlarged to the room that its text needs."""
    from PIL import Image

    image = Image.open(BytesIO(data)).convert("RGB")
    if image.width >= NARROWEST:
        return image
    return image.resize((NARROWEST, max(1, round(image.height * NARROWEST / image.width))))


def _write_below(draw: "ImageDraw", panel: _Panel, corner: tuple[int, int], width: int) -> None:
    left, top = corner
    write(draw, (left, top), panel.title, Room(width, LETTER, lines=ROOM[0], colour=INK))
    write(draw, (left, top + ROOM[0] * LINE), panel.line, Room(width, LETTER, lines=ROOM[1], colour=SOFT))
    if not panel.verdict:
        return
    sign, words = panel.verdict.split(" ", 1)
    colour: Colour = {"✓": GOOD, "✗": BAD}.get(sign, SOFT)
    below = top + (ROOM[0] + ROOM[1]) * LINE
    if shape := {"✓": CHECK, "✗": CROSS}.get(sign):  # drawn: few fonts have these signs
        draw.line([(left + x * LETTER, below + 1 + y * LETTER) for x, y in shape], fill=colour, width=3)
        left, width = left + LINE, width - LINE
    write(draw, (left, below), words, Room(width, LETTER, lines=ROOM[2], colour=colour))
