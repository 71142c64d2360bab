"""`wordsight data score SOURCE`: how well every caption fits its image, by the model."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from wordsight.cli.parser import out_path

if TYPE_CHECKING:
    from wordsight.data.source import Source


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the action; the source's are declared with those of the others."""
    parser.add_argument("--out", type=out_path, metavar="FILE", help="write a row for each pair: FILE.csv or .parquet")
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what stands before every caption (default: none)")
    parser.add_argument("--json", action="store_true", help="one JSON object for each pair")


def run(source: "Source", args: Namespace) -> int:
    """Score all pairs; exit status 1 if some inputs failed."""
    from wordsight.base.failures import in_cache, list_failures
    from wordsight.base.files import require_file
    from wordsight.base.progress import notice
    from wordsight.base.terminal import say
    from wordsight.curate.pool import PairPool
    from wordsight.curate.score_table import score_rows, summary, write_scores
    from wordsight.curate.tables import check_table, require_outside
    from wordsight.embeddings.model import load

    if args.out is not None:
        check_table(args.out)
        require_outside(args.out, args.source)
        require_file(args.out)
    pool = PairPool(source, lambda: load(args.model, engine=args.engine, device=args.device), prefix=args.prefix)
    pool.prepare(["scores"])
    if args.out is not None:
        write_scores(pool, args.out)
        notice(f"{args.out}: {pool.records.pairs:,} rows")
    if args.json:
        for row in score_rows(pool):
            print(json.dumps(row, ensure_ascii=False))
    else:
        for line in summary(pool):
            say(line)
    failures = pool.failures()
    list_failures(failures, in_cache("data-score"))
    return 1 if failures else 0
