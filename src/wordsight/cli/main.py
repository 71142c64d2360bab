"""The program `wordsight`: finds the verb, opens its file, turns errors into one line and an exit status.

Each verb is one file `cli/<verb>.py` with two functions, `add_arguments(parser)` and `run(args) -> int`, and one
row in `VERBS`.  Only the file of the verb that was typed is imported, so `--help` costs little more than Python
itself.  The options of `EVERYWHERE` may stand before or after the verb; every `run` finds them in its `args` as
`model`, `device`, `engine`, `offline` and `quiet` (which is already obeyed when `run` begins).  Those that
would change nothing in a verb are in `UNUSED`.

Exit status: 0 done; 1 nothing matched, some inputs failed, or storage gave out; 2 the call was wrong; 130 stopped
by Ctrl-C; 141 the reader of the output went away.  An exception that is neither a `WordsightError` nor of the
operating system is a mistake in Wordsight and keeps its traceback (Python's own exit status, 1).
"""

import errno
import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from wordsight import __version__
from wordsight.base.errors import StorageError, UsageError, WordsightError
from wordsight.base.progress import notice, print_error, set_quiet
from wordsight.base.suggest import suggest
from wordsight.base.terminal import PRINTABLE, drop

if TYPE_CHECKING:
    from argparse import ArgumentParser

DEBUG = "WORDSIGHT_DEBUG"  # set: errors of files and folders keep their tracebacks too
VERBS = {  # verb: (module, what it does)
    "demo": ("wordsight.cli.demo", "everything in one run: train, evaluate, classify and search, from nothing"),
    "search": ("wordsight.cli.search", "find images by text, by another image, or by a mixture"),
    "index": ("wordsight.cli.index", "build or bring up to date the library of a folder, shards or a table"),
    "duplicates": (
        "wordsight.cli.duplicates",
        "groups of the same and nearly the same images; a plan to move the others",
    ),
    "rules": ("wordsight.cli.rules", "saved searches, and rules that tag, move or hand on what matches"),
    "doctor": ("wordsight.cli.doctor", "the state of a library, and whether its embeddings are still right"),
    "benchmark": ("wordsight.cli.benchmark", "recall against exact search, latency and memory of one's own library"),
    "export": ("wordsight.cli.export", "a library in the form of another program: clip-retrieval, npy, FiftyOne..."),
    "browse": ("wordsight.cli.browse", "look through a library in a terminal: search as you type, a grid, details"),
    "serve": ("wordsight.cli.serve", "models and libraries over HTTP: an API, the shapes of other programs, a page"),
    "mcp": ("wordsight.cli.mcp", "a library as tools for agents, over MCP on standard input and output"),
    "classify": ("wordsight.cli.classify", "which of the given classes each image shows"),
    "ask": ("wordsight.cli.ask", "a question about images, answered by ranking possible answers"),
    "rank": ("wordsight.cli.rank", "the best of several images for a text, with its lead over the next"),
    "tag": ("wordsight.cli.tag", "note which labels the images of a library show, also in XMP sidecars"),
    "embed": ("wordsight.cli.embed", "write the embeddings of many images and texts"),
    "data": ("wordsight.cli.data", "pack, check, count, balance, score or curate a data set"),
    "train": ("wordsight.cli.train", "train two towers on images with captions"),
    "evaluate": ("wordsight.cli.evaluate", "measure a model: eighteen kinds of tasks, from zero-shot to pointing"),
    "report": ("wordsight.cli.report", "pages and figures from recorded results"),
    "explain": ("wordsight.cli.explain", "why an image matches a text: maps, and how far to trust them"),
    "regions": ("wordsight.cli.regions", "which parts of an image show which class: masks, boxes, a label map"),
    "audit": ("wordsight.cli.audit", "what a model gets wrong and for whom, in counted claims, as a page and a card"),
    "convert": ("wordsight.cli.convert", "write a model in another format, such as ONNX graphs"),
    "models": ("wordsight.cli.models", "what can be loaded, its card, and which one is the default"),
}


class GlobalOption(NamedTuple):
    """An option that every verb understands; `metavar` is empty for a flag."""

    name: str
    metavar: str
    help: str


