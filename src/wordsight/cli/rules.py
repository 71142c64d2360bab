"""`wordsight rules`: saved searches, and rules that tag, copy, move or hand on the images that match them."""

import contextlib
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import UsageError
from wordsight.base.failures import list_failures
from wordsight.base.progress import notice
from wordsight.base.terminal import escaped, say
from wordsight.cli.parser import AndAlso, add_library, probability

if TYPE_CHECKING:
    from wordsight.search.library import Library
    from wordsight.search.rules.acting import Action
    from wordsight.search.rules.plan import RulePlan
    from wordsight.search.rules.rule import SearchRule
    from wordsight.search.rules.rules import RunReport

FAILURES = "failures.txt"  # in the folder of rules


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|add|remove|check|run|undo")
    _action(actions, "list", "the rules and what they do")
    show = _action(actions, "show", "answer a rule's search, as `wordsight search` prints it")
    show.add_argument("name", metavar="NAME", help="the rule")
    show.add_argument("-k", type=int, default=10, metavar="N", help="how many images at most (default: 10)")
    show.add_argument("--paths-only", action="store_true", help="nothing but the paths, for xargs")
    _add(actions)
    remove = _action(actions, "remove", "take a rule out of the file")
    remove.add_argument("name", metavar="NAME", help="the rule")
    _action(actions, "check", "read all rules and count what each would match now; nothing is done")
    run = _action(actions, "run", "act on the images that are new since each rule last ran")
    run.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    run.add_argument("--all", action="store_true", help="act on all images that match, not only on new ones")
    run.add_argument("--watch", action="store_true", help="again after every change, until stopped (Ctrl-C, SIGTERM)")
    undo = _action(actions, "undo", "take back what a run moved, copied and tagged, not what programs did")
    undo.add_argument("run_number", nargs="?", type=int, metavar="RUN", help="its number (default: the last run)")


def _action(actions: Any, name: str, summary: str) -> ArgumentParser:
    parser: ArgumentParser = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    parser.add_argument(
        "--in",
        dest="location",
        type=Path,
        default=Path(),
        metavar="PLACE",
        help="what is searched (default: this folder)",
    )
    add_library(parser)
    parser.add_argument("--file", type=Path, metavar="FILE", help="the rules (default: rules.toml of the library)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def _add(actions: Any) -> None:
    add = _action(actions, "add", "write a rule behind those of the file")
    add.add_argument("name", metavar="NAME", help="a name of its own")
    add.add_argument("query", nargs="+", metavar="QUERY", help="as of `wordsight search`")
    add.add_argument("--where", action=AndAlso, metavar="EXPR", help="condition on metadata; again for more")
    add.add_argument("--without", action="append", default=[], metavar="QUERY", help="stay away from; again for more")
    add.add_argument("--min-match", type=probability, metavar="P", help="least probability (default: 0.5)")
    add.add_argument("--min-cosine", type=float, metavar="C", help="least cosine, in place of a probability")
    add.add_argument("--tag", action="append", default=[], metavar="TAG", help="add a tag; again for more")
    add.add_argument("--copy", metavar="FOLDER", help="copy into a folder: Best/{year}")
    add.add_argument("--move", metavar="FOLDER", help="move into a folder: Sorted/{year}/beach")
    add.add_argument(
        "--run",
        dest="program",
        action="append",
        default=[],
        metavar="ARG",
        help="run a program: its name, then each argument, {path} among them; again for each",
    )
    add.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds for the program (default: 60)")
    add.add_argument("--stop", action="store_true", help="no later rule for what matches")


def run(args: Namespace) -> int:
    """Do one action; 1 where nothing matches or something failed."""
    status: int = {
        "list": _list,
        "show": _show,
        "add": _write,
        "remove": _remove,
        "check": _check,
        "run": _run,
        "undo": _undo,
    }[args.action](args)
    return status


def _file(args: Namespace) -> Path:
    """Return the file of rules, without opening a library; a location that is not there is an error."""
    from wordsight.search.contents import library_folder
    from wordsight.search.library import require_location
    from wordsight.search.rules.rules_file import NAME

    folder = args.library if args.library is not None else library_folder(args.location)
    require_location(args.location, folder)
    file: Path = folder / NAME if args.file is None else args.file
    if args.action not in ("add", "list") and not file.exists():
        from wordsight.base.errors import NotFound

        raise NotFound(f"no rules in {file}", cure="write one with wordsight rules add NAME QUERY")
    return file


def _list(args: Namespace) -> int:
    from wordsight.search.rules.rules_file import read_rules

    file = _file(args)
    rules = read_rules(file, location=args.location)
    for rule in rules:
        if args.json:
            print(json.dumps(_record(rule)))
        else:
            say(f"{rule.name:16}  {_in_words(rule)}")
    if not rules:
        notice(f"no rules in {file}: write one with wordsight rules add NAME QUERY")
    return 0


def _record(rule: "SearchRule") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(rule), "query": rule.parts, "without": rule.unwanted, "tag": rule.tags}


