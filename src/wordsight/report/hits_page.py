"""The page of a search: what was asked, and every hit with a small image, how well it fits and what is known of it.

    write_hits_page(Path("hits.html"), hits, Asked(query="red shoes", ...), columns=("price",))

One file that needs nothing else: no script, no request; each image leads to its file where it has one.  The page is
written hit by hit, so its length is not bounded by memory.  What comes from outside is escaped.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import InputError
from wordsight.base.files import atomic_write
from wordsight.base.terminal import escaped
from wordsight.base.value import Value
from wordsight.images.fragments import for_people, split
from wordsight.report.page import page_end, page_top
from wordsight.report.reason_parts import checks, map_over, reading, stated_why, switch_of
from wordsight.search.hits import Hit, Located, name_of, strength
from wordsight.search.thumbnails import address, as_jpeg, thumbnails

if TYPE_CHECKING:
    from wordsight.search.why import Reason

SIDE = 288  # pixels of a thumbnail's longer side: about 12 kB as JPEG, sharp at 210 points on most screens
CAPTIONS = "text"  # the column of captions, one a line
SHOWN_CAPTIONS = 2  # those of a hit that are seen at once
LONGEST = 600  # letters of a value
_STYLE = Path(__file__).parent / "hits.css"


@dataclass(frozen=True, slots=True)
class Asked:
    """A search in the words in which it was asked.

    `images` are those that were part of the query; `most` is the number of hits wanted, `least` the minimum.
    `failed` are the locations that gave no answer, each with the reason.
    """

    query: str
    locations: Sequence[Path]
    most: int
    time: str
    images: Sequence[Path] = ()
    model: str = ""
    without: Sequence[str] = ()
    where: str | None = None
    least: str = ""
    failed: Sequence[str] = ()


def write_hits_page(
    path: Path,
    hits: Sequence[Located],
    asked: Asked,
    *,
    columns: Sequence[str] | None = None,
    reasons: "Sequence[Reason] | None" = None,
) -> None:
    """Write the page, whole or not at all.  `columns` are shown of each hit; None: its captions, all else on demand.

    An image that cannot be read has a box with the reason.  `reasons` of the hits, in their order, give each its map,
    which lies over the image where the pointer is, or where a switch is on.
    """
    several = len(asked.locations) > 1
    with atomic_write(path, "w") as page:
        page.write(page_top(clean(asked.query), lead=_lead(hits, asked), style=_STYLE))
        page.write(f"{''.join(_query_images(asked.images))}{_facts(asked)}\n")
        page.write("<h2>Hits</h2>\n" if hits else "")
        page.write(reading(reasons or []))
        page.write('<ol class="seen">\n' if hits else "")
        images = thumbnails([one.hit for one in hits], as_jpeg, side=SIDE)
        for number, (one, jpeg) in enumerate(zip(hits, images, strict=True), start=1):
            reason = reasons[number - 1] if reasons else None
            view = _view(one, jpeg, "" if reason is None else map_over(jpeg, reason))
            switch = "" if reason is None else switch_of(reason, number)
            described = f"{_described(one, number, columns, several)}{'' if reason is None else stated_why(reason)}"
            page.write(f'<li>{view}{switch}<div class="told">{described}</div></li>\n')
        page.write("</ol>\n" if hits else "")
        foot = f"{checks(reasons or [])} Written by Wordsight, {asked.time}. The page loads nothing from anywhere."
        page.write(page_end(foot.strip()))


def clean(text: str) -> str:
    """Return one line of text in which nothing acts: line breaks as spaces, what is no character as its escape."""
    return escaped(" ".join(text.split()))


def _lead(hits: Sequence[Located], asked: Asked) -> str:
    if not hits:
        return "Nothing matches."
    count = "1 hit" if len(hits) == 1 else f"{len(hits):,} hits"
    return f"{count}, the best first" + (
        f"; no more than {asked.most:,} were asked for." if len(hits) == asked.most else "."
    )


def _facts(asked: Asked) -> str:
    facts = {
        "Without": ", ".join(asked.without),
        "Condition": asked.where or "",
        "Minimum": asked.least,
        "Place" if len(asked.locations) == 1 else "Places": ", ".join(map(str, asked.locations)),
        "Not answered": "; ".join(asked.failed),
        "Model": asked.model,
        "Date": asked.time,
    }
    rows = (f"<dt>{name}</dt><dd>{escape(clean(value))}</dd>" for name, value in facts.items() if value)
    return f'<dl class="asked">{"".join(rows)}</dl>'


def _query_images(images: Sequence[Path]) -> Iterator[str]:
    """Yield the images of the query; one that cannot be read any more is named in the heading only."""
    hits = [Hit(1.0, str(image), image, {}) for image in images]
    for image, jpeg in zip(images, thumbnails(hits, as_jpeg, side=SIDE // 2), strict=True):
        if not isinstance(jpeg, InputError):
            yield f'<img class="query-image" src="{address(jpeg)}" alt="the query {escape(clean(str(image)))}">'


def _view(one: Located, jpeg: bytes | InputError, over: str) -> str:
    """Return the image, leading to its file where it has one, or the reason why there is none; `over` lies on it."""
    hit = one.hit
    if isinstance(jpeg, InputError):
        inside = f'<div class="lost"><b>No picture</b>{escape(clean(jpeg.problem))}</div>'
    else:
        inside = f'<img src="{address(jpeg)}" alt="{escape(_alt(hit.meta, hit.key))}" loading="lazy" decoding="async">'
    inside += over
    if hit.path is None:
        return f'<div class="view">{inside}</div>'
    fragment = split(hit.key)[1]
    at = f"#{fragment}" if fragment and not fragment.startswith("frame") else ""  # which browsers know
    return f'<a class="view" href="{escape(file_address(hit.path) + at)}">{inside}</a>'


def _alt(meta: Mapping[str, Value], key: str) -> str:
    first = str(meta.get(CAPTIONS) or "").strip().splitlines()
    return clean(first[0] if first else key)[:LONGEST]


def file_address(path: Path) -> str:
    """Return the file:// address of a file."""
    return Path(os.path.abspath(path)).as_uri()


