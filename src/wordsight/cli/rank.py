"""`wordsight rank`: the best of several images for a text."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.terminal import say

if TYPE_CHECKING:
    from wordsight.search.rank import RankedImage


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("text", metavar="TEXT", help="what the image should show")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders (with all below) or globs")
    parser.add_argument("--top", type=int, metavar="N", help="only the best N (default: all)")
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--json", action="store_true", help="one JSON object an image: rank, path, cosine, margin, match"
    )
    output.add_argument("--paths-only", action="store_true", help="print only the paths, the best first")


def run(args: Namespace) -> int:
    """Rank; 1 when images failed."""
    from wordsight.cli.image_arguments import ImageArguments
    from wordsight.embeddings.model import load
    from wordsight.search.rank import ranked, usual_cosines

    if args.top is not None and args.top < 1:
        raise UsageError(f"--top {args.top}", cure="ask for at least one image")
    if not args.text.strip():
        raise UsageError("an empty text", cure='say what to rank by, for example "a red car on a beach"')
    if os.path.isfile(args.text):
        raise UsageError(f"{args.text} is a file where the text is needed", cure="write the text first")
    images = ImageArguments(args.images, verb="rank", doing="ranking")
    model = load(args.model, engine=args.engine, device=args.device)
    text = model.embed_texts([args.text])[0]
    embedded = list(images.embedded(model))
    usual = None if args.paths_only else usual_cosines(model)
    for one in ranked(text, embedded, usual)[: args.top]:
        _print(one, args)
    return images.finish()


def _print(one: "RankedImage[Path]", args: Namespace) -> None:
    if args.paths_only:
        say(str(one.image))
    elif args.json:
        import json

        print(json.dumps(one.record(), ensure_ascii=True))
    else:
        match = "" if one.match is None else f"{100 * one.match:3.0f} %  "
        margin = "" if one.margin is None else f"  {one.margin:+.4f} to the next"
        say(f"{match}{one.cosine:.4f}  {one.image}{margin}")
