"""`wordsight data curate SOURCE --rule …`: the pairs that rules keep, with the reason for each that goes."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli.parser import out_path

if TYPE_CHECKING:
    from wordsight.curate.judging import Verdicts
    from wordsight.curate.pool import PairPool
    from wordsight.data.source import Source

UIDS = ".npy"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the action; the source's are declared with those of the others."""
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="RULE",
        help="NAME, NAME:key=value,… or 'clip-score >= X'; again, or joined by ' and ', for more: all have to keep a "
        "pair. Names: basic, language, text-based, clip-score, image-based, duplicates, near-duplicates, "
        "decontaminate, balance",
    )
    parser.add_argument("--rules", type=Path, metavar="FILE", help="a TOML file of rules, before those of --rule")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="PLACE",
        help="the set that decontaminate and image-based compare with; again for more",
    )
    parser.add_argument(
        "--out",
        action="append",
        default=[],
        type=out_path,
        metavar="PATH",
        help="FILE.csv or .parquet: every verdict; FILE.npy: the kept uids as DataComp reads them; a folder: shards of "
        "the kept pairs; again for more",
    )
    parser.add_argument(
        "--kept", type=out_path, metavar="FILE", help="the kept pairs as a table to train on: FILE.csv or .parquet"
    )
    parser.add_argument("--prefix", default="", metavar="TEXT", help="what stands before every caption (default: none)")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")


def run(source: "Source", args: Namespace) -> int:
    """Judge all pairs and write what was asked for; exit status 1 if some inputs failed, or nothing is kept."""
    from wordsight.base.errors import UsageError
    from wordsight.base.failures import in_cache, list_failures
    from wordsight.base.progress import notice
    from wordsight.curate.judging import judge
    from wordsight.curate.pool import PairPool
    from wordsight.curate.rule_text import read_rule_file, read_rules
    from wordsight.embeddings.model import load

    rules = [*(read_rule_file(args.rules, args.against) if args.rules else []), *read_rules(args.rule, args.against)]
    if not rules:
        raise UsageError("no rule", cure="give one, for example --rule clip-score:top=30%")
    _check_paths(args)
    pool = PairPool(source, lambda: load(args.model, engine=args.engine, device=args.device), prefix=args.prefix)
    _check_pairs(pool, args)
    verdicts = judge(pool, rules)
    written = True
    if verdicts.kept.any():
        written = _write(pool, verdicts, args)
    else:
        notice("no pair is kept: nothing but verdicts is written")
        _write_verdicts(pool, verdicts, args)
    _summarise(pool, verdicts, args)
    failures = pool.failures()
    list_failures(failures, in_cache("data-curate"))
    return 0 if verdicts.kept.any() and written and not failures else 1


def _check_paths(args: Namespace) -> None:
    """Refuse what cannot be written before anything is read."""
    from wordsight.base.errors import UsageError
    from wordsight.base.files import require_file
    from wordsight.curate.tables import SUFFIXES, check_table, require_outside

    paths = [*args.out, *([args.kept] if args.kept is not None else [])]
    for path in paths:
        require_outside(path, args.source)
        if path.suffix.lower() == ".npz":
            raise UsageError(f"{path}: uids are read as .npy", cure="name the file .npy")
    for path in args.out:
        if path.suffix.lower() in SUFFIXES:
            check_table(path)
        if path.suffix:
            require_file(path)
            if path.suffix.lower() not in (*SUFFIXES, UIDS):
                raise UsageError(
                    f"{path} is of no known form", cure="end it in .csv, .parquet or .npy; a folder in none"
                )
    if args.kept is not None:
        check_table(args.kept)
        require_file(args.kept)


def _check_pairs(pool: "PairPool", args: Namespace) -> None:
    """Refuse what these pairs cannot be written as, and say a key that is not unique."""
    from wordsight.base.progress import notice
    from wordsight.curate.selection import check_pairs, check_uids, repeated_key

    if any(path.suffix.lower() == UIDS for path in args.out):
        check_uids(pool)
    if args.kept is not None:
        check_pairs(pool)
    if args.out:
        key = repeated_key(pool)
        if key is not None:
            notice(f"the key {key} stands for several images: verdicts are by row")


def _write(pool: "PairPool", verdicts: "Verdicts", args: Namespace) -> bool:
    """Write everything that was asked for; return whether every kept image could be packed."""
    from wordsight.base.progress import notice
    from wordsight.curate.selection import KeptPairs, write_pairs, write_uids
    from wordsight.data.pack import PackOptions, pack

    _write_verdicts(pool, verdicts, args)
    whole = True
    for path in args.out:
        if path.suffix.lower() == UIDS:
            notice(f"{path}: {write_uids(pool, verdicts, path):,} uids")
        elif not path.suffix:
            manifest = pack(KeptPairs(pool, verdicts), path, PackOptions())
            whole = whole and not manifest.failures
            shards = f"{len(manifest.shards)} shard{'s' if len(manifest.shards) != 1 else ''}"
            notice(f"{path}: {manifest.count:,} images in {shards}")
    if args.kept is not None:
        write_pairs(pool, verdicts, args.kept)
        notice(f"{args.kept}: {int(verdicts.kept.sum()):,} pairs")
    return whole


def _write_verdicts(pool: "PairPool", verdicts: "Verdicts", args: Namespace) -> None:
    from wordsight.base.progress import notice
    from wordsight.curate.selection import write_verdicts
    from wordsight.curate.tables import SUFFIXES

    for path in args.out:
        if path.suffix.lower() in SUFFIXES:
            write_verdicts(pool, verdicts, path)
            notice(f"{path}: {pool.records.pairs:,} verdicts")


def _summarise(pool: "PairPool", verdicts: "Verdicts", args: Namespace) -> None:
    from dataclasses import asdict

    from wordsight.base.terminal import say
    from wordsight.curate.selection import kept_images

    pairs, images = pool.records.pairs, pool.records.images
    kept, shown = int(verdicts.kept.sum()), kept_images(pool, verdicts)
    without = int((pool.records.counts == 0).sum())
    if args.json:
        counts = {"pairs": pairs, "images": images, "without_caption": without, "kept": kept, "images_kept": shown}
        steps = [asdict(step) for step in verdicts.steps]
        print(json.dumps({"source": pool.source.name, **counts, "rules": steps}, ensure_ascii=False))
        return
    say(f"{pool.source.name}: {pairs:,} pairs of {images:,} images")
    if without:
        say(f"{without:,} images have no caption and are in no pair")
    wide = max(len(step.rule) for step in verdicts.steps)
    say(f"{'rule':{wide}}  {'alone drops':>12}  {'drops here':>12}  {'left':>12}")
    for step in verdicts.steps:
        say(f"{step.rule:{wide}}  {step.alone:12,}  {step.dropped:12,}  {step.left:12,}")
    say(f"kept: {kept:,} pairs ({kept / pairs:.1%}) of {shown:,} images")
