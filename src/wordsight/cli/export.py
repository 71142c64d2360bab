"""`wordsight export PLACE --to FORM --out DIR`: a library in the form of another program."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import StorageError, UsageError
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.parser import AndAlso, add_library, out_path
from wordsight.search.exports.table import FORMS

if TYPE_CHECKING:
    from wordsight.search.library import Library


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("place", type=Path, metavar="PLACE", help="what was indexed")
    parser.add_argument(
        "--to",
        required=True,
        choices=list(FORMS),
        metavar="FORM",
        help="; ".join(f"{name}: {form.holds}" for name, form in FORMS.items()),
    )
    parser.add_argument("--out", type=out_path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--where", action=AndAlso, metavar="EXPR", help="only the images that satisfy this condition")
    add_library(parser)
    parser.add_argument("--no-sync", action="store_true", help="write the library as it is")
    parser.add_argument("--json", action="store_true", help="one JSON object: how many images, the form, the folder")


def run(args: Namespace) -> int:
    """Write the folder; a library that has not been made is an error, and so is a model."""
    if (args.place / "model.json").is_file():
        raise UsageError(
            f"{args.place} is a model, not a library", cure="use convert MODEL OUT --to FORMAT for its weights"
        )
    from wordsight.embeddings.model import load
    from wordsight.search.exports.table import export
    from wordsight.search.library import open_library
    from wordsight.search.nearest import require_made

    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.place, model=model, library_dir=args.library) as library:
        require_made(library, "export", "--to", args.to, "--out", str(args.out))
        if not args.no_sync:
            _bring_up_to_date(library)
        count = export(library, args.out, args.to, where=args.where)
    if args.json:
        print(json.dumps({"images": count, "to": args.to, "out": str(args.out)}))
    else:
        say(f"{count:,} images as {args.to}: {args.out}")
    return 0


def _bring_up_to_date(library: "Library") -> None:
    """Sync; a library that cannot be written now is exported as it is."""
    from wordsight.cli.index import notice_of

    try:
        notice_of(library.sync(), library)
    except StorageError as error:
        notice(f"writing the library as it is: {error}")
