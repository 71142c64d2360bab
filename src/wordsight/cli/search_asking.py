"""The options of `wordsight search` that say more than words: examples, an order, exact words, folding, facets.

Nothing heavy is imported here.
"""

import sys
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.parser import column

if TYPE_CHECKING:
    from wordsight.search.facets import Counts, FacetValue
    from wordsight.search.hits import Hit, Hits, Located
    from wordsight.search.wishes import Wishes

ALL = "all"  # columns, for --facets
_FORMS = ("json", "csv", "paths_only", "null")  # besides lines for people


def add_asking(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--sort", type=column, metavar="COLUMN", help="the matches by a column, falling with a minus: -mtime, price"
    )
    parser.add_argument(
        "--keywords",
        choices=("auto", "on", "off"),
        default="auto",
        help="let images rise that have the query's exact words (auto: where they have text besides their names)",
    )
    parser.add_argument(
        "--fold",
        action=BooleanOptionalAction,
        default=None,
        help="near-duplicates of a better hit as +N alike (default: in lines for people)",
    )
    example = "an image of the library, by key or path; again for more"
    parser.add_argument("--like", action="append", default=[], metavar="IMAGE", help=f"instead of a query: {example}")
    parser.add_argument("--like-set", type=Path, metavar="FILE", help="instead of a query: keys or paths, one a line")
    parser.add_argument("--liked", action="append", default=[], metavar="IMAGE", help=f"move towards {example}")
    parser.add_argument("--disliked", action="append", default=[], metavar="IMAGE", help=f"move away from {example}")
    parser.add_argument(
        "--facets",
        metavar="A,B",
        help=f"then how many matches have each value of these columns; {ALL}: where few do",
    )
    parser.add_argument("--facets-only", action="store_true", help="nothing but the facets; with --json as one object")


def wishes_of(args: Namespace) -> "Wishes":
    """Return what else is asked for; raises `UsageError` for options that do not go together."""
    from wordsight.search.wishes import read_wishes

    form = _form(args)
    if args.facets and form and not (args.facets_only and form == "json"):
        cure = "add --facets-only: one object" if form == "json" else "leave one of them out"
        raise UsageError(f"--facets with --{form.replace('_', '-')}", cure=cure)
    if args.facets_only and form not in ("", "json"):
        raise UsageError(f"--facets-only with --{form.replace('_', '-')}", cure="leave one of them out")
    return read_wishes(
        {
            "sort": args.sort,
            "keywords": args.keywords,
            "fold": not form if args.fold is None else args.fold,
            "like": [*args.like, *(_listed(args.like_set) if args.like_set else ())],
            "liked": args.liked,
            "disliked": args.disliked,
        }
    )


def _form(args: Namespace) -> str:
    """Return the form of output that is asked for, "" for lines for people."""
    return next((name for name in _FORMS if getattr(args, name, False)), "")


def _listed(path: Path) -> list[str]:
    """Return the keys or paths in a file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise NotFound(f"--like-set {path}: {error.strerror}", cure="give a file with a key a line") from None
    names = [line for line in lines if line.strip()]
    if not names:
        raise UsageError(f"--like-set {path} is empty", cure="write a key or path into each line")
    return names


def wants_facets(args: Namespace) -> bool:
    """Return whether facets are to be printed."""
    return bool(args.facets or args.facets_only)


def facet_columns(args: Namespace) -> list[str] | None:
    """Return the columns to count; None for all."""
    if args.facets in (None, ALL):
        return None
    return list(dict.fromkeys(name.strip() for name in args.facets.split(",") if name.strip()))


def in_wished_order(located: "Iterable[Located]", sort: str | None) -> "list[Located]":
    """Return the hits of all places, best first or in the order asked for."""
    ranked = sorted(located, key=lambda one: -one.hit.score)
    if all(one.hit.match is not None for one in ranked):  # which libraries can compare, and cosines cannot
        ranked.sort(key=lambda one: -(one.hit.match or 0))
    columns = {name for one in ranked for name in one.hit.meta}
    if sort is None or not columns:
        return ranked
    from wordsight.search.ordering import in_order, read_order

    columns.add(sort.strip().removeprefix("-"))  # which no hit may have
    return in_order(ranked, read_order(sort, columns), lambda one: one.hit.meta)


def say_matching(answers: "Sequence[Hits]", args: Namespace) -> None:
    """Say how many images match, where they are sorted."""
    counted = [hits for hits in answers if hits.matching is not None]
    if counted:
        count = sum(hits.matching or 0 for hits in counted)
        which = f"{count:,} match" if all(hits.is_cut for hits in counted) else f"the {count:,} nearest"
        notice(f"{which}, sorted by {args.sort}")


def remarks(hit: "Hit") -> list[str]:
    """Return what stands behind a hit in a line for people: how many are alike, and why it came."""
    return [f"+{len(hit.alike)} alike" if hit.alike else "", hit.why]


def print_facets(counts: "Sequence[Counts]", args: Namespace) -> bool:
    """Print the facets of all places together; return whether there are any."""
    from wordsight.search.facets import facets, merged

    columns = facets(merged(counts), named=facet_columns(args) is not None)
    if args.json:
        import json

        as_json = {
            name: [{"value": one.label, "count": one.count, "where": one.where} for one in values]
            for name, values in columns.items()
        }
        print(json.dumps({"facets": as_json}, ensure_ascii=True))
    else:
        if not args.facets_only:
            sys.stdout.write("\n")
        for name, values in columns.items():
            say(f"{name}: {', '.join(map(_short, values)) or '-'}")
    return any(columns.values())


def _short(value: "FacetValue") -> str:
    label = " ".join(value.label.split())
    return f"{label if len(label) <= 40 else f'{label[:39]}…'} ({value.count})"
