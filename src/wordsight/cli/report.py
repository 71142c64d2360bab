"""`wordsight report RUN… [--out FILE] [--figures DIR]`: one page of what runs recorded, and its figures as files."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from wordsight.base.optional import resolve
from wordsight.base.terminal import say


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="folder of a training run, an evaluation, a demo or an audit"
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page (default: report.html in the first folder)")
    parser.add_argument("--figures", metavar="DIR", type=Path, help="write every figure as SVG and PNG, too")


def run(args: Namespace) -> int:
    """Write the page, and its figures where asked for, and print the path of each."""
    first: Path = args.runs[0]
    if len(args.runs) == 1 and not args.out and (first / "demo.json").exists():
        page: Path = resolve("wordsight.report.demo_page:write_demo_page")(first)
    elif len(args.runs) == 1 and (first / "audit.json").exists():
        page = resolve("wordsight.report.audit_page:write_audit_page")(first, args.out or first / "report.html")
    else:
        write = resolve("wordsight.report.evaluation_page:write_evaluation_page")
        page = write(args.runs, args.out or first / "report.html")
    say(str(page))
    if args.figures:
        text = page.read_text(encoding="utf-8")
        for path in resolve("wordsight.report.saved_figures:save_figures")(text, args.figures):
            say(str(path))
    return 0
