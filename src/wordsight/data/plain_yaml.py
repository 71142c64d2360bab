r"""The part of YAML that programs write of flat records: `Key: value`, one map inside, scalars on one line or several.

    read_record('Title: Beach\nDetails:\n  Keywords: "a, b"\n', name="a.yml")
    # {"Title": "Beach", "Details": {"Keywords": "a, b"}}

Values are text as it stands, or None; plain and quoted scalars, also folded over lines, and literal blocks (`|`) are
read.  Whatever else YAML has (lists, flow, tags, anchors, `>`) is an error: nothing is guessed.
Source: YAML 1.1, sections 4 to 9.
"""

import re
from collections.abc import Mapping

from wordsight.base.errors import InputError

Scalar = str | None
_KEY = re.compile(r"([A-Za-z][\w-]*):(?: +(.*))?", re.ASCII)
_BLOCK = re.compile(r"\|([1-9])?([+-])?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_SIGNS = dict(zip('0abtnvfre"/\\ N_LP', '\0\a\b\t\n\v\f\r\x1b"/\\ \x85\xa0\u2028\u2029', strict=True))
_OTHERS = tuple("[]{}&*!|>%@`,?")  # how what is not read begins
_BREAKS = re.compile("[\x85\u2028\u2029]")  # YAML 1.1 ends lines with these, later versions do not
_LARGEST = 0x10FFFF


def read_record(text: str, *, name: str) -> dict[str, "Scalar | Mapping[str, Scalar]"]:
    """Return the keys of a document with their values; `InputError` for what is not of this form, or comes twice."""
    if odd := _BREAKS.search(text):
        raise InputError(f"{name} has the line break {odd[0]!a}", cure="mend it, or take it away")
    return _Reader(text, name).record()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self._lines = text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n")
        self._at = 0
        self._name = name

    def record(self) -> dict[str, "Scalar | Mapping[str, Scalar]"]:
        values: dict[str, Scalar | Mapping[str, Scalar]] = {}
        while (indent := self._next()) is not None:
            if indent:
                raise self._problem("a line that is no key")
            if self._lines[self._at].rstrip() == "...":
                self._lines[self._at] = ""
                continue
            if self._lines[self._at].rstrip() == "---" and not values:
                self._at += 1
                continue
            key, stated = self._key(0, values)
            inner = None if stated else self._next()
            values[key] = self._inside(inner) if inner else self._scalar(stated, 0)
        return values

    def _inside(self, indent: int) -> dict[str, Scalar]:
        values: dict[str, Scalar] = {}
        while (deep := self._next()) is not None and deep:
            key, stated = self._key(indent, values)
            values[key] = self._scalar(stated, indent)
        return values

    def _next(self) -> int | None:
        """Go to the next line that holds something, and return its indent; None behind the last."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.strip() and not line.lstrip().startswith("#"):
                return _indent(line)
            self._at += 1
        return None

    def _key(self, indent: int, known: Mapping[str, object]) -> tuple[str, str]:
        line = self._lines[self._at]
        match = _KEY.fullmatch(line[indent:].rstrip()) if _indent(line) == indent else None
        if match is None or match[1] in known:
            raise self._problem("a key that comes twice" if match else "a line that is no key")
        self._at += 1
        stated = match[2] or ""
        return match[1], "" if stated.startswith("#") else stated

    def _scalar(self, stated: str, indent: int) -> Scalar:
        if stated[:1] in ('"', "'") and stated:
            return self._quoted(stated, indent)
        if block := _BLOCK.fullmatch(stated):
            return self._block(indent, block)
        if stated.startswith((*_OTHERS, "- ")) or stated == "-":
            raise self._problem(f"a value that begins with {stated[0]}", -1)
        text = _folded([stated, *self._more(indent)])
        if ": " in text or " #" in text or text.endswith(":"):
            raise self._problem("a value that is not quoted", -1)
        return None if text in ("", "~", "null") else text

    def _more(self, indent: int) -> list[str]:
        """Take the lines that go on with a value: they stand deeper than its key."""
        lines: list[str] = []
        while self._at < len(self._lines) and (
            not self._lines[self._at].strip() or _indent(self._lines[self._at]) > indent
        ):
            lines.append(self._lines[self._at])
            self._at += 1
        return lines

    def _quoted(self, stated: str, indent: int) -> str:
        pattern = _DOUBLE if stated[0] == '"' else _SINGLE
        lines = [stated] if pattern.fullmatch(stated) else [stated, *self._more(indent)]
        match = pattern.fullmatch(_folded(lines, joins=stated[0] == '"'))
        if match is None:
            raise self._problem("a quoted value without an end, or with something behind it", -1)
        return match[1].replace("''", "'") if stated[0] == "'" else _ESCAPE.sub(self._unescaped, match[1])

    def _unescaped(self, match: re.Match[str]) -> str:
        sign = match[1]
        if len(sign) > 1 and (code := int(sign[1:], 16)) <= _LARGEST:
            return chr(code)
        if sign not in _SIGNS:
            raise self._problem(f"the escape \\{sign}", -1)
        return _SIGNS[sign]

    def _block(self, indent: int, mark: re.Match[str]) -> str:
        lines = self._more(indent)
        first = next(filter(str.strip, lines), "")
        deep = indent + int(mark[1]) if mark[1] else _indent(first)
        if any(line.strip() and _indent(line) < deep for line in lines):
            raise self._problem("a block whose lines stand less deep than its first", -1)
        text = "".join(f"{line[deep:]}\n" for line in lines)
        return text if mark[2] == "+" else text.rstrip("\n") + "\n" * (mark[2] is None)

    def _problem(self, what: str, back: int = 0) -> InputError:
        return InputError(
            f"{self._name} has {what} in line {self._at + 1 + back}, which is not read", cure="mend it, or take it away"
        )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _folded(lines: list[str], *, joins: bool = False) -> str:
    """Return lines as one: an end of a line is a blank, empty lines are line breaks.

    `joins`: a backslash that nothing escapes takes the end of its line away.
    """
    text, breaks = lines[0].strip() if len(lines) == 1 else lines[0].rstrip(), 0
    for line in lines[1:]:
        stripped = line.strip()
        if not stripped:
            breaks += 1
            continue
        if joins and not breaks and (len(text) - len(text.rstrip("\\"))) % 2:
            text = text[:-1] + stripped
        else:
            text += ("\n" * breaks or " ") + stripped
        breaks = 0
    return text
