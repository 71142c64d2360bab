"""`wordsight search`: images of a location by words, by an image, or by a mixture."""

import contextlib
import os
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.errors import NotFound, StorageError, UsageError, WordsightError
from wordsight.base.progress import is_quiet, notice, print_error
from wordsight.cli.parser import AndAlso, add_library, probability
from wordsight.cli.search_asking import (
    add_asking,
    facet_columns,
    in_wished_order,
    print_facets,
    say_matching,
    wants_facets,
    wishes_of,
)
from wordsight.cli.search_explaining import AskedLibrary, add_explaining, check_explaining, failed, reasons_for
from wordsight.cli.search_files import Search, add_files, check_files, write_files
from wordsight.cli.search_output import add_output, check_output, is_for_people, print_hits, shown_columns
from wordsight.cli.source_options import add_columns, add_exclude, columns_of
from wordsight.images.fragments import split
from wordsight.search.hits import Located

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.search.facets import Counts
    from wordsight.search.hits import Hits
    from wordsight.search.library import Library
    from wordsight.search.limits import HitLimitOptions
    from wordsight.search.query import Query

STRONGER = "ViT-B-32/datacomp_xl_s13b_b90k"  # of the catalogue: as fast as transformers get, and free to use
BYTES = 4  # of a parameter, as the catalogue's models are published

