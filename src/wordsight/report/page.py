"""The frame of a page: one self-contained HTML file, with the style inside and every image as a data address.

    text = page("Title", lead="...", blocks=[section("Curves", figure), ...])

Every function returns HTML; text that comes from outside is escaped here, so callers hand in plain text where the
parameter is called `text` or `alt`, and HTML where it is called `block`.  Nothing is loaded from anywhere.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from pathlib import Path

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import sha256_bytes
from wordsight.base.reading import IMAGE_LIMIT, read_file
from wordsight.report.canvas import brief, plain

_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
RETRIEVAL = dict.fromkeys(("text_to_image", "image_to_text"), "retrieval")  # what both directions are called
_MARK = re.compile(' data-kind="([^"]*)"')
_STYLES = (Path(__file__).parent / "page.css", Path(__file__).parent / "figures.css")


def page(title: str, *, lead: str, blocks: Sequence[str], foot: str = "") -> str:
    """Return a whole HTML document; `lead` and `foot` are plain text."""
    inside = "\n".join(block for block in blocks if block)
    return f"{page_top(title, lead=lead)}{inside}\n{page_end(foot)}"


def page_top(title: str, *, lead: str, style: Path | None = None) -> str:
    """Return what stands before the blocks of a page, for one that is written block by block.

    `style` is a further style sheet.  The policy in the head forbids the page every request and every script.
    """
    sheets = "".join(sheet.read_text(encoding="utf-8") for sheet in (*_STYLES, style) if sheet)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{sheets}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n'
    )


def page_end(foot: str) -> str:
    """Return what stands behind the blocks of a page."""
    return f"<footer>{escape(foot)}</footer>\n</main>\n</body>\n</html>\n"


def section(heading: str, *blocks: str, text: str = "") -> str:
    """Return a headed part of the page, or nothing when all its blocks are empty."""
    if not any(blocks):
        return ""
    intro = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(heading)}</h2>{intro}{''.join(blocks)}</section>"


def contents(headings: Mapping[str, Sequence[str]]) -> str:
    """Return a table of contents with links to the sections that `anchored` makes, nothing for fewer than three links.

    `headings`: each with the kinds within it that are linked below it.
    """
    if len(headings) + sum(len(kinds) for kinds in headings.values() if len(kinds) > 1) < 3:
        return ""
    items = []
    for heading, kinds in headings.items():
        links = ", ".join(
            f'<a href="#{_anchor(heading, kind)}">{escape(brief(kind))}</a>' for kind in kinds if len(kinds) > 1
        )
        within = f'<span class="kinds">{links}</span>' if links else ""
        items.append(f'<li><a href="#{_anchor(heading)}">{escape(brief(heading))}</a>{within}</li>')
    return f'<nav aria-label="contents"><ul class="contents">{"".join(items)}</ul></nav>'


def anchored(heading: str, block: str) -> str:
    """Return a headed part of the page to which the table of contents leads, and to each kind marked in it."""
    several = len(kinds_of(block)) > 1
    seen: set[str] = set()

    def addressed(mark: re.Match[str]) -> str:
        kind = unescape(mark[1])
        if kind in seen or not several:
            return ""
        seen.add(kind)
        return f' id="{_anchor(heading, kind)}"'

    block = _MARK.sub(addressed, block)
    return f'<section id="{_anchor(heading)}"><h2>{escape(brief(heading, 120))}</h2>{block}</section>'


def kind_mark(measure: str) -> str:
    """Return the attribute by which an element says of which kind it is; `anchored` makes an address of the first."""
    kind = plain(measure).partition("/")[0].partition(" (")[0]
    return f' data-kind="{escape(RETRIEVAL.get(kind, kind))}"' if kind else ""


def titled(title: str, measure: str, aside: str = "") -> str:
    """Return a heading within a data set, marked by the kind of its measure; `aside` is HTML."""
    return f"<h3{kind_mark(measure)}>{escape(title)}{aside}</h3>"


def kinds_of(block: str) -> list[str]:
    """Return the kinds that are marked in a block, in their order."""
    return list(dict.fromkeys(unescape(kind) for kind in _MARK.findall(block)))


def _anchor(heading: str, kind: str = "") -> str:
    """Return an address for a heading: two headings have two, whatever letters they are of."""
    words = f"{heading}\0{kind}"
    return f"part-{sha256_bytes(words.encode(errors='replace'))[:10]}"


def box(block: str) -> str:
    """Return a card around a block, or nothing around nothing."""
    return f'<div class="box">{block}</div>' if block else ""


def note(text: str) -> str:
    """Return a small grey paragraph."""
    return f'<p class="note">{escape(text)}</p>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return the figures that head a page: (figure, what it is)."""
    cards = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in pairs
    )
    return f'<div class="facts">{cards}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of plain texts."""
    top = "".join(f"<th>{escape(plain(cell))}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(plain(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def image(path: Path, alt: str) -> str:
    """Return an `<img>` with the file inside it; `alt` says what it shows."""
    return f'<img src="{address(path)}" alt="{escape(alt)}">'


def address(path: Path) -> str:
    """Return the file as a data address."""
    if path.suffix.lower() not in _TYPES:
        raise FormatError(f"{path} cannot be put into a page", cure=f"record pictures as {', '.join(_TYPES)}")
    try:
        data = read_file(path, limit=IMAGE_LIMIT)
    except FileNotFoundError:
        raise NotFound(f"the record names {path}, which is not there", cure="record the run again") from None
    return f"data:{_TYPES[path.suffix.lower()]};base64,{base64.b64encode(data).decode('ascii')}"
