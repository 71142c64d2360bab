"""`wordsight mcp [PLACE]`: a library as tools for agents, over MCP on standard input and output."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.cli.parser import add_library


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="PLACE", help="what was indexed (default: this folder)"
    )
    add_library(parser)
    parser.add_argument("--no-sync", action="store_true", help="answer from the library as it is")


def run(args: Namespace) -> int:
    """Serve until the other side closes; a library that has not been made is an error."""
    from wordsight.agents.server import serve
    from wordsight.agents.tools import LibraryTools
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library
    from wordsight.search.nearest import require_made

    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.place, model=model, library_dir=args.library) as library:
        require_made(library, "mcp")
        serve(LibraryTools(library, sync=not args.no_sync))
    return 0
