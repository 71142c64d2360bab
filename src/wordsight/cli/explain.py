"""`wordsight explain IMAGE TEXT… [--out PATH]`: why an image and each text belong together, as a page or as numbers."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError, UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import print_error, track
from wordsight.base.terminal import say
from wordsight.cli.parser import out_path

if TYPE_CHECKING:
    from wordsight.explain.pairs import AskedPair

PAGES, IMAGES = (".html", ".htm"), (".png", ".jpg", ".jpeg")
ENDINGS = ", ".join((*PAGES[:1], *IMAGES[:2]))


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", metavar="IMAGE", nargs="?", type=Path, help="an image file")
    parser.add_argument("texts", metavar="TEXT", nargs="*", help="what it may show: the true one first")
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        type=Path,
        help="instead of IMAGE and TEXT: a CSV or JSON lines with image, true and misleading",
    )
    parser.add_argument(
        "--out",
        metavar="PATH",
        type=out_path,
        help="a page (.html), the maps side by side (.png, .jpg), or a folder to add the explanations to, of which "
        "`wordsight report` makes a page; without it numbers are printed",
    )
    methods = ", ".join(resolve("wordsight.explain.methods:METHODS"))
    parser.add_argument(
        "--method", metavar="NAME", default="auto", help=f"auto (default: the best of the model's family), {methods}"
    )
    parser.add_argument(
        "--fast", action="store_true", help="leave out how far to trust the maps: about 400 images a text"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line a text, beside --out, too")


def run(args: Namespace) -> int:
    """Explain the images and print a line a text, or write what `--out` names; 1 where an image failed."""
    write = _writer(args)
    pairs = _pairs(args)
    model = resolve("wordsight.embeddings.model:load")(args.model, engine=args.engine, device=args.device)
    explain = resolve("wordsight.explain.explanation:explain")
    how = resolve("wordsight.explain.relevance:ready_for_words")(args.method, model)  # once for many images
    failed = 0
    for pair in track(pairs, len(pairs), unit="image", desc="explaining") if args.pairs else pairs:
        try:
            why = explain(model, pair.image, pair.texts, method=how, trust=not args.fast)
        except (InputError, UsageError) as error:
            if not args.pairs:
                raise
            failed += 1
            print_error(f"{pair.where}: {error}")
            continue
        write(str(pair.image), why)
        if args.json:
            _print_json(str(pair.image), why)
    if args.pairs and args.out and not args.json and failed < len(pairs):
        say(str(args.out))
    return 1 if failed else 0


def _pairs(args: Namespace) -> "list[AskedPair]":
    """Return what is to be explained, from the arguments or from the file of pairs."""
    from wordsight.explain.pairs import AskedPair, read_pairs

    if args.pairs is None:
        if args.image is None or not args.texts:
            raise UsageError("nothing to explain", cure="give IMAGE and TEXT, or --pairs FILE")
        return [AskedPair(args.image, tuple(args.texts), "")]
    if args.image is not None:
        raise UsageError(f"{args.image} beside --pairs {args.pairs}", cure="leave one of them out")
    return read_pairs(args.pairs)


def _writer(args: Namespace) -> Callable[[str, Any], None]:
    """Return what is done with each explanation; `UsageError` for a name that says nothing, before any work."""
    out: Path | None = args.out
    if out is None:
        return lambda path, why: None if args.json else _print(path, why, args)
    ending = out.suffix.lower()
    if out.is_dir() or not ending:
        return lambda path, why: _add(out, path, why, silent=args.json or args.pairs is not None)
    if ending not in (*PAGES, *IMAGES):
        raise UsageError(f"--out {out}", cure=f"name a file ({ENDINGS}), or a folder, which has no ending")
    if args.pairs is not None:
        raise UsageError(f"--pairs with --out {out}", cure="name a folder; wordsight report makes a page of it")
    resolve("wordsight.base.files:require_file")(out)
    kind = "explanation_page" if ending in PAGES else "explanation_strip"
    return lambda path, why: _file(kind, path, why, args)


def _print_json(path: str, why: Any) -> None:
    """Print a JSON line for each text."""
    figures = resolve("wordsight.explain.recorded:figures")
    for number in range(len(why.texts)):
        whole = {
            "path": path,
            "model": why.model,
            "method": why.method,
            **figures(why, number),
            "passes": why.passes(number),
            "relevance": [[round(float(value), 6) for value in row] for row in why.relevance[number]],
        }
        say(json.dumps(whole, ensure_ascii=False))


def _print(path: str, why: Any, args: Namespace, *, details: bool = True) -> None:
    """Print what the model says, and the figures of each text."""
    figures, answer, verdict = (
        resolve(f"wordsight.explain.{function}")
        for function in ("recorded:figures", "in_words:answer", "in_words:verdict_in_words")
    )
    start = f"{path}: " if args.pairs else ""
    say(f"{start}{answer(why)}")
    for number in range(len(why.texts)):
        record = figures(why, number)
        aside = f", {record['figure']}" if record["figure"] else ""
        share = "" if record["probability"] is None else f", probability {100 * record['probability']:.1f} %"
        stated = verdict(record["verdict"], record["checks"])
        say(f"{start}{record['text']}: cosine {record['cosine']:.3f}{share}, {why.method}{aside}: {stated}")
        for line in record["trust"] if details else ():
            say(f"  {line}")


def _add(folder: Path, path: str, why: Any, *, silent: bool) -> None:
    """Add an explanation to a folder, and print the folder's path unless `silent`."""
    recorded, append = (resolve(f"wordsight.explain.recorded:{function}") for function in ("recorded", "append"))
    append(folder, recorded(path, why))
    if not silent:
        say(str(folder))


def _file(kind: str, path: str, why: Any, args: Namespace) -> None:
    """Write a page, or a drawn picture, which has no room for all that is said of its maps: so it is printed."""
    kept = resolve("wordsight.explain.recorded:recorded")(path, why, side=None)
    explained = resolve("wordsight.report.explanation_page:explained_of")(kept.record, kept.files.__getitem__)
    written = resolve(f"wordsight.report.{kind}:write_{kind}")(args.out, explained)
    if args.json:
        return
    if kind == "explanation_strip":
        _print(path, why, args, details=False)
    say(str(written))