def _in_words(rule: "SearchRule") -> str:
    asked = " + ".join(rule.parts)
    limits = [f"match >= {rule.least:g}" if rule.least is not None else ""]
    limits.append(f"cosine >= {rule.min_cosine:g}" if rule.min_cosine is not None else "")
    conditions = [f"without {one}" for one in rule.unwanted] + ([f"where {rule.where}"] if rule.where else [])
    actions = [f"tag {tag}" for tag in rule.tags]
    actions += [f"{name} {value}" for name, value in (("copy", rule.copy), ("move", rule.move)) if value is not None]
    actions += [f"run {' '.join(rule.run)}"] if rule.run else []
    actions += ["stop"] if rule.stop else []
    return "; ".join(one for one in (asked, *conditions, *limits, *actions) if one)


def _show(args: Namespace) -> int:
    """Answer a rule's search: the same hits as `wordsight search` with its options."""
    from wordsight.cli.main import verb_parser
    from wordsight.search.query import is_weighted
    from wordsight.search.rules.rules_file import read_rules, rule_named

    rule = rule_named(read_rules(_file(args), location=args.location), args.name)
    call = ["--in", str(args.location), "-k", str(args.k), "--keywords", "off"]
    call += ["--library", str(args.library)] if args.library else []
    call += ["--where", rule.where] if rule.where else []
    call += [f"--without={one}" for one in rule.unwanted]
    call += [f"--min-match={rule.least}"] if rule.least is not None else []
    call += [f"--min-cosine={rule.min_cosine}"] if rule.min_cosine is not None else []
    call += [option for option in ("--json", "--paths-only") if getattr(args, option[2:].replace("-", "_"))]
    parts = rule.parts
    query = [part if is_weighted(part) or len(parts) == 1 else f"1:{part}" for part in parts]
    asked = verb_parser("search").parse_args([*call, "--", *query])
    for name in ("model", "device", "engine", "offline", "quiet"):
        setattr(asked, name, getattr(args, name))
    status: int = asked.run(asked)
    return status


def _write(args: Namespace) -> int:
    from wordsight.search.query import join_words
    from wordsight.search.rules.rule import SearchRule
    from wordsight.search.rules.rules_file import add_rule

    query = tuple(join_words(args.query))
    rule = SearchRule(
        args.name,
        query[0] if len(query) == 1 else query,
        without=tuple(args.without),
        where=args.where,
        min_match=args.min_match,
        min_cosine=args.min_cosine,
        tag=tuple(args.tag),
        copy=args.copy,
        move=args.move,
        run=tuple(args.program),
        timeout=args.timeout,
        stop=args.stop,
    )
    file = _file(args)
    add_rule(file, rule, location=args.location)
    notice(f"written to {file}: {rule.name}")
    return 0


def _remove(args: Namespace) -> int:
    from wordsight.search.rules.rules_file import remove_rule

    file = _file(args)
    remove_rule(file, args.name, location=args.location)
    notice(f"taken out of {file}: {args.name}; what it did stays")
    return 0


@contextlib.contextmanager
def _opened(args: Namespace) -> "Iterator[Library]":
    from wordsight.embeddings.model import load
    from wordsight.search.library import open_library

    if args.action != "undo":  # which needs no rules
        _file(args)
    model = load(args.model, engine=args.engine, device=args.device)
    with open_library(args.location, model=model, library_dir=args.library) as library:
        yield library


def _check(args: Namespace) -> int:
    """Count what every rule matches; 1 where one cannot decide."""
    from wordsight.cli.index import notice_of

    with _opened(args) as library:
        notice_of(library.sync(), library)
        checks, plan = library.rules(args.file).check()
        count = len(library)
    for one in checks:
        if args.json:
            record = {"rule": one.rule.name, "matching": one.matching, "images": count, "undecided": one.undecided}
            print(json.dumps(record))
        else:
            say(f"{one.rule.name:16}  {one.undecided or f'{one.matching:,} of {count:,} pictures'}")
    for left in plan.left:
        notice(f"{left.key}: rule {left.rule} leaves it: {left.reason}")
    return 1 if plan.undecided else 0


def _run(args: Namespace) -> int:
    """Apply the rules; 1 where something failed."""
    if args.dry_run and args.watch:
        raise UsageError("--watch with --dry-run", cure="leave one of them out")
    from wordsight.cli.index import notice_of

    with _opened(args) as library:
        if args.watch:
            return _watch(library, args)
        notice_of(library.sync(), library)
        if args.dry_run:
            return _print_plan(library.rules(args.file).plan(again=args.all), args)
        report = library.rules(args.file).run(again=args.all, done=lambda action: _print(action, args))
        return _sum_up(report, library, args)


