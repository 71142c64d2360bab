"""`wordsight explain IMAGE TEXT… [--out FILE]`: why an image and each text belong together, as a page or as numbers."""

import json
from argparse import ArgumentParser, Namespace
from io import BytesIO
from pathlib import Path
from typing import Any

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.terminal import say

QUALITY = 88  # of the JPEGs in a page


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", metavar="IMAGE", type=Path, help="an image file")
    parser.add_argument("texts", metavar="TEXT", nargs="+", help="what it may show: the true one first")
    parser.add_argument("--out", metavar="FILE", type=Path, help="a page (.html); without it numbers are printed")
    methods = ", ".join(resolve("wordsight.explain.methods:METHODS"))
    parser.add_argument(
        "--method", metavar="NAME", default="auto", help=f"auto (default: the best of the model's family), {methods}"
    )
    parser.add_argument("--fast", action="store_true", help="leave out how far to trust the maps")
    parser.add_argument("--json", action="store_true", help="one JSON line a text, on a terminal, too")


def run(args: Namespace) -> int:
    """Explain one image and print a line a text, or write the page and print its path."""
    if args.out and args.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {args.out}", cure="name a page, for example why.html")
    model = resolve("wordsight.embeddings.model:load")(args.model, engine=args.engine, device=args.device)
    why = resolve("wordsight.explain.explanation:explain")(
        model, args.image, args.texts, method=args.method, trust=not args.fast
    )
    if args.out:
        write = resolve("wordsight.report.explanation_page:write_explanation_page")
        say(str(write(args.out, _explained(args.image.name, why))))
        return 0
    for number in range(len(why.texts)):
        record = _record(why, number)
        if args.json:
            say(json.dumps(record, ensure_ascii=False))
            continue
        verdict = {True: "stands its checks", False: "FAILS a check", None: "not checked"}[record["passes"]]
        say(f"{record['text']}: cosine {record['cosine']:.3f}, {why.method}, {verdict}")
        for line in record["trust"]:
            say(f"  {line}")
    return 0


def _record(why: Any, number: int) -> dict[str, Any]:
    """Return the figures of a text as plain values."""
    return {
        "text": why.texts[number],
        "model": why.model,
        "method": why.method,
        "cosine": round(float(why.cosines[number]), 6),
        "probability": round(float(why.probabilities[number]), 6),
        "passes": why.passes(number),
        "trust": _trust(why, number),
        "words": [[piece, round(value, 6)] for piece, value in why.words[number]],
        "relevance": [[round(float(value), 6) for value in row] for row in why.relevance[number]],
    }


def _trust(why: Any, number: int) -> list[str]:
    return [str(one) for one in why.checks(number)]


def _explained(name: str, why: Any) -> Any:
    """Return what the page shows."""
    text = resolve("wordsight.report.explanation_page:ExplainedText")
    texts = [
        text(
            why.texts[number],
            float(why.cosines[number]),
            float(why.probabilities[number]),
            _encoded(why.overlay(number)),
            _encoded(why.against(0, number)) if number else b"",
            why.words[number],
            _trust(why, number),
            why.passes(number),
        )
        for number in range(len(why.texts))
    ]
    page = resolve("wordsight.report.explanation_page:Explained")
    return page(name, why.method, why.model, _encoded(why.image), texts)


def _encoded(pixels: Any) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
