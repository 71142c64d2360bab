"""The dual encoder as one image with real numbers: images, captions, two towers and the matrix between them."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from wordsight.report.matrices import Matrix, shade
from wordsight.report.page import address

CELL = 62
LEFT, TOP = 330, 250  # where the matrix begins
TOWER = 84  # thickness of a tower
ROOM = 130  # to the right, for the last caption
STRONG = 0.7  # cosines above it are written in the paper's colour


def towers_figure(matrix: Matrix, *, images: Sequence[Path], captions: Sequence[str]) -> str:
    """Draw N images (rows) and N captions (columns) with their N x N cosines; 6 to 8 fit well."""
    count = len(captions)
    assert matrix.shape == (count, count) == (len(images), len(images))
    side = count * CELL
    width, height = LEFT + side + ROOM, TOP + side + 16
    parts = [_image_side(images, side), _text_side(captions, side), _cells(matrix)]
    title = "Pictures go through the image tower, captions through the text tower; each cell is a cosine"
    return (
        f'<svg class="chart wide alone" data-name="towers" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:var(--soft)"/></marker></defs>'
        f"{''.join(parts)}</svg>"
    )


def _image_side(images: Sequence[Path], side: int) -> str:
    """Return the column of images, the image tower and the arrows into the rows."""
    parts = []
    size, x = CELL - 8, 120
    for row, path in enumerate(images):
        y = TOP + row * CELL + 4
        middle = y + size / 2
        parts.append(f'<image href="{address(path)}" x="8" y="{y}" width="{size}" height="{size}"/>')
        parts.append(_arrow(f"M{size + 14} {middle}H{x - 4}") + _arrow(f"M{x + TOWER + 2} {middle}H{LEFT - 46}"))
        parts.append(f'<text x="{LEFT - 38}" y="{middle + 5}" class="strong">{_numbered("I", row)}</text>')
    parts.append(f'<path class="tower" d="M{x} {TOP}L{x + TOWER} {TOP + 40}V{TOP + side - 40}L{x} {TOP + side}Z"/>')
    at = f'transform="translate({x + TOWER / 2} {TOP + side / 2}) rotate(-90)" dy="5"'
    parts.append(f'<text class="mid strong" font-size="15" {at}>image tower</text>')
    return "".join(parts)


def _text_side(captions: Sequence[str], side: int) -> str:
    """Return the captions above, the text tower and the arrows into the columns."""
    parts = []
    base, thick = 138, 46  # where captions end, thickness of the tower
    for column, caption in enumerate(captions):
        x = LEFT + column * CELL + CELL / 2
        at = f'transform="translate({x - 2} {base - 8}) rotate(-32)"'
        parts.append(f'<text {at} font-size="11">{escape(_short(caption))}</text>')
        parts.append(_arrow(f"M{x} {base - 4}V{base + 12}") + _arrow(f"M{x} {base + 16 + thick}V{TOP - 26}"))
        parts.append(f'<text x="{x}" y="{TOP - 12}" class="mid strong">{_numbered("T", column)}</text>')
    y, right = base + 14, LEFT + side
    outline = f"M{LEFT} {y}H{right}L{right - 40} {y + thick}H{LEFT + 40}Z"
    parts.append(f'<path class="tower text" d="{outline}"/>')
    at = f'x="{LEFT + side / 2}" y="{y + thick / 2 + 5}"'
    parts.append(f'<text class="mid strong" font-size="15" {at}>text tower</text>')
    return "".join(parts)


def _arrow(path: str) -> str:
    return f'<path class="flow" marker-end="url(#tip)" d="{path}"/>'


def _numbered(letter: str, index: int) -> str:
    return f'{letter}<tspan dy="4" font-size="11">{index + 1}</tspan>'


def _cells(matrix: Matrix) -> str:
    parts = []
    for row in range(len(matrix)):
        for column in range(len(matrix)):
            value = float(matrix[row, column])
            x, y = LEFT + column * CELL, TOP + row * CELL
            kind = " inverse" if value > STRONG else ""
            edge = 'stroke="currentColor" stroke-width="1.5"' if row == column else ""
            parts.append(
                f'<rect x="{x + 2}" y="{y + 2}" width="{CELL - 4}" height="{CELL - 4}" rx="5" {shade(value)} {edge}/>'
            )
            parts.append(f'<text x="{x + CELL / 2}" y="{y + CELL / 2 + 4}" class="mid{kind}">{value:.2f}</text>')
    return "".join(parts)


def _short(text: str, limit: int = 34) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
