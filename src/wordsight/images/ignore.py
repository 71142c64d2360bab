"""Which files of a folder are left alone: the patterns of `.wordsightignore` files, a part of what gitignore knows.

    rules = Rules(["*.png", "drafts/", "!keep.png"])
    rules.ignores("a/b.png", folder=False)                       # True
    rules = rules.below(text_of_a_wordsightignore, "a/")         # with the lines of the file that lies in a

The last line that fits decides.  Knows paths with `/`, no disk.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

IGNORE_FILE = ".wordsightignore"
# Folders that programs and systems make beside photos: thumbnails, bins, packages.
OF_PROGRAMS = (
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "__MACOSX",
    "node_modules",
)


class _Rule(NamedTuple):
    """A line: paths that `fits` matches are ignored, or kept; `folders`: only where they are folders."""

    fits: re.Pattern[str]
    keeps: bool
    folders: bool


class Rules:
    """Patterns, those that count more behind the others; empty ones and those that begin with `#` say nothing."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._rules = (*_of_programs(), *_read(patterns, ""))

    def below(self, text: str, prefix: str) -> "Rules":
        """Return these rules and the lines of an ignore file in the folder `prefix` ("" or ending in `/`)."""
        more = Rules()
        more._rules = (*self._rules, *_read(text.splitlines(), prefix))
        return more

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Say whether a file, or a folder with all that is in it, is ignored."""
        for rule in reversed(self._rules):
            if (folder or not rule.folders) and rule.fits.fullmatch(path):
                return not rule.keeps
        return False

    @property
    def for_files(self) -> bool:
        """Whether a file may be ignored: by far most folders have no such rule."""
        return any(not rule.folders for rule in self._rules)


@cache
def _of_programs() -> tuple[_Rule, ...]:
    names = "|".join(map(re.escape, OF_PROGRAMS))
    return (_Rule(re.compile(f"(?:.*/)?(?:{names})", re.DOTALL), keeps=False, folders=True),)


def _read(lines: Iterable[str], prefix: str) -> Iterable[_Rule]:
    for line in lines:
        pattern = re.sub(r"(?<!\\)\s+$", "", line)
        keeps = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        folders = pattern.endswith("/")
        pattern = pattern.removesuffix("/")
        if pattern and not line.startswith("#"):
            anchored = "/" in pattern
            start = re.escape(prefix) + ("" if anchored else "(?:.*/)?")
            fits = re.compile(start + _as_expression(pattern.removeprefix("/")), re.IGNORECASE | re.DOTALL)
            yield _Rule(fits, keeps, folders)


_PARTS = re.compile(
    r"(?P<above>(?:^|(?<=/))\*\*/)|(?P<below>(?:^|(?<=/))\*\*$)|(?P<any>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]/]*\])|\\(?P<plain>.)",
    re.DOTALL,
)


def _as_expression(pattern: str) -> str:
    """Return a pattern as a regular expression for the whole of a path."""
    result, end = "", 0
    for part in _PARTS.finditer(pattern):
        result += re.escape(pattern[end : part.start()])
        end = part.end()
        kind = part.lastgroup
        if kind == "set":
            inside = part["set"][1:-1]
            negated = inside[:1] in ("!", "^")
            inside = re.sub(r"([\\\[\]&~|^])", r"\\\1", inside[negated:])
            result += f"(?!/)[{'^' if negated else ''}{inside}]"
        else:
            result += {"above": "(?:.*/)?", "below": ".+", "any": "[^/]*", "one": "[^/]"}.get(kind or "") or re.escape(
                part["plain"]
            )
    return result + re.escape(pattern[end:])