def _watch(library: "Library", args: Namespace) -> int:
    """Keep the library in step and apply the rules after each change, until Ctrl-C or SIGTERM."""
    import signal
    import time

    from wordsight.search.rules.rules import apply_while_watching

    rules = library.rules(args.file)
    rules.read()

    stopping = []  # what a signal raises can be lost in the middle of a callback

    def stop(number: int, frame: Any) -> None:
        stopping.append(number)
        signal.default_int_handler(number, frame)

    def wait(seconds: float) -> bool:
        if not stopping:
            time.sleep(seconds)
        return not stopping

    def apply() -> "RunReport":
        report = rules.run(done=lambda action: _print(action, args))
        if report.actions or report.undecided:
            _sum_up(report, library, args)
        return report

    before = {one: signal.signal(one, stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        notice(f"watching {library.location}: stop it with Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            apply_while_watching(library, wait, apply)
        notice("stopped")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    return 0


def _print_plan(plan: "RulePlan", args: Namespace) -> int:
    from wordsight.search.rules.acting import Action

    for one in plan.decisions:
        planned = [("tag", ", ".join(one.tags)), ("copy", one.copy), ("move", one.move), ("run", " ".join(one.run))]
        for action, target in planned:
            if target:
                _print(Action(0, one.rule, one.key, action, "planned", target, "", one.score, one.match), args)
    for left in plan.left:
        _print(Action(0, left.rule, left.key, "leave", "left", reason=left.reason), args)
    list_failures([f"rule {name}: {reason}" for name, reason in plan.undecided.items()], None)
    images = len({one.key for one in plan.decisions})
    notice(f"{images:,} pictures match; nothing was done")
    return 1 if plan.undecided else 0


def _print(action: "Action", args: Namespace) -> None:
    if args.json:
        print(json.dumps(action.record()), flush=args.action == "run" and args.watch)
        return
    if action.state == "failed":
        return  # listed at the end
    behind = (
        f" -> {action.target}" if action.action in ("copy", "move") else f" {action.target}" if action.target else ""
    )
    reason = f": {action.reason}" if action.reason else ""
    say(escaped(f"{action.rule:16}  {action.action:5}  {action.key}{behind}{reason}"))


def _sum_up(report: "RunReport", library: "Library", args: Namespace) -> int:
    """Say what a run did, with every failure; the status."""
    counts: dict[str, int] = {}
    for one in report.actions:
        if one.state == "done":
            counts[one.action] = counts.get(one.action, 0) + 1
    names = {"tag": "tagged", "copy": "copied", "move": "moved", "run": "handed to programs"}
    done = ", ".join(f"{counts[action]:,} {name}" for action, name in names.items() if action in counts)
    list_failures(report.failed, library.folder / "rules" / FAILURES)
    number = report.run or max((one.run for one in report.actions), default=0)
    back = f"; {_undo_command(number, args)} takes it back" if done and number else ""
    notice(f"{library.location}: {done or 'nothing new matches'}{back}")
    return 1 if report.failed else 0


def _undo_command(number: int, args: Namespace) -> str:
    """Return the call that takes a run back, with the location, library and model of this one."""
    import shlex

    call = ["wordsight", "rules", "undo", str(number)]
    call += ["--in", str(args.location)] if args.location != Path() else []
    call += ["--library", str(args.library)] if args.library is not None else []
    call += ["--model", str(args.model)] if args.model is not None else []
    call += ["--engine", args.engine] if args.engine != "auto" else []
    return shlex.join(call)


def _undo(args: Namespace) -> int:
    """Take a run back; 1 where something was left alone."""
    with _opened(args) as library:
        undone = library.rules(args.file).undo(args.run_number)
        if args.json:
            record = {
                "run": undone.run,
                "files": [str(path) for path in undone.files],
                "deleted": [str(path) for path in undone.deleted],
                "tags": undone.tagged,
                "failed": [{"path": path, "reason": reason} for path, reason in undone.failed],
                "programs": undone.programs,
            }
            print(json.dumps(record))
        else:
            for path in undone.files:
                say(escaped(f"back     {path}"))
            for path in undone.deleted:
                say(escaped(f"deleted  {path}"))
        list_failures([f"{path}: {reason}" for path, reason in undone.failed], library.folder / "rules" / FAILURES)
        counts = [
            (len(undone.files), "moved back"),
            (len(undone.deleted), "copies deleted"),
            (len(undone.tagged), "pictures lost the tags"),
        ]
        done = ", ".join(f"{count:,} {what}" for count, what in counts if count)
        notice(f"run {undone.run}: {done or 'nothing was left to take back'}")
        if undone.programs:
            notice(f"what programs did to {undone.programs:,} pictures is not taken back")
    return 1 if undone.failed else 0
