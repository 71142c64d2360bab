"""`wordsight explain IMAGE TEXT… [--out PATH]`: why an image and each text belong together, as a page or as numbers."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import InputError, UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import print_error, track
from wordsight.base.terminal import say

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
        type=Path,
        help="a page (.html), the maps side by side (.png, .jpg), or a folder to add the explanations to, of which "
        "`wordsight report` makes a page; without it numbers are printed",
    )
    methods = ", ".join(resolve("wordsight.explain.methods:METHODS"))
    parser.add_argument(
        "--method", metavar="NAME", default="auto", help=f"auto (default: the best of the model's family), {methods}"
    )
    parser.add_argument("--fast", action="store_true", help="leave out how far to trust the maps")
    parser.add_argument("--json", action="store_true", help="one JSON line a text, on a terminal, too")


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
        write(pair.image.name, why)
    if args.pairs and args.out and failed < len(pairs):
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
        return lambda name, why: _print(name, why, args)
    ending = out.suffix.lower()
    if out.is_dir() or not ending:
        return lambda name, why: _add(out, name, why, several=args.pairs is not None)
    if ending not in (*PAGES, *IMAGES):
        raise UsageError(f"--out {out}", cure=f"name a file ({ENDINGS}), or a folder, which has no ending")
    if args.pairs is not None:
        raise UsageError(f"--pairs with --out {out}", cure="name a folder; wordsight report makes a page of it")
    resolve("wordsight.base.files:require_file")(out)
    return lambda name, why: (_page if ending in PAGES else _strip)(out, name, why)


def _print(name: str, why: Any, args: Namespace) -> None:
    """Print the figures of each text."""
    figures = resolve("wordsight.explain.recorded:figures")
    for number in range(len(why.texts)):
        record = figures(why, number)
        if args.json:
            whole = {
                "image": name,
                "model": why.model,
                "method": why.method,
                **record,
                "passes": why.passes(number),
                "relevance": [[round(float(value), 6) for value in row] for row in why.relevance[number]],
            }
            say(json.dumps(whole, ensure_ascii=False))
            continue
        aside = f", {record['figure']}" if record["figure"] else ""
        start = f"{name}: " if args.pairs else ""
        shown = {"fails": "FAILS", "even": "the map is even"}.get(record["verdict"], record["verdict"])
        say(f"{start}{record['text']}: cosine {record['cosine']:.3f}, {why.method}{aside}: {shown}")
        for line in record["trust"]:
            say(f"  {line}")


def _add(folder: Path, name: str, why: Any, *, several: bool) -> None:
    """Add an explanation to a folder; its path is printed once for all."""
    recorded, append = (resolve(f"wordsight.explain.recorded:{function}") for function in ("recorded", "append"))
    append(folder, recorded(name, why))
    if not several:
        say(str(folder))


def _page(out: Path, name: str, why: Any) -> None:
    kept = resolve("wordsight.explain.recorded:recorded")(name, why, side=None)
    write, explained_of = (
        resolve(f"wordsight.report.explanation_page:{function}")
        for function in ("write_explanation_page", "explained_of")
    )
    say(str(write(out, explained_of(kept.record, kept.files.__getitem__))))


def _strip(out: Path, name: str, why: Any) -> None:
    """Write the image, the map under each text and the shifts side by side."""
    resolve("wordsight.explain.heat:write_strip")(out, list(_shown(why)))
    say(str(out))


def _shown(why: Any) -> Iterator[Any]:
    numbers = range(len(why.texts))
    yield why.image
    yield from (why.overlay(number) for number in numbers)
    yield from (why.against(0, number) for number in numbers[1:])