ENGINES = ("auto", "onnx", "openvino", "torch")
EVERYWHERE = (
    GlobalOption(
        "--model",
        "NAME|PATH",
        "the model to use (default: WORDSIGHT_MODEL, else that of `models use`, else the bundled one)",
    ),
    GlobalOption("--device", "NAME", "where PyTorch computes: auto, cpu, cuda, cuda:1, mps (default: auto)"),
    GlobalOption("--engine", "NAME", f"what computes the embeddings: {', '.join(ENGINES)} (default: auto)"),
    GlobalOption("--offline", "", "never use the network"),
    GlobalOption("--quiet", "", "no progress bars and notices; errors are printed"),
)


MEANING = {  # of a global option in a verb where it is another than everywhere
    (
        "serve",
        "--model",
    ): "a model that is served; again: one more; libraries are of the first (default: as always)",
    ("train", "--model"): "what both towers begin from (default: what the recipe says); of the recipe probe, the model",
}
REPEATED = {("serve", "--model")}  # (verb, option) that may be given several times: `args` has them as a list
_OF_MODELS = ("--model", "--device", "--engine")
UNUSED = {  # verb: the global options that would change nothing in it, and why; giving --model is an error
    "demo": (("--engine",), "the page is made with ONNX Runtime"),
    "data pack": (_OF_MODELS, "no model is used"),  # of its actions, these
    "data check": (_OF_MODELS, "no model is used"),
    "data stats": (_OF_MODELS, "no model is used"),
    "data balance": (_OF_MODELS, "no model is used"),
    "report": (_OF_MODELS, "no model is used"),
    "convert": (_OF_MODELS, "the model is IN, and nothing is computed with it"),
    "models": (("--device", "--engine"), "nothing is computed"),
}


