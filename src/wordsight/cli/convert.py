"""`wordsight convert IN OUT --to FORMAT`: a model in another form.

"onnx" writes the graphs of the light install (into IN itself when OUT is the same folder); "wordsight" a
fresh model folder.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.progress import notice

FORMATS = {"wordsight": "to_wordsight", "onnx": "to_onnx"}
PLANNED = ("openai", "openclip", "huggingface", "bigvision")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare IN, OUT, --to and what the formats can be asked for."""
    parser.add_argument("source", metavar="IN", help="a model: its folder, or a name")
    parser.add_argument("target", metavar="OUT", type=Path, help="the folder to write; may be IN for --to onnx")
    parser.add_argument("--to", required=True, metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    parser.add_argument(
        "--precision", action="append", choices=["int8", "fp32"], help="of --to onnx, repeatable (default: int8)"
    )
    parser.add_argument("--half", action="store_true", help="of --to wordsight: store the weights in 16 bits")


def run(args: Namespace) -> int:
    """Convert, say what was written on standard output."""
    if args.to not in FORMATS:
        known = "is not part of this version" if args.to in PLANNED else "is unknown"
        raise UsageError(f"format {args.to!r} {known}", cure=f"use --to {' or '.join(FORMATS)}")
    from wordsight.weights.folder import find_model

    source = find_model(args.source)
    if args.to == "onnx":
        return to_onnx(source, args.target, args.precision or ["int8"])
    return to_wordsight(source, args.target, half=args.half)


def to_onnx(source: Path, target: Path, precisions: list[str]) -> int:
    """Write the graphs and how well they agree with PyTorch."""
    notice(f"exporting {source} and comparing with PyTorch ...")
    out = None if target.resolve() == source.resolve() else target
    report = resolve("wordsight.engines.export:export", extra="train")(source, precisions=precisions, out=out)
    print("\n".join(report.lines()))
    print(f"wrote {target / 'onnx'}")
    return 0


def to_wordsight(source: Path, target: Path, *, half: bool) -> int:
    """Write the towers again as a model folder of their own."""
    from wordsight.weights.folder import CARD, load_towers, read_merges, save_model

    if target.resolve() == source.resolve():
        raise UsageError(f"OUT is IN, {target}", cure="choose another folder")
    card = source / CARD
    manifest = save_model(
        load_towers(source),
        target,
        merges=read_merges(source) or None,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        dtype="float16" if half else "float32",
    )
    print(f"wrote {target}, fingerprint {manifest.fingerprint}")
    return 0
