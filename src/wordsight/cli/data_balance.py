"""`wordsight data balance SOURCE…`: which pairs are kept so that each entry has about t at most.

Entries are counted over the source, and then each pair is drawn; or counts of several sources are added first
(`--merge`), so that machines that share a set draw alike.
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.progress import bar, notice, print_error
from wordsight.base.terminal import say
from wordsight.cli.parser import out_path
from wordsight.cli.source_options import add_columns, columns_of
from wordsight.data.kinds import kinds

if TYPE_CHECKING:
    from wordsight.data.balance import Captioned, Draw, MatchedPairs
    from wordsight.data.entry_matcher import EntryMatcher
    from wordsight.data.source import Source

OWN = "captions"  # the value of --entries for which entries are made of the captions
NAMED = 3  # entries or keys that a notice names


def add_action(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare `data balance`."""
    parser = actions.add_parser(
        "balance", allow_abbrev=False, help="choose pairs so that no word or phrase of a list has more than about T"
    )
    parser.add_argument(
        "source", metavar="SOURCE", nargs="*", help="a folder, table, shards, captions.txt (one a line), or - for stdin"
    )
    parser.add_argument("--split", metavar="NAME", help="train, val, train+extra ... or all")
    parser.add_argument("--kind", choices=kinds(), default="auto", help="what SOURCE is (default: auto)")
    add_columns(parser)
    parser.add_argument(
        "--entries",
        nargs="+",
        required=True,
        metavar="FILE|captions",
        help="words and phrases, one a line or a JSON list; 'captions': the captions' own words and pairs of words",
    )
    parser.add_argument("--min-count", type=int, default=5, metavar="N", help="of an entry made of captions (5)")
    parser.add_argument(
        "--min-pmi", type=float, default=3.0, metavar="BITS", help="of a pair of words made of captions (3)"
    )
    parser.add_argument(
        "--at-most",
        type=int,
        metavar="T",
        help="pairs that are drawn for an entry, on average",
    )
    parser.add_argument(
        "--out", type=out_path, metavar="FILE", help="verdicts: .csv, .jsonl, .parquet; .txt: kept keys"
    )
    parser.add_argument("--counts", type=out_path, metavar="FILE", help="write the pairs of each entry there")
    parser.add_argument(
        "--merge", nargs="+", type=Path, default=[], metavar="FILE", help="draw by the sums of these counts instead"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="other pairs for another one (default: 0)")
    parser.add_argument("--threads", type=int, metavar="N", help="that match captions (default: as many as cores)")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")


@dataclass
class _Figures:
    """What is printed."""

    pairs: int = 0
    matched: int = 0
    kept: int | None = None
    expected: float | None = None
    at_most: int | None = None
    seed: int | None = None
    entries: int = 0
    entries_matched: int = 0
    entries_above: int | None = None
    repeated_keys: int | None = None
    failed: int = 0


def run(args: argparse.Namespace) -> int:
    """Count, and draw; exit status 1 where no caption has an entry, or some inputs failed."""
    from wordsight.data.balance import Draw, Spool, count_entries, match_pairs
    from wordsight.data.balance_files import read_counts, write_counts
    from wordsight.data.entry_matcher import EntryMatcher

    _check(args)
    pairs = _Pairs(args) if args.source else None
    entries = _entries(args, pairs)
    matcher = EntryMatcher(entries)
    _tell_unmatchable(entries, matcher)
    figures = _Figures(entries=len(entries))
    blocks = _counted(match_pairs(pairs, matcher, threads=args.threads), pairs, figures) if pairs else iter(())
    with Spool() as spool:
        if args.merge:
            counts = read_counts(args.merge, entries)
        else:
            counts = count_entries(spool.through(blocks) if args.at_most else blocks, len(entries))
        figures.entries_matched = int((counts > 0).sum())
        if args.at_most and pairs:
            _draw(blocks if args.merge else spool, Draw(entries, counts, args.at_most, args.seed), args.out, figures)
        if args.counts:
            write_counts(args.counts, entries, counts)
    return _end(args, figures, pairs)


def _check(args: argparse.Namespace) -> None:
    """Refuse calls that ask for nothing or for what cannot be, before anything is read."""
    from wordsight.data.balance_files import COUNTS, VERDICTS, check_ending

    if not args.source and not (args.merge and args.counts):
        raise UsageError("no SOURCE", cure="name one; without one, counts are added: --merge A B --counts SUM")
    if args.source and args.merge and args.at_most is None:
        raise UsageError("--merge without --at-most", cure="add it to draw, or leave SOURCE out to add counts")
    if args.at_most is None and (args.out or not args.counts):
        raise UsageError(
            "no --at-most", cure="give the pairs of an entry, such as 20000, or --counts FILE to count only"
        )
    if args.at_most is not None and args.at_most < 1:
        raise UsageError(f"--at-most {args.at_most}", cure="give 1 or more")
    if args.threads is not None and args.threads < 1:
        raise UsageError(f"--threads {args.threads}", cure="give 1 or more")
    for path, endings, option in ((args.out, VERDICTS, "--out"), (args.counts, COUNTS, "--counts")):
        if path is not None:
            check_ending(path, endings, option)


