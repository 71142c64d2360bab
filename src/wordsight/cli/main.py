"""The program `wordsight`: finds the verb, opens its file, turns errors into one line and an exit status.

Each verb is one file `cli/<verb>.py` with two functions, `add_arguments(parser)` and `run(args) -> int`, and one
row in `VERBS`.  Only the file of the verb that was typed is imported, so `--help` costs little more than Python
itself.  The options of `EVERYWHERE` may stand before or after the verb; every `run` finds them in its `args` as
`model`, `device`, `engine`, `offline` and `quiet` (which is already obeyed when `run` begins).

Exit status: 0 done; 1 nothing matched, some inputs failed, or storage gave out; 2 the call was wrong; 130 stopped
by Ctrl-C; 141 the reader of the output went away.  An exception that is not a `WordsightError` is a mistake in
Wordsight and keeps its traceback (Python's own exit status, 1).
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wordsight import __version__
from wordsight.base.errors import StorageError, UsageError, WordsightError
from wordsight.base.progress import set_quiet

if TYPE_CHECKING:
    from argparse import ArgumentParser

VERBS = {  # verb: (module, what it does)
    "demo": ("wordsight.cli.demo", "the whole story: learn, measure, classify and search, from nothing"),
    "search": ("wordsight.cli.search", "find pictures by text, by another picture, or by a mixture"),
    "index": ("wordsight.cli.index", "build or bring up to date the library of a folder, shards or a table"),
    "classify": ("wordsight.cli.classify", "name which of your classes each picture shows"),
    "embed": ("wordsight.cli.embed", "write the embeddings of many pictures and texts"),
    "data": ("wordsight.cli.data", "pack, check or count a data set"),
    "train": ("wordsight.cli.train", "learn two towers from pictures with captions"),
    "evaluate": ("wordsight.cli.evaluate", "measure a model: zero-shot classification and retrieval"),
    "report": ("wordsight.cli.report", "pages and figures from recorded results"),
    "convert": ("wordsight.cli.convert", "write a model in another form, such as ONNX graphs"),
    "models": ("wordsight.cli.models", "what can be loaded, and its card"),
}


@dataclass(frozen=True, slots=True)
class GlobalOption:
    """An option that every verb understands; `metavar` is empty for a flag."""

    name: str
    metavar: str
    help: str


EVERYWHERE = (
    GlobalOption("--model", "NAME|PATH", "the model to use (default: WORDSIGHT_MODEL, else the bundled model)"),
    GlobalOption("--device", "NAME", "where PyTorch computes: auto, cpu, cuda, cuda:1, mps (default: auto)"),
    GlobalOption("--engine", "NAME", "what computes the embeddings: auto, onnx, openvino, torch (default: auto)"),
    GlobalOption("--offline", "", "never use the network"),
    GlobalOption("--quiet", "", "no progress bars and notices on standard error"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed command line: the verb (empty if none was given) and its arguments, global options first."""

    verb: str
    arguments: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (default: the process's arguments) and return its exit status."""
    _keep_odd_file_names()
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _say("stopped; what was finished before is kept", 130)
    except BrokenPipeError:
        _drop_output()
        return 141
    except WordsightError as error:
        return _say(str(error), error.exit_status)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        return _say(f"the disk is full: {error}; free room, what was finished before is kept", StorageError.exit_status)


def take_apart(argv: Sequence[str]) -> Call:
    """Find the verb in `argv` and move the global options, wherever they stand, in front of its arguments.

    What follows `--` is left where it is.
    """
    valued = {option.name for option in EVERYWHERE if option.metavar}
    known = {option.name for option in EVERYWHERE}
    verb, moved, rest = "", [], []
    parts = iter(argv)
    for part in parts:
        if part == "--":
            rest += [part, *parts]
        elif part.partition("=")[0] in known:
            moved += [part, *([_value(part, parts)] if part in valued else [])]
        elif not verb and not part.startswith("-"):
            verb = part
        else:
            rest.append(part)
    return Call(verb, moved + rest)


def help_text() -> str:
    """Return what `wordsight --help` prints."""
    verbs = "\n".join(f"  {verb:10}{summary}" for verb, (_, summary) in VERBS.items())
    options = "\n".join(f"  {f'{o.name} {o.metavar}':20}{o.help}" for o in EVERYWHERE)
    return (
        "usage: wordsight VERB [arguments]\n\n"
        f"verbs:\n{verbs}\n\n"
        f"everywhere:\n{options}\n  {'--help':20}of the program, or of a verb: wordsight VERB --help\n"
        f"  {'--version':20}print the version\n\n"
        "results on standard output, progress and notices on standard error\n"
        "exit status: 0 done, 1 nothing matched or some inputs failed, 2 the call was wrong"
    )


def verb_parser(verb: str) -> "ArgumentParser":
    """Return the parser of one verb, with the global options in it; imports that verb's file."""
    import argparse
    import importlib

    module = importlib.import_module(VERBS[verb][0])
    parser = argparse.ArgumentParser(prog=f"wordsight {verb}", description=VERBS[verb][1], allow_abbrev=False)
    module.add_arguments(parser)
    everywhere = parser.add_argument_group("everywhere")
    for option in EVERYWHERE:
        if option.metavar:
            default = None if option.name == "--model" else "auto"
            everywhere.add_argument(option.name, metavar=option.metavar, default=default, help=option.help)
        else:
            everywhere.add_argument(option.name, action="store_true", help=option.help)
    parser.set_defaults(run=module.run)
    return parser


def _run(argv: list[str]) -> int:
    call = take_apart(argv)
    if not call.verb:
        return _without_verb(call.arguments)
    if call.verb not in VERBS:
        raise UsageError(f"no verb {call.verb!r}", cure=_near(call.verb))
    try:
        args = verb_parser(call.verb).parse_args(call.arguments)
    except SystemExit as exit:  # argparse has printed why: --help is 0, a wrong argument 2
        return int(exit.code or 0)
    set_quiet(args.quiet)
    if args.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read by the hub's client when it is imported
    status: int = args.run(args)
    return status


def _value(option: str, parts: Iterator[str]) -> str:
    value = next(parts, None)
    if value is None:
        raise UsageError(f"{option} needs a value", cure="see wordsight --help")
    return value


def _without_verb(arguments: list[str]) -> int:
    if "--help" in arguments or "-h" in arguments:
        print(help_text())
        return 0
    if "--version" in arguments:
        print(f"wordsight {__version__}")
        return 0
    unknown = [a for a in arguments if a.partition("=")[0] not in {o.name for o in EVERYWHERE}]
    if unknown:
        raise UsageError(f"no option {unknown[0]}", cure="see wordsight --help")
    print(help_text(), file=sys.stderr)
    return UsageError.exit_status


def _near(verb: str) -> str:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, n=2, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(VERBS)}"


def _say(text: str, status: int) -> int:
    print(f"wordsight: {text}", file=sys.stderr)
    return status


def _keep_odd_file_names() -> None:
    """Print file names that are not valid UTF-8 as the bytes they are, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a replaced stream (a notebook's) may lack it
        if reconfigure is not None:
            reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "backslashreplace")


def _drop_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail once more."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
