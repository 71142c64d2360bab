"""`wordsight tag PLACE --labels F`: labels of images noted as columns, and written into XMP sidecars on demand."""

import json
import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import UsageError
from wordsight.base.failures import list_failures
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.parser import add_library, probability
from wordsight.cli.parser import column as column_name
from wordsight.cli.source_options import add_columns, add_exclude, columns_of

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.search.tagging.job import TagReport
    from wordsight.search.tagging.options import TagOptions

SHOWN = 20  # labels whose counts are printed
FAILURES = "tag-failures.txt"  # in the library's folder
_EPILOG = """\
Labels that ship: everyday, products, colours, moderation.  A text file has a label and its phrases a line:
beach: a beach | people at the seaside.  Search for what was noted:
wordsight search --in PLACE dog --where "tags contains 'beach'".
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("place", type=Path, metavar="PLACE", help="a folder of images, tar shards, or a table")
    parser.add_argument("--labels", metavar="F", help="a text file of labels, or the name of a shipped set")
    parser.add_argument(
        "--min-match",
        type=probability,
        metavar="P",
        help="from which probability on an image has a label, 0.7 or 70%% (default: 0.3; watched labels 0.5)",
    )
    parser.add_argument(
        "--min-cosine", type=float, metavar="C", help="from which cosine on, instead; another for every model"
    )
    parser.add_argument(
        "--thresholds", type=Path, metavar="F", help="a text file, `label: 0.7` a line, for single labels"
    )
    parser.add_argument(
        "--examples", type=Path, metavar="TABLE", help="images with all labels they show, to set probabilities right"
    )
    parser.add_argument("--top", type=int, metavar="N", help="at most so many labels an image, the likeliest")
    parser.add_argument(
        "--column",
        type=column_name,
        metavar="NAME",
        help="where to note them (default: tags; moderation for watched labels)",
    )
    parser.add_argument(
        "--scores", action="store_true", help="a column of probabilities for each label, too: tag_beach"
    )
    parser.add_argument("--new", action="store_true", help="only images that were not tagged before")
    parser.add_argument("--write", metavar="xmp", help="write the labels into sidecars beside the images, too")
    parser.add_argument(
        "--sidecar",
        default="darktable",
        metavar="NAME",
        help="of new sidecars: darktable (a.jpg.xmp), lightroom (a.xmp)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be noted, and note nothing")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--clear", action="store_true", help="take away what was noted in the column")
    one.add_argument("--undo", action="store_true", help="take the last run back, sidecars too")
    add_library(parser)
    add_columns(parser)
    add_exclude(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object for each image")


def run(args: Namespace) -> int:
    """Tag and print how many images got which label; 1 where none got any, or a sidecar could not be written."""
    options = _checked(args)
    from wordsight.cli.index import notice_of
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    model = load(args.model, engine=args.engine, device=args.device)
    columns = columns_of(args)
    library = open_library(args.place, model=model, library_dir=args.library, columns=columns, exclude=args.exclude)
    with library:
        if args.undo:
            return _undo(library)
        if not args.clear:
            notice_of(library.sync(), library)
        if args.clear:
            column = args.column or _usual_column(args)
            report = library.clear_tags(column, write=args.write, sidecar=args.sidecar, dry_run=args.dry_run)
        else:
            report = library.tag(args.labels, **options)
        (_print_json if args.json else _print_counts)(report, args)
        _say_rest(report, args, library)
        list_failures(report.failures, library.folder / FAILURES)
    return 1 if report.failures or not (report.tagged or args.clear or (args.new and not report.considered)) else 0


def _checked(args: Namespace) -> "TagOptions":
    """Return the options as `Library.tag` takes them; a wrong call is refused before a model is opened."""
    from wordsight.search.tagging.options import TagOptions, TagWishes
    from wordsight.search.tagging.sidecars import check_convention
    from wordsight.text.label_sets import label_set

    if args.labels is None and not (args.undo or args.clear):
        raise UsageError("no labels to tag with", cure="give --labels everyday, or a text file of your own")
    if args.labels is not None:
        label_set(args.labels)
    if args.min_match is not None and args.min_match < 0:
        raise UsageError(f"--min-match {args.min_match}", cure="give a probability from 0 to 1")
    check_convention(args.sidecar)
    names = [name for name in TagOptions.__annotations__ if hasattr(args, name)]
    options: TagOptions = {name: getattr(args, name) for name in names}  # type: ignore[assignment]
    TagWishes(**options)
    return options


def _usual_column(args: Namespace) -> str:
    """Return the column that the labels given fill where no other is named."""
    from wordsight.evaluate.watched import is_to_watch
    from wordsight.text.label_sets import label_set

    watched = args.labels is not None and is_to_watch(label_set(args.labels))
    return "moderation" if watched else "tags"


def _undo(library: "Library") -> int:
    undone = library.undo_tags()
    sidecars = f", {len(undone.restored):,} sidecars" if undone.restored else ""
    say(f"{undone.column}: taken back on {undone.changed:,} images{sidecars}")
    list_failures(undone.left, library.folder / FAILURES)
    return 1 if undone.left else 0


def _print_json(report: "TagReport", args: Namespace) -> None:
    kind = "cosine" if report.is_cosine else "probability"
    for image in report.images():
        tags = [{"label": name, kind: value} for name, value in image.tags.items()]
        path = None if image.file is None else os.fspath(image.file)
        say(json.dumps({"key": image.key, "path": path, report.column: tags}))


def _print_counts(report: "TagReport", args: Namespace) -> None:
    """Print the labels by how many images have them, and what share of these is expected to be right."""
    ordered = sorted(report.counts.items(), key=lambda one: (-one[1].images, one[0]))
    wide = max((len(name) for name, _ in ordered[:SHOWN]), default=0)
    for name, count in ordered[:SHOWN]:
        right = f"mean cosine {count.expected:.3f}" if report.is_cosine else f"about {count.expected:.0%} right"
        say(f"{name:{wide}} {count.images:8,}  {right}")
    if len(ordered) > SHOWN:
        say(f"and {len(ordered) - SHOWN:,} more labels (--json has all, image by image)")


def _say_rest(report: "TagReport", args: Namespace, library: "Library") -> None:
    if report.untold:
        shown = ", ".join(report.untold[:10]) + (
            f" and {len(report.untold) - 10} more" if len(report.untold) > 10 else ""
        )
        notice(f"nothing can be told of what all images here show: {shown} (--examples tells)")
    would = "would have" if args.dry_run else "have"
    what = f"{report.tagged:,} of {report.considered:,} images {would} labels in the column {report.column}"
    written = f"; {report.written:,} sidecars written" if args.write and not args.dry_run else ""
    changed = "" if args.dry_run else f"; {report.changed:,} changed"
    notice(f"{library.location}: {what}{changed}{written}")