class _Pairs:
    """The pairs of the sources, read as often as wanted but for standard input; `failures` of the last time."""

    def __init__(self, args: argparse.Namespace) -> None:
        from wordsight.data.caption_lines import STDIN, CaptionLines, is_lines
        from wordsight.data.source import open_source
        from wordsight.data.source_files import split_named_by

        lines = [path for path in args.source if is_lines(path)]
        if lines and len(lines) < len(args.source):
            raise UsageError(f"{lines[0]} beside another kind of source", cure="balance text files by themselves")
        self.once = STDIN in lines
        self._lines: CaptionLines | None = CaptionLines(lines) if lines else None
        self._source: Source | None = None
        if not lines:
            with split_named_by("--split "):
                self._source = open_source(args.source, split=args.split, kind=args.kind, columns=columns_of(args))
        self.failures: list[str] = []

    def count(self) -> int | None:
        """Return how many pairs there are, where that is known."""
        return self._source.count() if self._source is not None else None

    def __iter__(self) -> "Iterator[Captioned]":
        if self._lines is not None:
            yield from self._lines
            self.failures = self._lines.failures
        else:
            assert self._source is not None
            walk = self._source.samples()
            yield from ((sample.key, sample.texts) for sample in walk)
            self.failures = [str(failure) for failure in walk.failures]


def _entries(args: argparse.Namespace, pairs: _Pairs | None) -> tuple[str, ...]:
    from wordsight.data.entries import read_entries
    from wordsight.data.own_entries import own_entries

    if args.entries != [OWN]:
        return read_entries([Path(name) for name in args.entries])
    if pairs is None or pairs.once:
        raise UsageError("--entries captions reads captions twice", cure="name a SOURCE that is no stream")
    own = own_entries(
        lambda: (caption for _, captions in pairs for caption in captions),
        min_count=args.min_count,
        min_pmi=args.min_pmi,
    )
    phrases = sum(" " in entry for entry in own.entries)
    notice(f"entries of the captions: {len(own.entries) - phrases:,} words, {phrases:,} pairs of words")
    if own.missed:
        notice(f"there are so many different words that counts may be low by up to {own.missed:,}")
    return own.entries


def _tell_unmatchable(entries: tuple[str, ...], matcher: "EntryMatcher") -> None:
    if matcher.unmatchable:
        named = ", ".join(repr(entries[number]) for number in matcher.unmatchable[:NAMED])
        count = len(matcher.unmatchable)
        counted = f"{count:,} {'entry' if count == 1 else 'entries'}"
        notice(f"{counted} can match nothing, for a mark touches a letter: {named}{' …' if count > NAMED else ''}")


def _counted(blocks: "Iterable[MatchedPairs]", pairs: _Pairs, figures: _Figures) -> "Iterator[MatchedPairs]":
    """Pass blocks on with a progress bar."""
    with bar(total=pairs.count(), unit="pair", desc="matching") as progress:
        for block in blocks:
            figures.pairs += len(block.keys)
            figures.matched += int((block.counts > 0).sum())
            yield block
            progress.update(len(block.keys))


def _draw(blocks: "Iterable[MatchedPairs]", drawing: "Draw", out: Path | None, figures: _Figures) -> None:
    """Draw, and write verdicts where they are wanted."""
    from wordsight.data.balance import draw, key_hashes
    from wordsight.data.balance_files import verdict_writer
    from wordsight.data.repeated_keys import RepeatedKeys

    figures.at_most, figures.seed = drawing.at_most, drawing.seed
    figures.entries_above = int((drawing.counts > drawing.at_most).sum())
    figures.kept, figures.expected = 0, 0.0
    writer = verdict_writer(out, drawing.entries) if out else nullcontext(None)
    with RepeatedKeys() as keys, writer as write:
        for block in draw(blocks, drawing):
            figures.kept += int(block.kept.sum())
            figures.expected += float(block.probabilities.sum())
            keys.note(key_hashes(block.keys, drawing.seed))
            if write is not None:
                write(block)
        figures.repeated_keys = len(keys.hashes())


def _end(args: argparse.Namespace, figures: _Figures, pairs: _Pairs | None) -> int:
    """Print the figures; return the exit status."""
    failures = pairs.failures if pairs else []
    figures.failed = len(failures)
    if figures.repeated_keys:
        notice(
            f"{figures.repeated_keys:,} keys are there more than once: the same draw decides for all of a key's pairs"
        )
    if args.json:
        print(json.dumps(asdict(figures)))
    else:
        for line in _lines(args, figures):
            say(line)
    list_failures(failures, in_cache("data-balance"))
    if pairs and not figures.matched:
        print_error("no caption has an entry: upper and lower case differ, and entries are whole words")
    return 1 if failures or (pairs and not figures.matched) else 0


def _lines(args: argparse.Namespace, figures: _Figures) -> Iterator[str]:
    if args.source:
        yield f"{figures.pairs:,} pairs, {figures.matched:,} of them with an entry"
    yield f"{figures.entries:,} entries, {figures.entries_matched:,} of them in a pair"
    if args.counts:
        yield f"counts: {args.counts}"
    if figures.kept is not None and figures.expected is not None:
        share = f" ({figures.kept / figures.pairs:.1%})" if figures.pairs else ""
        yield f"{figures.entries_above:,} of them in more than {figures.at_most:,} pairs"
        yield f"{figures.kept:,} pairs are kept{share}, {figures.expected:,.0f} were expected" + (
            f": {args.out}" if args.out else ""
        )
