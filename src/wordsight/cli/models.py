"""`wordsight models`: what can be loaded, where it lies, all that is known about it, and which one is the default."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from wordsight.base.errors import MissingExtra, UnknownModel, UsageError, WordsightError
from wordsight.base.progress import notice
from wordsight.base.terminal import say

ACTIONS = ("list", "show", "fetch", "use")
EXAMPLE = "name it, for example ViT-B-32/laion2b_s34b_b79k"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", help="default: list")
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="a name, file or folder (show: default the model in use; use: what is the default from now on)",
    )
    parser.add_argument(
        "--licence", default="", metavar="L,…", help="list only models of these licences; commercial: all that allow it"
    )


def run(args: Namespace) -> int:
    """List the models, show one, fetch one, or make one the default."""
    if args.action == "list":
        return _list(args.model, args.licence)
    if args.licence:
        raise UsageError(f"--licence with {args.action}", cure="it chooses from the list: leave one of them out")
    if args.action == "show":
        return _show(args.name or args.model)
    if args.name is None:
        back = "" if args.action == "fetch" else "; bundled goes back"
        raise UsageError(f"{args.action} which model?", cure=f"{EXAMPLE}{back}")
    return _fetch(args.name) if args.action == "fetch" else _use(args.name)


def _list(name: str | None, licences: str) -> int:
    from wordsight.towers import catalogue
    from wordsight.weights.find import BUNDLED, VARIABLE, find_model
    from wordsight.weights.licences import chosen
    from wordsight.weights.names import catalogue as public

    rows = [model for model in public() if not licences or model.licence in chosen(licences)]
    for title, wanted in (("in use", name), ("bundled", str(BUNDLED))):
        try:
            say(f"{title:14}{_line(find_model(wanted))}")
            if title == "in use":
                say(f"{'':14}({_why(name)})")
        except WordsightError as error:
            say(f"{title:14}none: {error}")
    print(
        f"{'other models':14}wordsight models use NAME makes one the default; or give it as --model, or set {VARIABLE}"
    )
    print(f"{'architectures':14}{', '.join(catalogue.names())}")
    print(f"{'':14}(shapes to train; they come without weights)")
    print(f"\n{'public models':48}{'width':>6}{'pixels':>7}{'ImageNet':>9}  licence")
    for model in rows:
        accuracy = "" if model.imagenet is None else f"{model.imagenet:.1f}"
        print(f"{model.name:48}{model.width:6}{model.size:7}{accuracy:>9}  {model.licence}")
    print("(ImageNet: published zero-shot top-1 in %; `models show NAME` gives source and address)")
    return 0


def _line(folder: Path) -> str:
    from wordsight.weights.manifest import read_model_manifest

    manifest = read_model_manifest(folder)
    return f"{manifest.spec.name}  {manifest.fingerprint}  {folder}"


def _why(name: str | None) -> str:
    """Return why the model in use is that one; `name` is what --model says."""
    from wordsight.weights.find import VARIABLE, default_model

    if name is not None:
        return f"--model {name}"
    default = default_model()
    if not default.source:
        return "the default: nothing else is set"
    return f"{VARIABLE} is {default.name}" if default.source == VARIABLE else f"{default.name}, by {default.source}"


def _show(name: str | None) -> int:
    """Print the catalogue's row, and all that the model itself says once it is here."""
    from wordsight.weights.find import find_model, locate

    if name is None:
        say(f"{'in use':20}{_why(name)}")
    try:
        known = _row(locate(name, fetch=False).name)
    except (UnknownModel, MissingExtra) as error:  # without the hub's client the catalogue is known all the same
        if _row(name or "") is None:
            raise
        print()
        say(f"{error.problem}; {error.cure}")
        return 0
    if known is not None:
        print()
    _show_folder(find_model(name, fetch=False))
    return 0


def _row(name: str) -> Any:
    """Print what the catalogue knows of a name, and return the row; None for what is not in it."""
    from wordsight.weights.lookup import is_known
    from wordsight.weights.names import address, catalogue

    location = address(name) if is_known(name) else None
    row = next((row for row in catalogue() if location is not None and row.name == location.name), None)
    if row is not None:
        accuracy = "not published" if row.imagenet is None else f"{row.imagenet} % zero-shot top-1 ({row.source})"
        size = "" if row.parameters is None else f", {row.parameters:g} million parameters"
        print(f"{'name':20}{row.name}\n{'hub':20}{location}\n{'licence':20}{row.licence}")
        print(f"{'ImageNet':20}{accuracy}\n{'towers':20}pictures of {row.size} pixels, width {row.width}{size}")
    return row


def _show_folder(folder: Path) -> None:
    from wordsight.base.config import to_dict
    from wordsight.weights.folder import CARD
    from wordsight.weights.manifest import read_model_manifest

    manifest = read_model_manifest(folder)
    say(f"{'folder':20}{folder}")
    for key, value in to_dict(manifest).items():
        if key == "assumed":
            continue
        if key in ("spec", "origin"):
            _show_values("", value)
        else:
            say(f"{key:20}{_plain(value)}")
    for assumption in manifest.assumed:
        say(f"{'assumed':20}{assumption}")
    card = folder / CARD
    if card.is_file():
        print()
        for line in card.read_text(encoding="utf-8", errors="replace").rstrip().splitlines():
            say(line)


def _show_values(prefix: str, values: dict[str, Any]) -> None:
    """Print nested values one a line as `image.activation  gelu`; what is empty does not apply and is left out."""
    for key, value in values.items():
        if isinstance(value, dict) and key != "options":
            _show_values(f"{key}.", value)
        elif value not in ("", 0, [], {}) or value is False:
            say(f"{prefix + key:28}{_plain(value)}")


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _fetch(name: str) -> int:
    """Fetch a public model, or look whether there is a newer one, and convert it; print where it lies."""
    from wordsight.weights.find import NAME, find_model, shown
    from wordsight.weights.hub import fetch
    from wordsight.weights.names import address, near

    if name == NAME:
        raise UsageError(f"the model {name!r} comes with the package", cure="use it: there is nothing to fetch")
    location = address(name)
    if location is None:
        close = near(name)
        cure = f"did you mean {' or '.join(close)}?" if close else "see wordsight models"
        raise UnknownModel(f"no public model {shown(name)}", cure=cure)
    fetch(location, refresh=True)
    say(_line(find_model(name)))
    return 0


def _use(name: str) -> int:
    """Make a model the default, once it is here and has answered; print which one it is and where that is kept."""
    import os

    from wordsight.base.settings import Settings, settings_file, write_settings
    from wordsight.embeddings.model import load
    from wordsight.weights.find import NAME, VARIABLE, locate

    if name == NAME:
        write_settings(Settings())
        say("the bundled model is the default again")
    else:
        location = locate(name)
        model = load(name)
        model.embed_texts(["a photo"])
        write_settings(Settings(model=name.strip() if location.name else str(location.path.absolute())))
        say(f"{model.name}  {model.fingerprint}  is the default now, kept in {settings_file()}")
    if os.environ.get(VARIABLE):
        notice(f"{VARIABLE} is {os.environ[VARIABLE]} and goes before it")
    return 0
