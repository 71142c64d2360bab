"""`wordsight search`: images of a location by words, by an image, or by a mixture."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import StorageError, UsageError
from wordsight.base.progress import notice
from wordsight.base.terminal import say, shown

if TYPE_CHECKING:
    from wordsight.search.library import Hit, Library

_EPILOG = """\
QUERY is words, the path of a picture, or a part with a weight (2:words, 0.5:photo.jpg).  Words that follow each other
are one phrase; to mix several phrases give each a weight.  The place is indexed on first use and kept in step after.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("query", nargs="*", metavar="QUERY", help="words, a picture's path, or 2:words")
    parser.add_argument("--in", dest="place", type=Path, default=Path(), metavar="PLACE", help="default: this folder")
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="where the library lies (default: PLACE/.wordsight)"
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many pictures at most (default: 10)")
    parser.add_argument("--where", metavar="EXPR", help="condition on metadata, e.g. \"price < 50 and colour = 'red'\"")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="QUERY",
        help="stay away from this (repeatable; 2:words weighs)",
    )
    parser.add_argument(
        "--min-match", type=float, metavar="P", help="least score, a cosine from -1 to 1 (words seldom reach 0.4)"
    )
    parser.add_argument("--no-sync", action="store_true", help="answer from the library as it is")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line: score, key, path, meta")
    form.add_argument("--paths-only", action="store_true", help="nothing but the paths, for xargs")
    form.add_argument("-0", "--null", action="store_true", help="the paths, with a zero byte behind each, for xargs -0")


def run(args: Namespace) -> int:
    """Search; 0 with hits, 1 without."""
    from wordsight.search.query import join_words

    if args.k < 1:
        raise UsageError(f"-k {args.k}", cure="ask for at least one picture")
    if args.min_match is not None and not -1 <= args.min_match <= 1:
        raise UsageError(f"--min-match {args.min_match}", cure="give a cosine from -1 to 1")
    with _open(args) as library:
        query = library.read(join_words(args.query), where=args.where, without=args.without)
        if not args.no_sync:
            _bring_up_to_date(library)
        hits = library.answer(query, k=args.k, min_match=args.min_match)
    _print(hits, args)
    if not hits:
        notice(f"nothing in {args.place} matches")
    return 0 if hits else 1


def _open(args: Namespace) -> "Library":
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    model = load(args.model, engine=args.engine, device=args.device)
    return open_library(args.place, model=model, library_dir=args.library)


def _bring_up_to_date(library: "Library") -> None:
    """Sync; a library that is there but cannot be written now is answered from as it is."""
    from wordsight.cli.index import notice_of

    there = library.exists()
    if not there:
        notice(f"indexing {library.location} (first use)")
    try:
        notice_of(library.sync(), library)
    except StorageError as error:
        if not there:
            raise
        notice(f"answering from the library as it is: {error}")


def _print(hits: "list[Hit]", args: Namespace) -> None:
    if args.json:
        import json

        for hit in hits:
            path = None if hit.path is None else str(hit.path)
            record = {"score": round(hit.score, 6), "key": hit.key, "path": path, "meta": dict(hit.meta)}
            print(json.dumps(record, ensure_ascii=True))
    elif args.paths_only or args.null:
        for hit in hits:
            name = str(hit.path or hit.key)
            sys.stdout.write(f"{name}\0" if args.null else f"{shown(name, sys.stdout)}\n")
    else:
        for hit in hits:
            say(f"{hit.score:.3f}  {hit.path or hit.key}")
