"""The figures of a page as files of their own: SVG that needs no page, and PNG for slides and papers.

    save_figures(page_text, Path("figures"))       # -> [figures/overview.svg, figures/overview.png, ...]

Each figure is taken out of the finished page as it stands there in its wide form, in the light colours.  PNG is made by
resvg (extra `report`), with the font inside Pillow for whatever machine has no others.
"""

import re
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, MissingExtra
from wordsight.base.files import atomic_write, plain_name
from wordsight.base.optional import require
from wordsight.base.progress import notice

MOST_PIXELS = 8000  # of a PNG's longer side, where the drawing itself is not longer: bars of 1,000 classes
_SIDES = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
SCALE = 2  # pixels of a PNG for one of the drawing: sharp in print at half the width of a page
INSIDE = "Aileron"  # the font inside Pillow (CC0); it has those of English
_FIGURE = re.compile(r'<svg class="chart wide[^"]*" data-name="([^"]*)".*?</svg>', re.DOTALL)
_VARIABLE = re.compile(r"var\((--[\w-]+)\)")
_STYLES = Path(__file__).parent
_SPACE_OF_NAMES = '<svg xmlns="http://www.w3.org/2000/svg" '
_LABEL = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def save_figures(page: str, folder: Path) -> list[Path]:
    """Write every figure of a page to `folder` as NAME.svg and NAME.png; return the paths.

    Without resvg it is a `MissingExtra` before anything is written.  Letters beyond those of English depend on
    the fonts of the machine, which a notice says.
    """
    resvg = require("resvg_py", extra="report")
    paths = []
    with tempfile.TemporaryDirectory() as scratch:
        inside = _inside_font()
        font = Path(scratch) / "inside.ttf"
        font.write_bytes(inside.font_bytes)
        for name, drawing in figures_in(page):
            vector, pixels = folder / f"{name}.svg", folder / f"{name}.png"
            if letters_beyond(drawing, inside):
                notice(
                    "letters that no font of this machine has are left out of the PNG files; the SVG files have them",
                    once=True,
                )
            with atomic_write(vector, "w") as text:
                text.write(drawing)
            with atomic_write(pixels) as data:
                data.write(_png(resvg, drawing, font))
            paths += [vector, pixels]
    return paths


def figures_in(page: str) -> Iterator[tuple[str, str]]:
    """Yield (name, standalone SVG) of the figures of a page; a name that occurs again gets a number."""
    css = (_STYLES / "page.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]+)", css[: css.index("@media")]))
    rules = (_STYLES / "figures.css").read_text(encoding="utf-8")
    used: dict[str, int] = {}
    for match in _FIGURE.finditer(page):
        name = plain_name(unescape(match[1]), otherwise="figure").lower()
        used[name] = used.get(name, 0) + 1
        unique = name if used[name] == 1 else f"{name}-{used[name]}"
        style = f"<style>{rules}</style><rect width='100%' height='100%' fill='{colours['--card']}'/>"
        opening, rest = match[0].split(">", 1)
        drawing = f"{opening.replace('<svg ', _SPACE_OF_NAMES, 1)}>{style}{rest}"
        yield unique, _VARIABLE.sub(lambda variable: colours[variable[1]], drawing)


def _png(resvg: Any, drawing: str, font: Path) -> bytes:
    families = {"sans_serif_family": INSIDE, "font_family": INSIDE}
    try:
        sides = _SIDES.search(drawing)
        longest = max(map(float, sides.groups())) if sides else 1.0
        zoom = max(1, min(SCALE, int(MOST_PIXELS / longest)))
        return bytes(resvg.svg_to_bytes(svg_string=drawing, zoom=zoom, font_files=[str(font)], **families))
    except ValueError as error:
        raise FormatError(
            f"a figure cannot be drawn as PNG: {error}", cure="the SVG beside it holds the same"
        ) from None


def letters_beyond(drawing: str, font: Any) -> set[str]:
    """Return the letters of a drawing's labels that a font of Pillow does not have."""
    letters = {letter for label in _LABEL.findall(drawing) for letter in unescape(_TAG.sub("", label))}
    nothing = bytes(font.getmask("\U0010ffff"))
    return {letter for letter in letters if not letter.isspace() and bytes(font.getmask(letter)) == nothing}


def _inside_font() -> Any:
    """Return the font inside Pillow."""
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise MissingExtra(
            "this Pillow has no font inside, so labels could be missing", cure="pip install --force-reinstall pillow"
        )
    return font