_EPILOG = """\
QUERY is text, the path of an image, or either with a weight (2:words, 0.5:photo.jpg).  Words that follow each other
are one phrase; to mix several phrases give each a weight.  PLACE is indexed on first use and kept in step after.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("query", nargs="*", metavar="QUERY", help="text, the path of an image, or 2:text")
    parser.add_argument(
        "--in",
        dest="locations",
        action="append",
        type=Path,
        default=[],
        metavar="PLACE",
        help="a folder, shards or a table (default: this folder); again for more, the best of all are answered",
    )
    add_library(parser)
    parser.add_argument("-k", type=int, default=10, metavar="N", help="how many images at most (default: 10)")
    parser.add_argument(
        "--where",
        action=AndAlso,
        metavar="EXPR",
        help="condition on metadata, e.g. \"price < 50 and colour = 'red'\"; again for more, which all have to hold",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="QUERY",
        help="rank images like this lower; again for more, 2:text sets a weight",
    )
    parser.add_argument(
        "--min-match",
        type=probability,
        metavar="P",
        help="minimum probability that an image matches, 0.4 or 40%% (default: very unlikely images are left out where "
        "people read the answer; 0: none is)",
    )
    parser.add_argument("--min-cosine", type=float, metavar="C", help="minimum score, a cosine from -1 to 1")
    add_columns(parser)
    add_exclude(parser)
    parser.add_argument(
        "--no-sync", action="store_true", help="answer from the library as it is, with images that are absent"
    )
    parser.add_argument("--absent", action="store_true", help="answer with images that are known and not there, too")
    add_asking(parser)
    add_explaining(parser)
    add_output(parser)
    add_files(parser)


def run(args: Namespace) -> int:
    """Search; 0 with hits, 1 without, or where one of several places failed."""
    from wordsight.embeddings.model import load

    if args.k < 1:
        raise UsageError(f"-k {args.k}", cure="ask for at least one image")
    if args.min_cosine is not None and not -1 <= args.min_cosine <= 1:
        raise UsageError(f"--min-cosine {args.min_cosine}", cure="give a cosine from -1 to 1")
    locations = list({os.path.realpath(location): location for location in args.locations or [Path()]}.values())
    if args.library and len(locations) > 1:
        raise UsageError(f"--library {args.library} for {len(locations)} places", cure="leave it out, or give one --in")
    check_output(args)
    check_files(args)
    check_explaining(args)
    query = _read(locations, args)
    model = load(args.model, engine=args.engine, device=args.device)
    with contextlib.nullcontext() if args.no_sync else _opening_texts(model, query):
        answers = [_answer(location, query, model, args) for location in locations]
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if len(errors) == len(locations):
        raise errors[0]
    answered = [answer for answer in answers if not isinstance(answer, Exception)]
    nearest = _merged([answer.hits for answer in answered], args.sort)
    cut = args.min_match is None and args.min_cosine is None
    hits = [one for one in nearest if one.likely or not cut][: args.k]
    known = list(dict.fromkeys(column for answer in answered for column in answer.columns))
    columns = shown_columns(args.show, known)
    printed = hits if is_for_people(args) else nearest[: args.k]
    reasons = reasons_for([*printed, *hits], [one.asked for one in answered]) if args.explain else {}
    if not args.facets_only:
        print_hits(printed, args, columns=columns, known=known, reasons=reasons)
        say_matching([answer.answered for answer in answered], args)
    if wants_facets(args):
        print_facets([answer.counts for answer in answered], args)
    gone = [f"{at}: {one}" for at, one in zip(locations, answers, strict=True) if isinstance(one, Exception)]
    written = write_files(hits, args, columns=columns, asked=Search(query, model, gone, reasons))
    if not printed:
        asked = [location for location, answer in zip(locations, answers, strict=True) if isinstance(answer, _Answer)]
        unlikely = f": the nearest has a probability of {nearest[0].hit.match:.1%} (--min-match 0)" if nearest else ""
        absent = sum(answer.absent for answer in answered)
        away = f"; {absent} pictures are absent (--absent answers with them)" if absent and not args.absent else ""
        notice(f"nothing in {' or '.join(map(str, asked))} matches{unlikely}{away}")
    elif is_for_people(args) and len(printed) < len(nearest[: args.k]):
        shown = f"{len(printed)} of the {len(nearest[: args.k])} nearest"
        notice(f"{shown}: the others are unlikely (--min-match 0 shows them)")
    _mention_stronger(model)
    return 0 if printed and written and not errors and not failed(reasons) else 1


@contextlib.contextmanager
def _opening_texts(model: "Model", query: "Query") -> Iterator[None]:
    """Open the text tower beside the block, which looks at the files: 292 ms for 346, 10,000 files and two cores.

    What fails here fails again, and is said, where the query is embedded.
    """

    def open_texts() -> None:
        with contextlib.suppress(Exception):
            model.embed_texts(["a"])

    if not any(part.text for part in (*query.parts, *query.without)):
        yield
        return
    thread = threading.Thread(target=open_texts, name="open-texts")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _mention_stronger(model: "Model") -> None:
    """Print one line, once for each user, on how to get a stronger model than the bundled one."""
    from wordsight.base.settings import first_time
    from wordsight.weights.find import BUNDLED

    if model.folder != BUNDLED or is_quiet() or not first_time("stronger-model"):
        return
    from wordsight.weights.names import catalogue

    row = next(row for row in catalogue() if row.name == STRONGER)
    size = f"{round((row.parameters or 0) * BYTES, -1):.0f} MB"
    notice(
        f"a stronger model than the bundled one: {row.name} ({size} to fetch, licence {row.licence}): "
        f"pip install 'wordsight[models]' && wordsight models use {row.name}"
    )


def _read(locations: Sequence[Path], args: Namespace) -> "Query":
    """Return the query; an image is looked for in the current folder and in every location."""
    from wordsight.search.query import join_words, read_query

    wishes, words = wishes_of(args), join_words(args.query)
    for location in locations:
        try:
            return read_query(words, where=args.where, without=args.without, location=location, wishes=wishes)
        except NotFound:
            if location == locations[-1]:
                raise
    raise AssertionError("there is a place")


class _Answer(NamedTuple):
    """What one library answered; `columns` are all that its metadata has, `counts` for facets.

    `absent` counts its absent images, where there is no hit; `asked` is whom to ask for reasons.
    """

    asked: AskedLibrary
    hits: list[Located]
    columns: Sequence[str]
    answered: "Hits"
    counts: "Counts"
    absent: int


def _answer(location: Path, query: "Query", model: "Model", args: Namespace) -> _Answer | Exception:
    """Return the hits of one location; where there are several, the error that kept one from answering is printed."""
    from wordsight.search.library import open_library
    from wordsight.search.nearest import Scope, nearest

    try:
        columns = columns_of(args)
        library = open_library(location, model=model, library_dir=args.library, columns=columns, exclude=args.exclude)
        asked = args.library or columns or args.exclude is not None
        scope = Scope(library, location) if asked else nearest(library)
        with scope.library as library:
            if not args.no_sync:
                _bring_up_to_date(library, args.exclude)
            query = scope.narrowed(query)
            if library.is_unfinished():
                so_far = f"{len(library):,} of its pictures can be searched so far"
                notice(f"the library of {library.location} is still being made: {so_far}")
            limits: HitLimitOptions = {"k": args.k, "min_match": args.min_match, "min_cosine": args.min_cosine}
            limits["absent"] = args.absent or args.no_sync
            with library.one_look():
                hits = library.answer(query, **limits)
                counts = library.count(query, facet_columns(args), **limits) if wants_facets(args) else {}
                known = library.columns() if args.show or args.csv else ()
            absent = 0 if hits else len(library.absent())
            likely = {hit.key for hit in hits.cut(hits.least, None)} | {hit.key for hit in hits if hit.named}
        located = zip(scope.seen(hits), hits, strict=True)
        return _Answer(
            AskedLibrary(location, scope, query),
            [Located(location, hit, likely=own.key in likely) for hit, own in located],
            known,
            hits,
            counts,
            absent,
        )
    except (WordsightError, OSError) as error:
        if len(args.locations) > 1:
            print_error(f"failed: {location}: {error}")
        return error


def _merged(answers: list[list[Located]], sort: str | None) -> list[Located]:
    """Return the hits of all locations, in order; a file that two locations hold comes once."""
    if len(answers) == 1:
        return answers[0]
    once: dict[object, Located] = {}
    for one in in_wished_order((hit for answer in answers for hit in answer), sort):
        file = one.hit.path.resolve() if one.hit.path else (one.location, one.hit.key)
        once.setdefault((file, split(one.hit.key)[1]), one)
    return list(once.values())


def _bring_up_to_date(library: "Library", exclude: Sequence[str] | None) -> None:
    """Sync; a library that is there but cannot be written now is answered from as it is.

    `exclude` are the patterns that were given, which the library remembers from now on.
    """
    from wordsight.cli.index import notice_of

    there = library.exists()
    if not there:
        notice(f"indexing {library.location} (first use)")
    try:
        notice_of(library.sync(), library)
    except StorageError as error:
        if not there:
            raise
        notice(f"answering from the library as it is: {error}")
        return
    if any(exclude or ()):
        alone = ", ".join(exclude or ())
        notice(f"{library.location}: {alone} is left alone from now on; --exclude '' takes it back")
    elif exclude is not None:
        notice(f"{library.location}: the patterns of --exclude are forgotten from now on")
