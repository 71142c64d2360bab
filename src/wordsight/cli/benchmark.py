"""`wordsight benchmark [PLACE]`: recall against exact search, latency and memory of one's own library and queries."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.reading import in_words
from wordsight.base.terminal import say
from wordsight.cli.parser import AndAlso, add_library

if TYPE_CHECKING:
    from wordsight.search.benchmark import Latency, Round, SearchFigures

WORST = 5  # queries that are named
STDIN = Path("/dev/stdin")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="PLACE", help="what was indexed (default: this folder)"
    )
    add_library(parser)
    parser.add_argument(
        "--queries",
        type=Path,
        metavar="FILE",
        help="texts to ask, one a line, - for standard input (default: texts of the library, then everyday phrases)",
    )
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many hits are compared (default: 10)")
    parser.add_argument(
        "--where", action=AndAlso, metavar="EXPR", help="then all of it once more under this condition on metadata"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with every number")


def run(args: Namespace) -> int:
    """Print the figures; 1 where there was nothing to compare."""
    if args.k < 1:
        raise UsageError(f"-k {args.k}", cure="ask for at least one hit")
    queries = None if args.queries is None else _listed(args.queries)
    from wordsight.embeddings.model import load
    from wordsight.search.benchmark import benchmark
    from wordsight.search.library import open_library
    from wordsight.search.nearest import Scope, nearest

    model = load(args.model, engine=args.engine, device=args.device)
    library = open_library(args.place, model=model, library_dir=args.library)
    scope = Scope(library, args.place) if args.library else nearest(library)
    with scope.library:
        figures = benchmark(scope, queries, k=args.k, where=args.where)
    if args.json:
        print(json.dumps({"library": str(scope.library.folder), "model": model.name, **figures.record()}))
    else:
        for line in (f"library    {scope.library.folder}", f"model      {model.name}", *_lines(figures)):
            say(line)
    return 0 if all(one.wanted for one in figures.rounds) else 1


def _listed(path: Path) -> list[str]:
    """Return the lines of a file, or of standard input; raises `NotFound` and `FormatError`."""
    from wordsight.text.lines import listed_lines

    lines = [line for _, line in listed_lines(STDIN if str(path) == "-" else path)]
    if not lines:
        raise FormatError(f"{path} holds no query", cure="write one text a line")
    return lines


def _lines(figures: "SearchFigures") -> Iterator[str]:
    disk, first, machine = figures.footprint, figures.first, figures.machine
    away = f", {figures.absent:,} of them absent" if figures.absent else ""
    yield f"entries    {figures.entries:,}{away}; embeddings of {figures.width} numbers"
    sizes = {"database": disk.database, "embeddings": disk.embeddings, "caches": disk.caches}
    yield f"on disk    {', '.join(f'{name} {in_words(size)}' for name, size in sizes.items())}"
    yield f"search     {f'a scan proposes candidates: {disk.scan}' if disk.scan else 'every embedding is compared'}"
    yield f"processor  {machine['processor']}; {_processor(machine)}"
    yield f"queries    {_origin(figures)}"
    opening = f"{first.text:.1f} ms the text tower, {first.search:.1f} ms opening and searching the library"
    yield f"first      {opening}; all below is without it"
    yield f"text       {_latency(figures.text)}: the text tower"
    for one in figures.rounds:
        yield from _round(one, figures.k)
    yield f"memory     {_memory(figures)}"


def _processor(machine: Mapping[str, Any]) -> str:
    """Return how many cores and threads there are, and which units are used."""
    threads = "".join(f", {name}={value}" for name, value in machine["threads"].items())
    return (
        f"{machine['usable_cores']} cores{threads}; {', '.join(machine['units']) or 'no int8, bf16 and AVX-512 units'}"
    )


def _origin(figures: "SearchFigures") -> str:
    """Return which queries were asked."""
    count, own = len(figures.questions.texts), figures.questions.own
    if figures.given is None:
        return f"{count:,}: {own:,} texts of the library, {count - own:,} everyday phrases"
    return f"{count:,} of the {figures.given:,} given{', spread evenly' if count < figures.given else ''}"


def _round(one: "Round", k: int) -> Iterator[str]:
    """Yield recall and latency under one condition."""
    if one.where:
        yield f"where      {one.where}"
    if one.recall is None:
        yield f"recall@{k:<3} nothing to compare: no entry is answered"
        return
    hits = f"{one.right:,} of {one.wanted:,} hits score no less than the last of exact search"
    yield f"recall@{k:<3} {one.recall:.4f}: {hits}"
    if one.missed:
        yield f"missed     by {len(one.missed):,} queries; the worst:"
    for query in one.missed[:WORST]:
        yield f"           {query.right} of {query.wanted}  {query.text}"
    assert one.index and one.exact and one.whole and one.speedup
    yield f"index      {_latency(one.index)}: the index alone"
    yield f"exact      {_latency(one.exact)}: every embedding compared; {one.speedup:.1f} times as long as the index"
    yield f"whole      {_latency(one.whole)}: Library.search, text tower included"


def _latency(latency: "Latency") -> str:
    return f"{latency.median:8.1f} ms median {latency.p95:8.1f} ms p95 {latency.most:8.1f} ms most"


def _memory(figures: "SearchFigures") -> str:
    memory = figures.memory
    if memory.ordinary is None or memory.exact is None:
        return "not known on this system"
    mapped = f" ({_mebibytes(memory.mapped)} pages of files)" if memory.mapped is not None else ""
    return f"{_mebibytes(memory.ordinary)} at most{mapped}, {_mebibytes(memory.exact)} with exact search"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
