"""`wordsight data ACTION SOURCE`: shards, audit, figures and balance of a data set, and its best pairs."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.terminal import say
from wordsight.cli import data_balance, data_curate, data_score
from wordsight.cli.source_options import add_columns, columns_of
from wordsight.data.kinds import kinds

if TYPE_CHECKING:
    from wordsight.data.check import CheckReport
    from wordsight.data.source import Source
    from wordsight.data.stats import Stats


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", metavar="pack|check|stats|balance|score|curate", required=True)
    pack = actions.add_parser(
        "pack", allow_abbrev=False, help="write webdataset shards with a manifest; a stopped run continues"
    )
    _add_source(pack)
    pack.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the shards")
    pack.add_argument("--shard-size", type=int, default=1000, metavar="N", help="samples per shard (default: 1000)")
    pack.add_argument(
        "--resize", type=int, metavar="PIXELS", help="scale the shorter side down to this (default: keep)"
    )
    pack.add_argument(
        "--quality", type=int, default=90, metavar="Q", help="JPEG quality of resized images (default: 90)"
    )
    check = actions.add_parser(
        "check",
        allow_abbrev=False,
        help="find broken, duplicate, tiny and stretched images, missing and long captions, uneven classes",
    )
    _add_source(check)
    check.add_argument("--json", action="store_true", help="everything as one JSON object")
    check.add_argument("--verify", action="store_true", help="compare packed shards with the hashes of their manifest")
    stats = actions.add_parser("stats", allow_abbrev=False, help="count images, sizes, captions, words and classes")
    _add_source(stats)
    stats.add_argument("--json", action="store_true", help="everything as one JSON object")
    data_balance.add_action(actions)
    score = actions.add_parser("score", allow_abbrev=False, help="how well every caption fits its image, by the model")
    _add_source(score)
    data_score.add_arguments(score)
    curate = actions.add_parser("curate", allow_abbrev=False, help="keep the pairs that rules keep, say why of each")
    _add_source(curate)
    data_curate.add_arguments(curate)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", nargs="+", help="a folder, table, shards (x-{000..007}.tar)")
    parser.add_argument("--split", metavar="NAME", help="train, val, train+extra ... or all")
    parser.add_argument("--kind", choices=kinds(), default="auto", help="what SOURCE is (default: auto)")
    add_columns(parser)


def run(args: argparse.Namespace) -> int:
    """Do the action; exit status 1 if some inputs failed."""
    if args.action == "balance":
        return data_balance.run(args)
    from wordsight.data.source import open_source
    from wordsight.data.source_files import split_named_by

    with split_named_by("--split "):
        source = open_source(args.source, split=args.split, kind=args.kind, columns=columns_of(args))
    actions = {"pack": _pack, "check": _check, "stats": _stats, "score": data_score.run, "curate": data_curate.run}
    return actions[args.action](source, args)


def _pack(source: "Source", args: argparse.Namespace) -> int:
    from wordsight.data.manifest import NAME
    from wordsight.data.pack import PackOptions, pack

    options = PackOptions(shard_size=args.shard_size, resize=args.resize, quality=args.quality)
    manifest = pack(source, args.out, options)
    size = sum(shard.bytes for shard in manifest.shards) / 1e6
    shards = len(manifest.shards)
    samples = f"{manifest.count} sample{'s' if manifest.count != 1 else ''}"
    say(f"{samples} in {shards} shard{'s' if shards != 1 else ''}, {size:.1f} MB: {args.out}")
    list_failures(manifest.failures, args.out / NAME, written=True)
    return 1 if manifest.failures else 0


def _check(source: "Source", args: argparse.Namespace) -> int:
    from wordsight.data.check import check
    from wordsight.data.shards import ShardSource

    differing = []
    if args.verify:
        if not isinstance(source, ShardSource):
            raise UsageError(f"{source.name} is not a set of shards", cure="leave out --verify")
        differing = source.verify()
    report = check(source)
    report.broken[:0] = map(str, differing)
    _print(report, report.broken, args)
    return 1 if report.broken else 0


def _stats(source: "Source", args: argparse.Namespace) -> int:
    from wordsight.data.stats import stats

    figures = stats(source)
    _print(figures, figures.failures, args)
    return 1 if figures.failures else 0


def _print(report: "CheckReport | Stats", failures: Sequence[str], args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(report.as_dict(), indent=2))
        return
    for line in report.lines():
        say(line)
    list_failures(failures, in_cache(f"data-{args.action}"))
