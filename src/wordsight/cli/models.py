"""`wordsight models`: what can be loaded, where it lies, and its card."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.errors import UnknownModel, UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=("list", "show", "fetch"), default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="for show: a folder (default: the model in use)")


def run(args: Namespace) -> int:
    """List the models, or show one."""
    if args.action == "list":
        return _list(args.model)
    if args.action == "show":
        return _show(args.name or args.model)
    raise UsageError(
        f"fetching public models{f' ({args.name})' if args.name else ''} is not part of this version",
        cure="use the bundled model, or give the folder of one trained with wordsight train as --model",
    )


def _list(name: str | None) -> int:
    from wordsight.towers import catalogue
    from wordsight.weights.find import BUNDLED, VARIABLE, find_model

    for title, wanted in (("in use", name), ("bundled", str(BUNDLED))):
        try:
            print(f"{title:14}{_line(find_model(wanted))}")
        except UnknownModel as error:
            print(f"{title:14}none: {error.problem}")
    print(f"{'other models':14}give a folder as --model, or set {VARIABLE}")
    print(f"{'architectures':14}{', '.join(catalogue.names())}")
    print(f"{'':14}(shapes to train; they come without weights)")
    return 0


def _line(folder: Path) -> str:
    from wordsight.weights.folder import read_manifest

    manifest = read_manifest(folder)
    return f"{manifest.spec.name}  {manifest.fingerprint}  {folder}"


def _show(name: str | None) -> int:
    from wordsight.base.config import to_dict
    from wordsight.weights.find import find_model
    from wordsight.weights.folder import CARD, read_manifest

    folder = find_model(name)
    manifest = read_manifest(folder)
    print(f"folder       {folder}")
    for key, value in to_dict(manifest).items():
        for field, inner in value.items() if isinstance(value, dict) else [(key, value)]:
            print(f"{field:13}{inner}")
    card = folder / CARD
    if card.is_file():
        print(f"\n{card.read_text(encoding='utf-8').rstrip()}")
    return 0
