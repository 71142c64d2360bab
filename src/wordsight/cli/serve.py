"""`wordsight serve [LIBRARY…]`: models and libraries over HTTP, and a page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.cli.parser import add_library
from wordsight.cli.serve_safety import add_safety, make_key, safety_of


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        metavar="LIBRARY",
        help="what is searched: folders, tables (none: models only)",
    )
    add_library(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=7070, metavar="N", help="the port (default: 7070; 0: any free one)")
    parser.add_argument("--no-thumbnails", action="store_true", help="make no thumbnails before they are asked for")
    parser.add_argument(
        "--log",
        choices=("json", "text", "off"),
        help="a line a request on stderr (default: text on a terminal, else json)",
    )
    parser.add_argument("--log-queries", action="store_true", help="log what is asked, too: texts, keys of images")
    parser.add_argument("--otel", action="store_true", help="trace requests with OpenTelemetry (extra otel)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that answer (default: 1)")
    parser.add_argument(
        "--memory", metavar="SIZE", help="what one worker may hold, as 2GB (default: 80%% of the machine's / workers)"
    )
    parser.add_argument(
        "--idle-unload",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="close models that nobody asked for so long (default: 0, never)",
    )
    add_safety(parser)


def run(args: Namespace) -> int:
    """Serve until stopped, or make a key."""
    if args.new_key is not None:
        make_key(args)
        return 0
    from wordsight.base.optional import resolve
    from wordsight.serve.settings import ServeSettings, named_libraries, read_size
    from wordsight.serve.watched.settings import WatchSettings

    settings = ServeSettings(
        libraries=named_libraries(args.places, args.library),
        models=tuple(args.model or (None,)),
        engine=args.engine,
        device=args.device,
        host=args.host,
        port=args.port,
        workers=args.workers,
        watch=WatchSettings(log=args.log or "", queries=args.log_queries, otel=args.otel),
        keys=args.keys,
        urls=args.allow_urls,
        safety=safety_of(args),
        memory=None if args.memory is None else read_size(args.memory),
        idle_unload=args.idle_unload,
        thumbnails=not args.no_thumbnails,
    )
    resolve("wordsight.serve.run:run", extra="serve")(settings)
    return 0
