"""Matrices as squares: cosines without labels, and tables of numbers with the names of rows and columns."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from wordsight.report.canvas import NARROW, distinct_names, number, percent, plain, single, svg, text, text_width

Matrix = NDArray[np.floating]
MOST = 40  # rows and columns that are drawn of a larger matrix
WRITTEN = 30  # pixels: in cells from this size on the number is written
NAMES = 150  # pixels for the name of a row


@dataclass(frozen=True, slots=True)
class NamedMatrix:
    """A matrix with names for its R rows and C columns; NaN where there is no value."""

    rows: Sequence[str]
    columns: Sequence[str]
    values: Matrix  # (R, C)


def heatmap(matrix: Matrix, *, cell: int = 11) -> str:
    """Draw cosines as squares: the fuller the colour the nearer to 1; below 0 in the cold colour."""
    rows, columns = matrix.shape
    squares = [
        f'<rect x="{column * cell}" y="{row * cell}" width="{cell - 1}" height="{cell - 1}" rx="1.5" '
        f"{shade(float(matrix[row, column]))}/>"
        for row in range(rows)
        for column in range(columns)
    ]
    return svg("".join(squares), columns * cell, rows * cell)


def shade(value: float) -> str:
    """Return the fill of a cosine: opacity is its size, the colour its sign."""
    name = "--a" if value >= 0 else "--cold"
    return f'style="fill:var({name});fill-opacity:{min(1.0, 0.04 + 0.96 * abs(value)):.3f}"'


def largest_part(matrix: NamedMatrix) -> NamedMatrix:
    """Return a matrix that can be read: of more than `MOST` rows or columns those that hold most.

    Where rows and columns have the same names (a confusion matrix) that is what lies beside the diagonal.
    """
    if max(matrix.values.shape) <= MOST:
        return matrix
    sizes = np.nan_to_num(np.abs(matrix.values.astype(np.float64)))
    if list(matrix.rows) == list(matrix.columns):
        np.fill_diagonal(sizes, 0.0)
        rows = columns = _largest(sizes.sum(axis=0) + sizes.sum(axis=1))
    else:
        rows, columns = _largest(sizes.sum(axis=1)), _largest(sizes.sum(axis=0))
    names = [matrix.rows[i] for i in rows], [matrix.columns[i] for i in columns]
    return NamedMatrix(*names, matrix.values[np.ix_(rows, columns)])


def _largest(sizes: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.sort(np.argsort(-sizes, kind="stable")[:MOST])


def named_matrix(name: str, matrix: NamedMatrix, *, title: str, percents: bool) -> str:
    """Return the figure of a matrix with its labels; it scrolls in its box where the page is narrower."""
    rows, columns = matrix.values.shape
    if not rows or not columns:
        return ""
    cell = 44 if columns <= 12 else 30 if columns <= 20 else 22
    left = min(NAMES, max(text_width(plain(row)) for row in matrix.rows) + 22)
    widest = max(text_width(plain(column)) for column in matrix.columns)
    top = min(NAMES, widest) * 0.77 + 20  # 0.77 is the sine of 50 degrees
    right = 24 + min(NAMES, widest) * 0.64
    finite = matrix.values[np.isfinite(matrix.values)]
    largest = float(np.abs(finite).max()) if finite.size else 1.0
    parts = []
    for i, column in enumerate(distinct_names(matrix.columns, NAMES)):
        at = f'transform="translate({left + (i + 0.5) * cell + 3:g} {top - 7:.1f}) rotate(-50)"'
        parts.append(f"<text {at}>{escape(column)}</text>")
    for i, (row, label) in enumerate(zip(matrix.rows, distinct_names(matrix.rows, left - 16), strict=True)):
        parts.append(text(left - 8, round(top + (i + 0.5) * cell + 4, 1), label, "end"))
        for j, column in enumerate(matrix.columns):
            hint = f"{plain(row)}, {plain(column)}"
            corner = (round(left + j * cell, 1), round(top + i * cell, 1))
            parts.append(_cell(float(matrix.values[i, j]), hint, (*corner, cell), (largest, percents)))
    width = round(left + columns * cell + right)
    drawing = single(name, title=title, drawing=svg("".join(parts), width, round(top + rows * cell + 6)))
    return drawing + ('<p class="sideways">scroll sideways →</p>' if width > NARROW else "")


def _cell(value: float, hint: str, square: tuple[float, float, int], scale: tuple[float, bool]) -> str:
    x, y, cell = square
    largest, percents = scale
    if not math.isfinite(value):
        return f'<rect x="{x:g}" y="{y:g}" width="{cell - 2}" height="{cell - 2}" class="track"/>'
    written = f"{100 * value:.0f}" if percents else number(value)
    full = escape(f"{hint}: {percent(value) if percents else number(value)}")
    share = value / (largest or 1.0)
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{cell - 2}" height="{cell - 2}" rx="2" {shade(share)}>'
        f"<title>{full}</title></rect>"
    ]
    if cell >= WRITTEN and text_width(written) < cell:
        kind = "mid inverse" if abs(share) > 0.6 else "mid"
        parts.append(text(x + cell / 2 - 1, y + cell / 2 + 3.5, written, kind))
    return "".join(parts)
