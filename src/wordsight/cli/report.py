"""`wordsight report RUN… [--out FILE]`: one page with the curves and results that runs recorded."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.optional import resolve
from wordsight.base.terminal import say


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="folder of a training run, an evaluation or a demo"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page (default: report.html in the first folder)")


def run(args: Namespace) -> int:
    """Write the page and print its path."""
    first: Path = args.runs[0]
    if len(args.runs) == 1 and not args.out and (first / "demo.json").exists():
        say(str(resolve("wordsight.report.demo_page:write_demo_page")(first)))
        return 0
    say(str(resolve("wordsight.report.run_page:write_run_page")(args.runs, args.out or first / "report.html")))
    return 0
