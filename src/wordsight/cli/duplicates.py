"""`wordsight duplicates PLACE`: the same and nearly the same images, and a plan that moves all but the best."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import UsageError
from wordsight.base.failures import in_cache, list_failures
from wordsight.base.progress import notice
from wordsight.base.terminal import escaped, say
from wordsight.cli.parser import AndAlso, add_library, out_path

if TYPE_CHECKING:
    from wordsight.search.duplicates.finding import DuplicateGroup, FoundDuplicates
    from wordsight.search.library import Library

_KEEP = "pixels,format,bytes,details,oldest,shortest"
_KINDS = "exact,near,crop,flip"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("place", type=Path, metavar="PLACE", help="a folder of images, tar shards, or a table")
    add_library(parser)
    parser.add_argument(
        "--kinds", default=_KINDS, metavar="A,B", help=f"of exact, near, crop, flip, burst, stack, alike ({_KINDS})"
    )
    parser.add_argument("--where", action=AndAlso, metavar="CONDITION", help="only images that satisfy a condition")
    parser.add_argument(
        "--min-similarity", type=float, metavar="COSINE", help="compare images from this cosine on (default: measured)"
    )
    parser.add_argument(
        "--keep",
        default=_KEEP,
        metavar="A,B",
        help=f"which image of a group stays, the first that tells two apart: {_KEEP}, or newest",
    )
    for option, meaning in {
        "prefer": "images in this folder of PLACE stay before others; again for more, the first before the second",
        "protect": "nothing in this folder of PLACE is moved; again for more",
    }.items():
        parser.add_argument(f"--{option}", action="append", default=[], metavar="FOLDER", help=meaning)
    parser.add_argument("--no-sync", action="store_true", help="do not bring the library up to date before")
    parser.add_argument("--json", action="store_true", help="one JSON object a group")
    parser.add_argument("--html", type=out_path, metavar="FILE", help="a page with the images side by side")
    parser.add_argument("--plan", type=out_path, metavar="FILE", help="write what would be moved, to read and to edit")
    parser.add_argument("--apply", type=Path, metavar="FILE", help="move what a plan says into the trash folder")
    parser.add_argument("--undo", type=Path, metavar="FILE", help="put back what a plan, or a trash folder, holds")
    parser.add_argument(
        "--trash", type=out_path, metavar="DIR", help="where --apply moves files to (default: trash in the library)"
    )


def run(args: Namespace) -> int:
    """Print the groups, or do what a plan says; 1 when there are none, or something failed."""
    chosen = [f"--{name}" for name in ("plan", "apply", "undo") if getattr(args, name) is not None]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]}", cure="one after the other")
    if args.trash is not None and args.apply is None and args.undo is None:
        raise UsageError("--trash without --apply or --undo", cure="leave it out: nothing is moved")
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.place, model=model, library_dir=args.library) as library:
        if args.apply is not None:
            return _apply(library, args)
        if args.undo is not None:
            return _undo(library, args)
        return _find(library, args)


def _find(library: "Library", args: Namespace) -> int:
    from wordsight.search.duplicates.finding import Sought
    from wordsight.search.duplicates.keeping import KeepRule

    rule = KeepRule.read(args.keep, prefer=args.prefer, protect=args.protect)
    kinds = tuple(dict.fromkeys(part.strip() for part in args.kinds.split(",") if part.strip()))
    sought = Sought(kinds, args.where, rule, args.min_similarity)
    _sync(library, args)
    result = library.duplicates(kinds=sought.kinds, where=sought.where, rule=rule, min_similarity=sought.min_similarity)
    for number, group in enumerate(result.groups, start=1):
        _print(group, number, as_json=args.json)
    if args.html is not None:
        from wordsight.report.duplicates_page import write_duplicates_page

        write_duplicates_page(args.html, library.location, result)
    if args.plan is not None:
        from wordsight.search.duplicates.plan_file import write_plan

        write_plan(args.plan, library.location, result.groups)
    _summarise(result, args)
    list_failures(result.failed, in_cache("duplicates"))
    return 1 if result.failed or not result.groups else 0


def _sync(library: "Library", args: Namespace) -> None:
    if args.no_sync and library.exists():
        return
    from wordsight.cli.index import notice_of

    notice_of(library.sync(), library)


def _print(group: "DuplicateGroup", number: int, *, as_json: bool) -> None:
    if as_json:
        import json

        say(json.dumps(group_record(group, number), ensure_ascii=True))
        return
    from wordsight.base.reading import in_words

    freed = f", {in_words(group.freed)} to free" if group.freed else ""
    say(f"group {number}: {len(group.members)} {group.kind}{freed}")
    for member in group.members:
        image = member.image
        sides = f"{image.width} x {image.height}" if image.width else ""
        facts = "  ".join(part for part in (sides, in_words(image.size) if image.size else "", image.moment) if part)
        kind = "" if member is group.members[0] else f"{member.kind}: "
        say(escaped(f"  {'move' if member.is_moved else 'keep'}  {image.key}  {facts}  ({kind}{member.reason})"))


def group_record(group: "DuplicateGroup", number: int) -> dict[str, Any]:
    """Return a group as `--json` has it."""
    return {
        "group": number,
        "kind": group.kind,
        "bytes_freed": group.freed,
        "images": [
            {
                "key": member.image.key,
                "path": None if member.image.file is None else str(member.image.file),
                "kind": member.kind,
                "action": "move" if member.is_moved else "keep",
                "reason": member.reason,
                "sha256": member.image.sha256,
                "size": member.image.size,
                "width": member.image.width or None,
                "height": member.image.height or None,
                "date": member.image.moment or None,
            }
            for member in group.members
        ],
    }


def _summarise(result: "FoundDuplicates", args: Namespace) -> None:
    from collections import Counter

    from wordsight.base.reading import in_words

    counts = Counter(group.kind for group in result.groups)
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
    moved = sum(member.is_moved for group in result.groups for member in group.members)
    notice(f"{result.compared:,} images; groups: {kinds}; {moved} could be moved, {in_words(result.freed)}")
    if args.plan is not None and moved:
        import shlex

        call = shlex.join(["wordsight", "duplicates", str(args.place), "--apply", str(args.plan)])
        notice(f"nothing is moved yet: read {args.plan}, then {call}")


def _apply(library: "Library", args: Namespace) -> int:
    """Move what the plan says, and bring the library in step."""
    from wordsight.base.reading import in_words
    from wordsight.search.duplicates.applying import apply, trash_of

    trash = trash_of(library, args.apply, args.trash)
    done = apply(library, args.apply, trash)
    if library.exists():
        library.drop([*done.before, *done.moved])
        library.sync()
    for path in done.moved:
        say(escaped(f"moved {path}"))
    notice(f"{len(done.moved)} moved into {trash}, {in_words(done.freed)}; {done.noted} kept images took over notes")
    if done.moved or done.before:
        _say_how_to_undo(args, trash)
    list_failures([f"{path}: {why}" for path, why in done.failed], in_cache("duplicates"))
    return 1 if done.failed else 0


def _say_how_to_undo(args: Namespace, trash: Path) -> None:
    import shlex

    options = [] if args.library is None else ["--library", str(args.library)]
    notice(f"to undo: {shlex.join(['wordsight', 'duplicates', str(args.place), *options, '--undo', str(trash)])}")


def _undo(library: "Library", args: Namespace) -> int:
    from wordsight.search.duplicates.applying import undo

    back = undo(args.undo, library, args.trash)
    if library.exists():
        library.sync()
    for path in back.done:
        say(escaped(f"back {path}"))
    notice(f"{len(back.done)} files are back")
    list_failures([f"{path}: {why}" for path, why in back.failed], in_cache("duplicates"))
    return 1 if back.failed else 0
