"""What the documents promise must be there: rooms, verbs, options, files, links, and nobody's private paths.

    python scripts/check_docs.py

Prints each broken promise and exits with 1 if there is one.
"""

import ast
import importlib
import os
import re
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from wordsight.cli.main import EVERYWHERE, VERBS, take_apart, verb_parser

ROOT = Path(__file__).resolve().parent.parent
ROOMS = sorted(path.parent.name for path in (ROOT / "src" / "wordsight").glob("*/__init__.py"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE_NAMED = re.compile(r"`([\w./-]+\.(?:py|toml|md|txt))`")
HOUSE_PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/tour.md", "docs/cli.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PRIVATE_PATH = re.compile(r"(?<![\w.:/$}])/(?:home|root|Users|mnt|media|tmp|work)/\w|\.\./shared")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|TBD)\b")
VERB_NAMED = re.compile(r"[`(]wordsight ([a-z]+)\b")
TEXT_SUFFIXES = (".md", ".py", ".toml", ".json", ".jsonl", ".txt", ".cfg", ".yml", ".sh", "")


def main() -> int:
    """Run every rule."""
    rules = (
        room_pages,
        verbs_described,
        links_resolve,
        files_named,
        shell_blocks,
        python_blocks,
        verbs_named,
        clean_texts,
    )
    problems = [line for rule in rules for line in rule()]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


def room_pages() -> Iterator[str]:
    """Each room has its page under docs/ and its line in the map of the README and of the architecture."""
    maps = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/architecture.md")}
    for room in ROOMS:
        if not (ROOT / "docs" / f"{room}.md").exists():
            yield f"docs/{room}.md: the room has no page"
        for name, text in maps.items():
            if not re.search(rf"^(?:\| `{room}` \||    {room}/ )", text, re.MULTILINE):
                yield f"{name}: the map has no line for the room {room}"


def verbs_described() -> Iterator[str]:
    """docs/cli.md has a section for each verb that names all its options, and no section for others."""
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `wordsight (\w+)[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    yield from (f"docs/cli.md: describes {verb}, which is no verb" for verb in sections if verb not in VERBS)
    for verb in VERBS:
        if verb not in sections:
            yield f"docs/cli.md: no section for {verb}"
            continue
        common = {option.name for option in EVERYWHERE} | {"--help", "-h"}
        for option in sorted(_options(verb_parser(verb)) - common):
            if not re.search(rf"`{re.escape(option)}\b", sections[verb]):
                yield f"docs/cli.md: {verb} does not describe {option}"


def links_resolve() -> Iterator[str]:
    """Relative links lead to files of the project."""
    for page in _texts(".md"):
        for target in LINK.findall(_without_code(page.read_text(encoding="utf-8"))):
            if re.match(r"[a-z]+:|#", target):
                continue
            target_path = (page.parent / target.partition("#")[0]).resolve()
            if not target_path.exists() or not target_path.is_relative_to(ROOT):
                yield f"{page.relative_to(ROOT)}: link to {target} leads nowhere"


def files_named() -> Iterator[str]:
    """Files that the pages of the house name with their folder exist."""
    for page in HOUSE_PAGES:
        for name in FILE_NAMED.findall((ROOT / page).read_text(encoding="utf-8")):
            candidates = (ROOT / name, ROOT / "src" / "wordsight" / name)
            if "/" in name and not any(target_path.exists() for target_path in candidates):
                yield f"{page}: names {name}, which is not there"


def shell_blocks() -> Iterator[str]:
    """Commands shown use verbs and options that exist, and files that exist."""
    for page, language, block in _blocks():
        if language not in ("sh", "bash", "console"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            for tokens in _commands(line.removeprefix("$ ")):
                yield from (f"{page}: {' '.join(tokens)}: {what}" for what in _command(tokens))


def python_blocks() -> Iterator[str]:
    """Python shown compiles, and what it imports from the package is there."""
    for page, language, block in _blocks():
        if language != "python":
            continue
        try:
            tree = ast.parse(block)
        except SyntaxError as error:
            yield f"{page}: a Python block does not compile: {error}"
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "wordsight":
                module = importlib.import_module(node.module or "")
                names = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                yield from (f"{page}: {node.module} has no {name}" for name in names)


def verbs_named() -> Iterator[str]:
    """Messages, docstrings and pages that name a command name one that exists."""
    for path in _texts(".py", ".md"):
        if not path.is_relative_to(ROOT / "tests"):
            named = set(VERB_NAMED.findall(path.read_text(encoding="utf-8"))) - set(VERBS)
            yield from (f"{path.relative_to(ROOT)}: names wordsight {verb}, which is no verb" for verb in sorted(named))


def clean_texts() -> Iterator[str]:
    """No file speaks of somebody's machine or leaves a promise to itself."""
    for path in _texts(*TEXT_SUFFIXES):
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if PRIVATE_PATH.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: a path of one machine"
            if UNFINISHED.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: an unfinished note"


def _commands(line: str) -> list[list[str]]:
    """Return the words of each command of a shell line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for token in lexer:
        if set(token) <= set("&|;"):
            commands.append([])
        else:
            commands[-1].append(token)
    return [tokens for tokens in commands if tokens]


def _command(tokens: list[str]) -> Iterator[str]:
    if tokens[0].startswith("scripts/") and not (ROOT / tokens[0]).exists():
        yield "no such script"
    if tokens[0] == "python" and len(tokens) > 1 and tokens[1].endswith(".py") and not (ROOT / tokens[1]).exists():
        yield "no such file"
    if tokens[0] != "wordsight" or len(tokens) == 1:
        return
    call = take_apart(tokens[1:])
    if call.verb and call.verb not in VERBS:
        yield "no such verb"
    elif call.verb:
        known = _options(verb_parser(call.verb))
        used = {token.partition("=")[0] for token in call.arguments if re.match(r"--?[a-z]", token)}
        yield from (f"no option {option}" for option in sorted(used - known))


def _options(parser: ArgumentParser) -> set[str]:
    options: set[str] = set()
    for action in parser._actions:
        options.update(action.option_strings)
        if isinstance(action.choices, dict):  # the verbs below this verb
            options.update(*(_options(below) for below in action.choices.values()))
    return options


def _blocks() -> Iterator[tuple[str, str, str]]:
    for page in _texts(".md"):
        for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), language, block


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def _texts(*suffixes: str) -> list[Path]:
    """Return the project's own texts: no build outputs, caches or environments, nor what a worktree has as .git."""
    skipped = {"build", "dist", "runs", "__pycache__"}
    files = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name not in skipped and (name == ".ci" or not name.startswith("."))]
        files += [Path(folder) / name for name in names if Path(name).suffix in suffixes and name != ".git"]
    return sorted(files)


if __name__ == "__main__":
    sys.exit(main())
