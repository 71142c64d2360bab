"""`wordsight index`: the library of a location, made or brought up to date."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.failures import MOST, list_failures
from wordsight.base.progress import notice
from wordsight.base.terminal import say
from wordsight.cli.parser import add_library
from wordsight.cli.source_options import add_columns, add_exclude, columns_of
from wordsight.images.fragments import file_of, is_fragment

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.search.report import SyncReport

FAILURES = "failures.txt"  # in the library's folder: all failures of the last run that had more than a screenful


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "place", type=Path, metavar="PLACE", help="a folder of images or of embeddings, tar shards, or a table"
    )
    add_library(parser)
    add_columns(parser)
    add_exclude(parser)
    parser.add_argument("--watch", action="store_true", help="keep the library in step until stopped (Ctrl-C, SIGTERM)")
    parser.add_argument("--rebuild", action="store_true", help="build the library again; needed for another model")
    parser.add_argument(
        "--verify", action="store_true", help="compare everything with its checksums; what is damaged is encoded again"
    )
    parser.add_argument(
        "--accept-removal", action="store_true", help="remove what is missing, with or without proof that it is gone"
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--failed", action="store_true", help="list what failed when last looked, and stop")
    one.add_argument("--absent", action="store_true", help="list the images that are kept and not there, and stop")


def run(args: Namespace) -> int:
    """Sync the library and print what was done; 1 when images failed in this run."""
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    model = load(args.model, engine=args.engine, device=args.device)
    columns = columns_of(args)
    library = open_library(args.place, model=model, library_dir=args.library, columns=columns, exclude=args.exclude)
    with library:
        if args.failed or args.absent:
            return _list(library, args)
        if args.verify:
            _verify(library)
        if args.watch and not args.rebuild:
            return _watch(library)
        renew = library.rebuild if args.rebuild else library.sync
        report = renew(accept_removal=args.accept_removal)
        notice_of(report, library)
        _notice_passed_over(library)
        absent = len(library.absent())
        away = f", {absent} of them absent" if absent else ""
        if absent and not report.absent:  # which are told of when they are missed first
            _notice_cure(library)
        say(f"{len(library)} pictures in {library.folder}{away}: {summary(report)}")
        if args.watch:
            return _watch(library)
    return 1 if report.failed else 0


def _list(library: "Library", args: Namespace) -> int:
    """Print what failed, or which images are absent; 1 when there are any."""
    from wordsight.search.nearest import require_made

    if args.library is None:
        require_made(library, "index", "--failed" if args.failed else "--absent")
    listed = [*library.failures().values(), *library.problems()] if args.failed else library.absent()
    for one in listed:
        say(one)
    if args.failed:
        library.in_step()  # it looks at the location
        _notice_passed_over(library)
    elif listed:
        _notice_cure(library)
    return 1 if listed else 0


def _notice_cure(library: "Library") -> None:
    from wordsight.search.contents import index_command

    command = index_command(library.location, library.folder, "--accept-removal")
    notice(f"{library.location}: what is absent comes back when it is there again; {command} removes it")


def _verify(library: "Library") -> None:
    """Print what was damaged, all of which is encoded again."""
    damage = library.verify()
    for one in damage:
        say(f"damaged: {one.what}: {len(one.keys)} of its pictures encoded again")
    if not damage:
        say(f"nothing is damaged in {library.folder}")


def _notice_passed_over(library: "Library") -> None:
    if passed_over := library.passed_over():
        notice(f"{library.location}: {passed_over}", once=True)


def _watch(library: "Library") -> int:
    """Keep the library in step, with a line for every change, until Ctrl-C or SIGTERM."""
    import signal
    import time

    from wordsight.search.watch import watch

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        notice(f"watching {library.location}: stop it with Ctrl-C")
        for report in watch(library, wait):
            if len(lines := _lines(report)) <= MOST:
                for line in lines:
                    notice(f"{library.location}: {line}")
                report = replace(report, added=[], changed=[], moved=[], removed=[], renewed=[])
            notice_of(report, library)
    except KeyboardInterrupt:
        notice("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _lines(report: "SyncReport") -> list[str]:
    """Return a line for every image that a sync did something to."""
    moved = [f"moved {old} to {new}" for old, new in report.moved]
    kinds = {
        "added": report.added,
        "changed": _with_other_content(report),
        "other metadata:": report.renewed,
        "removed": report.removed,
    }
    return [*(f"{kind} {key}" for kind, keys in kinds.items() for key in keys), *moved]


def _with_other_content(report: "SyncReport") -> list[str]:
    renewed = set(report.renewed)
    return [key for key in report.changed if key not in renewed]


def notice_of(report: "SyncReport", library: "Library") -> None:
    """Print to standard error what a sync did, with every failure; nothing when it did nothing."""
    if not report:
        return
    list_failures([reason for _, reason in report.failed], library.folder / FAILURES)
    notice(f"{library.location}: {summary(report)}")


def summary(report: "SyncReport") -> str:
    """Return what a sync did in a few words."""
    counts = {
        "added": len(report.added),
        "changed": len(_with_other_content(report)),
        "with other metadata": len(report.renewed),
        "moved": len(report.moved),
        "removed": len(report.removed),
        "failed": len(report.failed),
        "absent": len(report.absent),
        "back": len(report.returned),
    }
    inside = {"added": _inside(report.added)}
    stated = (f"{count} {name}{inside.get(name, '')}" for name, count in counts.items() if count)
    return ", ".join(stated) or "nothing new"


def _inside(keys: Sequence[str]) -> str:
    """Return how many of the keys are frames or pages, and of how many files; "" for none."""
    fragments = [key for key in keys if is_fragment(key)]
    files = len(set(map(file_of, fragments)))
    return f" ({len(fragments)} of them inside {files} file{'s' * (files != 1)})" if fragments else ""
