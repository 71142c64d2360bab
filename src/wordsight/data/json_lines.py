"""Tables of JSON lines: one object a line, row by row, with what is wrong with a row in its place.

    for number, row in JsonLines(Path("products.jsonl")).rows(): ...   # the line's number, and an object or an error

Each row has its own keys, so there is no header.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import InputError
from wordsight.base.json_faults import fault_of
from wordsight.data.text_lines import LONGEST, is_text, numbered_lines


class JsonLines:
    """One file.  Empty lines are no rows."""

    unit = "line"
    names: tuple[str, ...] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, first: int = 0, *, binary: bool = True) -> Iterator[tuple[int, Mapping[str, Any] | InputError]]:
        """Yield line number and row of each row from the one with index `first` on."""
        entry = -1
        for number, line in numbered_lines(self.path, newline="\n"):
            if not line.strip():
                continue
            entry += 1
            if entry < first:
                continue
            try:
                yield number, parse_object(line, f"{self.path}: line {number}")
            except InputError as error:
                yield number, error


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object of one line; whatever is wrong with it is an `InputError` that says where."""
    if len(text) > LONGEST:
        raise InputError(f"{where} is longer than {LONGEST} letters", cure="mend the line")
    if not is_text(text):
        raise InputError(f"{where} is not UTF-8", cure="save the file as UTF-8")
    try:
        row = json.loads(text)
    except RecursionError:
        raise InputError(f"{where} is nested too deep", cure="mend the line") from None
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {fault_of(error)}", cure="mend the line") from None
    if not isinstance(row, dict):
        raise InputError(f"{where} is no object", cure="write one object a line")
    if "\\ud" in text.lower() and not _is_whole(json.dumps(row, ensure_ascii=False)):
        raise InputError(f"{where} holds half a character (\\ud800 to \\udfff)", cure="mend the line")
    return row


def _is_whole(text: str) -> bool:
    """Return whether no half of a character is in a text; what stands for a byte of a file name is none."""
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
