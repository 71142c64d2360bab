"""`wordsight browse [PLACE]`: look through a library in a terminal."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.cli.parser import add_library


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="PLACE", help="what was indexed (default: this folder)"
    )
    add_library(parser)
    parser.add_argument("--no-sync", action="store_true", help="show the library as it is")


def run(args: Namespace) -> int:
    """Run the program until it is left; a library that has not been made is made first."""
    from wordsight.base.optional import resolve

    app = resolve("wordsight.browse.app:BrowseApp", extra="browse")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("no terminal to browse in", cure="run it in one; wordsight search prints the hits")
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.place, model=model, library_dir=args.library) as library:
        if not library.exists():
            library.sync()
        app(library, sync=not args.no_sync).run()
    return 0
