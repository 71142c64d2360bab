"""`wordsight doctor [PLACE]`: the state of a library, and whether its embeddings are what the model gives now."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.failures import list_failures
from wordsight.base.terminal import say
from wordsight.cli.parser import add_library


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="PLACE", help="what was indexed (default: this folder)"
    )
    add_library(parser)


def run(args: Namespace) -> int:
    """Print what was found; 1 when the embeddings are not the same, or none could be compared."""
    from wordsight.embeddings.model import load
    from wordsight.search.doctor import Verdict, examine
    from wordsight.search.library import open_library
    from wordsight.search.nearest import require_made

    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.place, model=model, library_dir=args.library) as library:
        if args.library is None:
            require_made(library, "doctor")
        checkup = examine(library)
        say(f"library   {library.folder}: {len(library)} pictures, {len(library.absent())} absent")
        say(f"model     {model.name}, fingerprint {model.fingerprint}")
        say(f"packages  {', '.join(checkup.changes()) or 'as when the library was made'}")
        if checkup.cosines:
            least, mean = min(checkup.cosines), sum(checkup.cosines) / len(checkup.cosines)
            compared = f"{len(checkup.cosines)} stored and fresh: least cosine {least:.5f}, mean {mean:.5f}"
            say(f"compared  {compared}; {checkup.verdict.value}")
        else:
            say(f"compared  {checkup.verdict.value}")
    list_failures(checkup.failed, None)
    return 0 if checkup.verdict in (Verdict.SAME, Verdict.ALIKE) else 1
