"""One name has one meaning, and it is the field's: refuses the names that the glossary of CONTRIBUTING.md replaced.

    python scripts/check_names.py

Reads names in code, never prose or strings: what src, benchmarks, recipes and scripts define or use, and what the
tests define.  Prints every old name with its cure, and every class of src that is defined twice; exits with 1 if
there is one.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "benchmarks", "recipes", "scripts")
Kind = Literal["file", "class", "function", "argument", "variable", "field", "attribute", "keyword", "import"]
DEFINED = ("file", "class", "function")  # what is looked at in tests
STATED = ("field", "attribute", "keyword")  # how recipe keys, options and recorded figures appear in code
BORROWED = ("attribute", "keyword", "import")  # how names of other packages appear in code


@dataclass(frozen=True, slots=True)
class Rule:
    """`old` is a pattern of the whole name; `but` are the kinds of names it does not count for."""

    old: re.Pattern[str]
    cure: str
    but: tuple[str, ...] = field(default=())


def _rule(old: str, cure: str, but: tuple[str, ...] = ()) -> Rule:
    return Rule(re.compile(old), cure, but)


RULES = (
    _rule("Rows", "Embeddings (float32, unit length) or RowIds (int64 row numbers), of base/arrays.py"),
    _rule(r"_?(image|text|class|query|part)_rows?", "embeddings"),
    _rule("(?i).*picture.*", "image", STATED),
    _rule("(?i).*twin.*", "near_duplicates"),
    _rule("_?found|_?find_found", "the thing's own name"),
    _rule("_?(said|told|taken)|.*_(said|told|taken)|(said|told|taken)_.*|harm.*", "stated, printed, used: what it is"),
    _rule("Found|Place|Places|Manifest|Record|Clock|Entry", "a name that says of what, such as ModelManifest"),
    _rule("Config", "a name that says of what, such as TrainConfig", BORROWED),
    _rule("_?places?|.*_places?|_?places?_.*", "path, folder, location, position or index", STATED),
    _rule("(?i)_?foreign|_?external(_(?!data).*)?", "native, timm or transformers tower, finished graph", BORROWED),
    _rule("AnyTokenizer|PieceTokenizer|FileTokenizer", "Tokenizer is the protocol; an implementation has its kind"),
    _rule("(?i)_?pieces", "sentencepiece, or parts"),
    _rule("Words|Wording|Worded.*|WordsHead|wordings?", "Annotation, Caption, AnnotatedSet, BagOfWordsHead"),
    _rule("special_words|(START|END)_WORD|_?(read|write|check|resize)_words", "token, pre-token, tokenizer or text"),
    _rule("_?chances|_?odds", "probabilities"),
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name in code: what it is, what kind of name, and in which line."""

    text: str
    kind: Kind
    line: int


@cache
def _rules_of(text: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.old.fullmatch(text))


def main() -> int:
    """Check every Python file of the project."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    problems = [line for path in files for line in check_file(path)]
    problems += [line for path in sorted((ROOT / "tests").rglob("*.py")) for line in check_file(path, kinds=DEFINED)]
    problems += check_classes(sorted((ROOT / "src").rglob("*.py")))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


def check_file(path: Path, *, kinds: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield one line for each old name of a file, each name once; `kinds` are those that count (none: all)."""
    seen = set()
    for name in [Name(path.stem, "file", 1), *names(ast.parse(path.read_text(encoding="utf-8")))]:
        if (kinds and name.kind not in kinds) or name.text in seen or name.text.startswith("test_"):
            continue
        for rule in _rules_of(name.text):
            if name.kind not in rule.but:
                seen.add(name.text)
                yield f"{_shown(path)}:{name.line}: {name.kind} {name.text}: use {rule.cure}"


def check_classes(paths: list[Path]) -> Iterator[str]:
    """Yield one line for each public class, or alias of a type, that an earlier file defines as something else."""
    first: dict[str, tuple[str, str]] = {}
    for path in paths:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            name, meaning = _definition(node)
            if not name or name.startswith("_"):
                continue
            where = f"{_shown(path)}:{node.lineno}"
            known, other = first.setdefault(name, (meaning or where, where))
            if known != (meaning or where):
                yield f"{where}: {name} means something else in {other}: one name, one meaning"


def names(tree: ast.AST) -> Iterator[Name]:
    """Yield every name that code defines or uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield Name(node.name, "class", node.lineno)
            yield from (Name(one, "field", line) for one, line in _fields(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Name(node.name, "function", node.lineno)
        elif isinstance(node, ast.arg):
            yield Name(node.arg, "argument", node.lineno)
        elif isinstance(node, ast.Name):
            yield Name(node.id, "variable", node.lineno)
        elif isinstance(node, ast.Attribute):
            yield Name(node.attr, "attribute", node.lineno)
        elif isinstance(node, ast.keyword) and node.arg:
            yield Name(node.arg, "keyword", node.lineno)
        elif isinstance(node, ast.alias):
            for part in (*node.name.split("."), *([node.asname] if node.asname else [])):
                yield Name(part, "import", getattr(node, "lineno", 1))


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            yield one.target.id, one.lineno
            one.target.id = ""  # a field of a class is no variable


def _definition(node: ast.stmt) -> tuple[str, str]:
    """Return the name of a class or alias and what it means: nothing for a class, the type for an alias."""
    if isinstance(node, ast.ClassDef):
        return node.name, ""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        return (name, ast.unparse(node.value)) if name[:1].isupper() and not name.isupper() else ("", "")
    return "", ""


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
