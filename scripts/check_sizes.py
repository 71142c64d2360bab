"""The ceilings that stand against growth: lines of a file and of a function, number of parameters.

    python scripts/check_sizes.py

Prints every place that is over and exits with 1 if there is one.  A test's parameters are fixtures: not counted.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "scripts", "benchmarks", "recipes")
FILE_LINES = 400
FUNCTION_LINES = 60
PARAMETERS = 6
POSITIONAL = 4  # of public functions; sigmoid_loss(image, text, scale, bias) is the longest whose order is plain
FORBIDDEN_NAMES = ("utils", "helpers", "common", "misc")


def main() -> int:
    """Check every Python file of the project."""
    problems = [line for path in _files() for line in check_file(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


def check_file(path: Path) -> Iterator[str]:
    """Yield one line for each ceiling that the file breaks."""
    name = path.relative_to(ROOT)
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines >= FILE_LINES:
        yield f"{name}: {lines} lines, the ceiling is {FILE_LINES - 1}"
    if path.stem.strip("_") in FORBIDDEN_NAMES:
        yield f"{name}: a file is named for what it holds"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (f"{name}:{node.lineno}: {node.name} {what}" for what in _function(node))


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > FUNCTION_LINES:
        yield f"has {lines} lines, the ceiling is {FUNCTION_LINES}"
    if node.name.startswith("test_"):
        return
    positional = [a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
    count = len(positional) + len(node.args.kwonlyargs)
    if count > PARAMETERS:
        yield f"has {count} parameters, the ceiling is {PARAMETERS}"
    if len(positional) > POSITIONAL and not node.name.startswith("_"):
        yield f"takes {len(positional)} parameters by position, the ceiling is {POSITIONAL}"


def _files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


if __name__ == "__main__":
    sys.exit(main())
