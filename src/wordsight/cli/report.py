"""`wordsight report RUN… [--out FILE] [--figures DIR]`: one page of what runs recorded, and its figures as files."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.base.terminal import say


class FolderKind(NamedTuple):
    """A kind of folder: the file that tells it, and the "module:function" that writes its page.

    It is called with all folders, which have to be of the kind, or with `takes` "one folder" with that one (several are
    a page of runs), and with the page's path.
    """

    mark: str
    write: str
    takes: Literal["folders", "one folder"]


KINDS = (  # the first whose mark the first folder has; one that has none is a run
    FolderKind("demo.json", "wordsight.report.demo_page:write_demo_page", "one folder"),
    FolderKind("audit.jsonl", "wordsight.report.audit_page:write_audit_page", "one folder"),
    FolderKind("explanations.jsonl", "wordsight.report.explanation_grid:write_explanation_grid", "folders"),
)
RUNS = FolderKind("", "wordsight.report.evaluation_page:write_evaluation_page", "folders")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="folder of a training run, an evaluation, a demo, an audit or of explanations",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page (default: report.html in the first folder)")
    parser.add_argument("--figures", metavar="DIR", type=Path, help="write every figure as SVG and PNG, too")


def run(args: Namespace) -> int:
    """Write the page, and its figures where asked for, and print the path of each."""
    first: Path = args.runs[0]
    kind = kind_of(args.runs)
    write = resolve(kind.write)
    page: Path = write(first if kind.takes == "one folder" else args.runs, args.out or first / "report.html")
    say(str(page))
    if args.figures:
        text = page.read_text(encoding="utf-8")
        for path in resolve("wordsight.report.saved_figures:save_figures")(text, args.figures):
            say(str(path))
    return 0


def kind_of(folders: Sequence[Path]) -> FolderKind:
    """Return what the folders are; raises `UsageError` where the first is of a kind that another is not."""
    kind = next((kind for kind in KINDS if (folders[0] / kind.mark).exists()), RUNS)
    if kind.takes == "one folder":
        return kind if len(folders) == 1 else RUNS
    other = next((folder for folder in folders if not (folder / kind.mark).exists()), None)
    if other is not None:
        raise UsageError(f"{other} holds no {kind.mark}, as {folders[0]} does", cure="report them apart")
    return kind
