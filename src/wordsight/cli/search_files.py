"""What `wordsight search` writes to files: a page (and opens it), a contact sheet, the pictures themselves."""

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.files import require_file
from wordsight.base.progress import notice
from wordsight.cli.search_explaining import Reasons
from wordsight.search.hits import Located

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.report.hits_page import Asked
    from wordsight.search.query import Query


class Search(NamedTuple):
    """What was searched for, the model that did it, which places failed and why, and why each hit came."""

    query: "Query"
    model: "Model"
    failed: Sequence[str]
    reasons: "Reasons"


def add_files(parser: ArgumentParser) -> None:
    """Declare the options that name files to write."""
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with the pictures, which needs nothing else"
    )
    parser.add_argument(
        "--open", action="store_true", help="open that page in the browser, a temporary one without --html"
    )
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a contact sheet: FILE.png or FILE.jpg")
    parser.add_argument(
        "--extract", type=Path, metavar="DIR", help="write the pictures of the hits to DIR, as 001-name.jpg"
    )


def check_files(args: Namespace) -> None:
    """Raise `UsageError` or `StorageError` for files that cannot be written, before anything is searched."""
    for path in (args.html, args.sheet):
        if path is not None:
            require_file(path)
    if args.sheet is not None:
        from wordsight.report.contact_sheet import check_sheet

        check_sheet(args.sheet)


def write_files(hits: Sequence[Located], args: Namespace, *, columns: Sequence[str] | None, asked: Search) -> bool:
    """Write what the options ask for; return whether all of it could be written."""
    if args.html is not None or args.open:
        _write_page(hits, args, columns, asked)
    if args.sheet is not None:
        _write_sheet(hits, args, columns)
    return args.extract is None or not hits or _extract(hits, args.extract)


def _write_page(hits: Sequence[Located], args: Namespace, columns: Sequence[str] | None, asked: Search) -> None:
    from wordsight.report.hits_page import file_address, write_hits_page

    path = args.html or _temporary()
    reasons = [asked.reasons[id(one.hit)] for one in hits] if args.explain else None
    write_hits_page(path, hits, _in_words(args, asked), columns=columns, reasons=reasons)
    if args.open and not _open(file_address(path)):
        notice(f"no browser can be opened here; the page is {path}")
    elif args.html is None:
        notice(f"the page is {path}")


def _temporary() -> Path:
    """Return a file in a folder that nobody else may look into; it stays."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="wordsight-")) / "hits.html"


def _open(address: str) -> bool:
    import webbrowser

    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def _least(args: Namespace) -> str:
    asked = [] if args.min_match is None else [f"{args.min_match:.0%}"]
    return ", ".join([*asked, *([] if args.min_cosine is None else [f"cosine {args.min_cosine:g}"])])


def _in_words(args: Namespace, asked: Search) -> "Asked":
    from wordsight.report.hits_page import Asked

    return Asked(
        query=" ".join(args.query),
        locations=args.locations or [Path(os.path.abspath(Path()))],
        most=args.k,
        time=time.strftime("%Y-%m-%d %H:%M"),
        images=[part.image for part in asked.query.parts if isinstance(part.image, Path)],
        model=asked.model.name,
        without=args.without,
        where=args.where,
        least=_least(args),
        failed=asked.failed,
    )


def _write_sheet(hits: Sequence[Located], args: Namespace, columns: Sequence[str] | None) -> None:
    from wordsight.report.contact_sheet import MOST, write_contact_sheet

    if not hits:
        return
    heading = " · ".join(part for part in (" ".join(args.query), args.where, time.strftime("%Y-%m-%d")) if part)
    write_contact_sheet(args.sheet, hits, heading=heading, columns=columns)
    if len(hits) > MOST:
        notice(f"{args.sheet} has the first {MOST:,} of {len(hits):,} hits")


def _extract(hits: Sequence[Located], folder: Path) -> bool:
    from wordsight.base.failures import in_cache, list_failures
    from wordsight.search.extract import extract

    extraction = extract([one.hit for one in hits], folder)
    list_failures([str(failure) for failure in extraction.failures], in_cache("search"))
    notice(f"{folder}: {len(extraction.written)} pictures written")
    inside = next((one.location for one in hits if one.hit.origin is None and _lies_in(folder, one.location)), None)
    if inside is not None:
        notice(f"{folder} lies in {inside}: the next search finds the copies too")
    return not extraction.failures


def _lies_in(folder: Path, location: Path) -> bool:
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(location))
