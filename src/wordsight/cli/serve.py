"""`wordsight serve [LIBRARY…]`: models and libraries over HTTP, and a page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.cli.parser import add_library


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        metavar="LIBRARY",
        help="what was indexed: folders, tables (none: models only)",
    )
    add_library(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=7070, metavar="N", help="the port (default: 7070; 0: any free one)")
    parser.add_argument("--no-thumbnails", action="store_true", help="make no thumbnails before they are asked for")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer (default: 1)")


def run(args: Namespace) -> int:
    """Serve until stopped."""
    from wordsight.base.optional import resolve
    from wordsight.serve.settings import ServeSettings, named_libraries

    settings = ServeSettings(
        libraries=named_libraries(args.places, args.library),
        models=tuple(args.model or (None,)),
        engine=args.engine,
        device=args.device,
        host=args.host,
        port=args.port,
        workers=args.workers,
        thumbnails=not args.no_thumbnails,
    )
    resolve("wordsight.serve.run:run", extra="serve")(settings)
    return 0
