"""`wordsight embed`: the embeddings of a whole source, written to a folder."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import InputError
from wordsight.base.failures import list_failures
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.source_options import add_columns, columns_of
from wordsight.data.kinds import kinds

if TYPE_CHECKING:
    from wordsight.embeddings.bulk import BulkReport


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", metavar="SOURCE", help="a folder, a table (csv, tsv, jsonl, parquet) or tar shards")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the folder of the embeddings; an unfinished run continues",
    )
    parser.add_argument("--format", choices=("npy", "parquet"), default="npy", help="default: npy")
    parser.add_argument("--what", choices=("image", "text", "both"), default="image", help="default: image")
    parser.add_argument("--kind", choices=kinds(), default="auto", help="what SOURCE is (default: auto)")
    parser.add_argument("--split", metavar="NAME", help="which split of SOURCE, where it has several")
    add_columns(parser)
    parser.add_argument(
        "--part-size",
        type=int,
        default=2000,
        metavar="N",
        help="samples per file; at most that many are lost when stopped (default: 2000)",
    )


def run(args: Namespace) -> int:
    """Embed; 1 when samples failed, or there was nothing to embed."""
    from wordsight.data.source import open_source
    from wordsight.data.source_files import split_named_by
    from wordsight.embeddings.bulk import BulkOptions, embed_source
    from wordsight.embeddings.model import load

    model = load(args.model, engine=args.engine, device=args.device)
    with split_named_by("--split "):
        source = open_source(args.source, split=args.split, kind=args.kind, columns=columns_of(args))
    options = BulkOptions(what=args.what, layout=args.format, part_size=args.part_size)
    report = embed_source(model, source, args.out, options)
    _tell(report, args.out)
    if not report.failures and not report.manifest.images + report.manifest.texts:
        what = "texts" if args.what == "text" else "images"
        cure = "give captions, or leave out --what text" if args.what == "text" else "give a source that has some"
        raise InputError(f"{args.source} has no {what} to embed", cure=cure)
    return 1 if report.failures else 0


def _tell(report: "BulkReport", out: Path) -> None:
    from wordsight.embeddings.store import FAILURES

    manifest = report.manifest
    list_failures([failure["error"] for failure in report.failures], out / FAILURES, written=True)
    if report.resumed_parts:
        notice(f"{report.resumed_parts} of {manifest.parts} parts were there already")
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in manifest.seconds.items())
    notice(f"{report.wall_seconds:.1f} s in this run; in all runs and threads: {stages}")
    failed = f", {manifest.failures} failed (listed in {out / FAILURES})" if manifest.failures else ""
    say(f"{manifest.read} read: {manifest.images} pictures, {manifest.texts} texts{failed}")