def _described(one: Located, number: int, columns: Sequence[str] | None, several: bool) -> str:
    hit = one.hit
    kind = "score" if hit.match is None else "match"
    parts = [f"<h3><span>{number}</span><span>{kind} {escape(strength(hit))}</span></h3>"]
    parts += _captions(hit.meta) if columns is None else [_values({name: hit.meta.get(name) for name in columns})]
    where = f"{one.location}: " if several and hit.path is None else ""
    name = name_of(hit) if several and hit.path is not None else for_people(hit.key)
    parts.append(f'<p class="name">{escape(clean(where + name))}</p>')
    rest = {name: value for name, value in hit.meta.items() if name != CAPTIONS}
    parts += [_folded("details", _values(rest))] if rest and columns is None else []
    return "".join(parts)


def _captions(meta: Mapping[str, Value]) -> Iterator[str]:
    lines = [line for line in str(meta.get(CAPTIONS) or "").splitlines() if line.strip()]
    yield from (f"<p>{escape(_cut(clean(line)))}</p>" for line in lines[:SHOWN_CAPTIONS])
    rest = lines[SHOWN_CAPTIONS:]
    if rest:
        items = "".join(f"<li>{escape(_cut(clean(line)))}</li>" for line in rest)
        yield _folded(f"{len(rest)} more {'caption' if len(rest) == 1 else 'captions'}", f"<ul>{items}</ul>")


def _values(values: Mapping[str, Value]) -> str:
    rows = (f"<dt>{escape(clean(name))}</dt><dd>{_lines(value) or '–'}</dd>" for name, value in values.items())
    return f"<dl>{''.join(rows)}</dl>"


def _lines(value: Value) -> str:
    lines = "" if value is None else _cut(str(value))
    return "<br>".join(escape(clean(line)) for line in lines.splitlines() if line.strip())


def _folded(summary: str, block: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{block}</details>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
