"""What `wordsight search` writes to standard output: lines for people, with pictures if wanted, JSON, CSV or paths.

`search_files` writes what goes to files.  Nothing heavy is imported for lines, JSON and paths.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence

from wordsight.base.errors import UsageError
from wordsight.base.terminal import escaped, say, shown
from wordsight.cli.search_asking import remarks
from wordsight.cli.search_explaining import Reasons, explanation_of
from wordsight.search.hits import Located, name_of, one_line, percent, title

FORMS = ("json", "csv", "paths_only", "null")  # besides lines for people; one at most
HEAD = ("rank", "score", "match", "key", "path", "place")  # of every CSV row


def add_output(parser: ArgumentParser) -> None:
    """Declare the options that say in which form the hits are printed."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line: score, key, path, meta, place")
    form.add_argument("--csv", action="store_true", help="a table with a header, never cut: rank, score, key, columns…")
    form.add_argument("--paths-only", action="store_true", help="nothing but the paths, for xargs")
    form.add_argument("-0", "--null", action="store_true", help="the paths, with a zero byte behind each, for xargs -0")
    parser.add_argument(
        "--show",
        action="append",
        default=[],
        metavar="A,B",
        help="the metadata columns to show in lines, --csv, --html and --sheet; again for more",
    )
    parser.add_argument("--preview", action="store_true", help="small pictures between the lines, where a terminal can")


def check_output(args: Namespace) -> None:
    """Raise `UsageError` for options that do not go together, before anything is searched."""
    form = next((name for name in FORMS if getattr(args, name)), "")
    named = f"--{form.replace('_', '-')}"
    if args.preview and form:
        raise UsageError(f"--preview with {named}", cure="leave one of them out")
    shows = form in ("", "csv") or args.html is not None or args.sheet is not None or args.open
    if args.show and not shows:
        cure = "leave it out: it gives all columns" if form == "json" else "leave one of them out"
        raise UsageError(f"--show with {named}", cure=cure)


def is_for_people(args: Namespace) -> bool:
    """Return whether people read what is printed, and not programs."""
    return not (args.json or args.csv or args.paths_only or args.null)


def shown_columns(asked: Sequence[str], known: Iterable[str]) -> list[str] | None:
    """Return the columns that --show names, None where it was not given; an unknown one raises `UsageError`."""
    if not asked:
        return None
    columns = dict.fromkeys(known)
    named: dict[str, None] = {}
    for one in asked:
        parts = [one] if one in columns else [part.strip() for part in one.split(",")]
        for name in parts:
            if name not in columns:
                raise _unknown(name, list(columns))
            named[name] = None
    return list(named)


def _unknown(name: str, columns: Sequence[str]) -> UsageError:
    from wordsight.search.ordering import unknown_column

    if not name:
        return UsageError("--show with an empty name", cure="give the names of columns, with commas between")
    return unknown_column("show", name, columns)


def print_hits(
    hits: Sequence[Located],
    args: Namespace,
    *,
    columns: Sequence[str] | None,
    known: Sequence[str],
    reasons: "Reasons",
) -> None:
    """Print the hits in the form that was asked for; `known` are all columns, `columns` those of --show."""
    if args.json:
        _print_json(hits, reasons)
    elif args.csv:
        _print_csv(hits, known if columns is None else columns)
    elif args.paths_only or args.null:
        for name in dict.fromkeys(str(one.hit.path or f"{one.location}!{one.hit.key}") for one in hits):
            sys.stdout.write(f"{name}\0" if args.null else f"{shown(name, sys.stdout)}\n")
    else:
        several = len(args.locations) > 1
        images = _previews(hits) if args.preview else None
        for one in hits:
            say(_line(one, columns, several=several))
            if id(one.hit) in reasons:
                say(f"      {reasons[id(one.hit)].text}")
            if images is not None:
                print(next(images), flush=True)


def _previews(hits: Sequence[Located]) -> Iterator[str] | None:
    from wordsight.cli.preview import previews

    return previews([one.hit for one in hits])


def _line(one: Located, columns: Sequence[str] | None, *, several: bool) -> str:
    """Return probability, score, path or key, and what the hit shows: its title, or the columns asked for."""
    hit = one.hit
    key = f"{one.location}: {hit.key}" if several else hit.key
    likely = "" if hit.match is None else f"{percent(hit.match):>4}"
    parts = [likely, f"{hit.score:.3f}", name_of(hit) if hit.path else key]
    parts += [title(hit)] if columns is None else [one_line(hit.meta.get(name)) or "-" for name in columns]
    return "  ".join(part for part in (*parts, *remarks(hit)) if part)


def _print_json(hits: Sequence[Located], reasons: "Reasons") -> None:
    import json

    for one in hits:
        hit = one.hit
        record = {**hit.record(), **explanation_of(reasons.get(id(hit)))}
        if id(hit) in reasons:
            record["why"] = "; ".join(part for part in (hit.why, reasons[id(hit)].text) if part)
        print(json.dumps({**record, "place": str(one.location)}, ensure_ascii=True))


def _print_csv(hits: Sequence[Located], columns: Sequence[str]) -> None:
    import csv

    columns = [name for name in columns if name != "path"]  # which stands in front
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(map(_cell, (*HEAD, *(f"meta_{name}" if name in HEAD else name for name in columns))))
    for rank, one in enumerate(hits, start=1):
        hit = one.hit
        fixed = (
            rank,
            round(hit.score, 6),
            "" if hit.match is None else round(hit.match, 6),
            hit.key,
            hit.path,
            one.location,
        )
        rows.writerow(map(_cell, (*fixed, *(hit.meta.get(name) for name in columns))))


def _cell(value: object) -> object:
    """Return a cell; on a terminal it is escaped."""
    from wordsight.search.cells import cell

    made = cell(value)
    return escaped(made) if isinstance(made, str) and sys.stdout.isatty() else made