class Call(NamedTuple):
    """A parsed command line: the verb (empty if none was given) and its arguments, global options first."""

    verb: str
    arguments: list[str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (default: the process's arguments) and return its exit status."""
    try:
        _prepare_streams()
        if argv is None:  # the process is ours: looking for cycles among what is imported is a tenth of a search
            gc.set_threshold(200_000)
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        if argv is None:  # what is left lives until the process ends, which would look through it once more
            gc.freeze()
        return status
    except KeyboardInterrupt:
        return _say("stopped; what was finished before is kept", 130)
    except ImportError as error:
        if not _interrupted(error):
            raise
        return _say("stopped; what was finished before is kept", 130)
    except BrokenPipeError:
        drop(sys.stdout)
        return 141
    except WordsightError as error:
        return _say(str(error), error.exit_status)
    except MemoryError:
        return _say("out of memory; free some, or give fewer inputs; what was finished before is kept", 1)
    except OSError as error:
        if error.errno is None or os.environ.get(DEBUG):
            raise
        return _say(_storage_problem(error), StorageError.exit_status)


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
    wide = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:{wide}}{summary}" for verb, (_, summary) in VERBS.items())
    options = "\n".join(f"  {f'{o.name} {o.metavar}':20}{o.help}" for o in EVERYWHERE)
    return (
        "usage: wordsight VERB [arguments]\n\n"
        f"verbs:\n{verbs}\n\n"
        f"everywhere:\n{options}\n  {'--help':20}of the program, or of a verb: wordsight VERB --help\n"
        f"  {'--version':20}print the version\n"
        f"  {'--completion SHELL':20}print a script that completes verbs and options: bash, zsh, fish\n\n"
        "results on standard output, progress and notices on standard error\n"
        "exit status: 0 done, 1 nothing matched or some inputs failed, 2 the call was wrong"
    )


def verb_parser(verb: str) -> "ArgumentParser":
    """Return the parser of one verb, with the global options in it; imports that verb's file."""
    import argparse
    import importlib

    from wordsight.cli.parser import VerbParser

    module = importlib.import_module(VERBS[verb][0])
    parser = VerbParser(prog=f"wordsight {verb}", description=VERBS[verb][1], allow_abbrev=False)
    module.add_arguments(parser)
    everywhere = parser.add_argument_group("everywhere")
    for option in EVERYWHERE:
        if option.metavar:
            default = None if option.name == "--model" else "auto"
            meant = MEANING.get((verb, option.name), option.help)
            described = argparse.SUPPRESS if option.name in UNUSED.get(verb, ((), ""))[0] else meant
            action = "append" if (verb, option.name) in REPEATED else "store"
            everywhere.add_argument(option.name, metavar=option.metavar, default=default, action=action, help=described)
        else:
            everywhere.add_argument(option.name, action="store_true", help=option.help)
    parser.set_defaults(run=module.run)
    return parser


def _run(argv: list[str]) -> int:
    call = take_apart(argv) if argv[:1] != ["--completion"] else Call("", argv)
    if not call.verb:
        return _without_verb(call.arguments)
    if call.verb not in VERBS:
        raise UsageError(f"no verb {call.verb!r}", cure=suggest(call.verb, VERBS))
    try:
        args = verb_parser(call.verb).parse_args(call.arguments)
    except SystemExit:  # --help has been printed
        return 0
    set_quiet(args.quiet)
    _check_unused(call.verb, vars(args))
    if args.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"  # read by the hub's client when it is imported
    status: int = args.run(args)
    return status


def _check_unused(verb: str, given: Mapping[str, object]) -> None:
    """Refuse a model that would not be used and an engine that is none; say that a device or engine changes nothing."""
    engine = str(given["engine"])
    if engine not in (*ENGINES, "fake"):
        raise UsageError(f"no engine {engine!r}", cure=suggest(engine, ENGINES))
    asked = f"{verb} {given['action']}" if f"{verb} {given.get('action')}" in UNUSED else verb
    options, reason = UNUSED.get(asked, ((), ""))
    for option in options:
        value = given[option.removeprefix("--")]
        if value not in (None, "auto"):
            problem = f"{asked} with {option} {value}: {reason}"
            if option == "--model":
                raise UsageError(problem, cure="leave out --model")
            notice(f"{problem}, so {option} changes nothing")


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
    if arguments[:1] == ["--completion"]:
        from wordsight.cli.completion import script

        print(script(" ".join(arguments[1:])), end="")
        return 0
    options = [option.name for option in EVERYWHERE]
    unknown = [a for a in arguments if a.partition("=")[0] not in options]
    if unknown:
        raise UsageError(
            f"no option {unknown[0]}", cure=suggest(unknown[0], [*options, "--help", "--version", "--completion"])
        )
    for line in help_text().splitlines():
        print_error(line)
    return UsageError.exit_status


def _interrupted(error: BaseException | None) -> bool:
    """Return whether Ctrl-C is behind an error: an extension module that is stopped while it is imported hides it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _storage_problem(error: OSError) -> str:
    """Return what a file, a folder or standard output did not allow, with the cure."""
    what = error.strerror or os.strerror(error.errno or 0)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full"
    named = "" if error.filename is None else f" {os.fsdecode(error.filename)}"
    cure = _CURES.get(error.errno or 0, "check the path and the disk")
    return f"{what}:{named or ' standard output'}; {cure}; what was finished before is kept"


_CURES = {
    errno.ENOSPC: "free room",
    errno.EDQUOT: "free room",
    errno.EACCES: "give yourself the right to it, or choose another path",
    errno.EPERM: "give yourself the right to it, or choose another path",
    errno.EROFS: "choose another path",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def _say(text: str, status: int) -> int:
    print_error(f"wordsight: {text}")
    try:
        sys.stdout.flush()  # what was printed before
    except (OSError, AttributeError):  # there is no standard output
        drop(sys.stdout)
    return status


def _prepare_streams() -> None:
    """Take the place of closed streams, so that no file opened later does, and let odd file names be printed."""
    if sys.stdout is None:
        raise UsageError("standard output is closed", cure="let it lead to a file, or to /dev/null")
    for stream in (sys.stdin, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a replaced stream (a notebook's) may lack it
        if reconfigure is not None:  # names that are not valid UTF-8 are printed as the bytes they are
            reconfigure(errors=PRINTABLE if stream.encoding.lower() == "utf-8" else "backslashreplace")
