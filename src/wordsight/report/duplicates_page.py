"""The page of duplicates: every group with its images side by side, the one that is kept first, and why.

    write_duplicates_page(Path("same.html"), location, result)

One file that needs nothing else, written group by group.  What comes from outside is escaped.
"""

import time
from html import escape
from pathlib import Path

from wordsight.base.errors import InputError
from wordsight.base.files import atomic_write
from wordsight.base.reading import in_words
from wordsight.report.hits_page import SIDE, clean, file_address
from wordsight.report.page import page_end, page_top
from wordsight.search.duplicates.finding import DuplicateGroup, FoundDuplicates, GroupMember
from wordsight.search.hits import Hit
from wordsight.search.thumbnails import address, as_jpeg, thumbnails

_STYLE = Path(__file__).parent / "hits.css"


def write_duplicates_page(path: Path, location: Path, result: FoundDuplicates) -> None:
    """Write the page, whole or not at all; an image that cannot be shown has a box with the reason."""
    lead = f"{len(result.groups):,} groups among {result.compared:,} images; {in_words(result.freed)} could be freed."
    with atomic_write(path, "w") as page:
        page.write(page_top(clean(f"Duplicates in {location}"), lead=lead, style=_STYLE))
        for number, group in enumerate(result.groups, start=1):
            freed = f", {in_words(group.freed)} to free" if group.freed else ""
            page.write(f'<h2>Group {number}: {group.kind}{freed}</h2>\n<ol class="seen">\n')
            hits = [Hit(1.0, one.image.key, one.image.file, {}) for one in group.members]
            for member, jpeg in zip(group.members, thumbnails(hits, as_jpeg, side=SIDE), strict=True):
                page.write(_item(group, member, jpeg))
            page.write("</ol>\n")
        page.write(page_end(f"Written by Wordsight, {time.strftime('%Y-%m-%d %H:%M')}. The page loads nothing."))


def _item(group: DuplicateGroup, member: GroupMember, jpeg: bytes | InputError) -> str:
    image = member.image
    if isinstance(jpeg, InputError):
        inside = f'<div class="lost"><b>No picture</b>{escape(clean(jpeg.problem))}</div>'
    else:
        inside = f'<img src="{address(jpeg)}" alt="{escape(clean(image.key))}" loading="lazy" decoding="async">'
    view = f'<div class="view">{inside}</div>'
    if image.file is not None:
        view = f'<a class="view" href="{escape(file_address(image.file))}">{inside}</a>'
    action = "move" if member.is_moved else "keep"
    kind = "" if member is group.members[0] else member.kind
    sides = f"{image.width} x {image.height}" if image.width else ""
    facts = ", ".join(part for part in (sides, in_words(image.size), image.moment) if part)
    described = (
        f"<h3><span>{kind}</span><span>{action}</span></h3><p>{escape(clean(member.reason))}</p>"
        f'<p>{escape(facts)}</p><p class="name">{escape(clean(image.key))}</p>'
    )
    return f'<li>{view}<div class="told">{described}</div></li>\n'
