"""Columns and JSON keys: which of them holds the image, the captions, the class; values as the files give them.

Knows no file format: it is handed names and plain values.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.nouns import Value
from wordsight.data.source import Columns

KNOWN = {
    "image": ("image", "path", "file", "filepath", "file_name", "filename", "image_path"),
    "captions": ("captions", "caption", "text", "texts", "title"),
    "label": ("class", "label"),
    "key": ("key", "id", "uid"),
}


def choose(names: Sequence[str], columns: Columns, *, where: str, need_image: bool) -> dict[str, str]:
    """Return role -> column name for the roles that are there; a named column that is not, or no image, is an error."""
    chosen = {}
    for role, known in KNOWN.items():
        wanted = getattr(columns, role)
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
            cure = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
            raise FormatError(f"{where} has no column {wanted}", cure=cure)
        column = wanted or next((name for name in known if name in names), None)
        if column:
            chosen[role] = column
    if need_image and "image" not in chosen:
        raise FormatError(f"{where} has no image column", cure=_image_cure(names))
    return chosen


def _image_cure(names: Sequence[str]) -> str:
    near = [name for name in names if difflib.get_close_matches(name.lower(), KNOWN["image"], n=1, cutoff=0.6)]
    near = near or [
        name for name in names if any(word in name.lower() for word in ("image", "img", "file", "pic", "photo"))
    ]
    hint = f"; perhaps {' or '.join(near)}" if near else ""
    return f"there are: {', '.join(names)}{hint}; name it with --image (or columns=Columns(image=...))"


def captions(value: Any, *, where: str) -> tuple[str, ...]:
    """Read captions from a list, a JSON list as text, or one text; empty ones are left out."""
    if value is None:
        return ()
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(item for item in value if item.strip())
    raise InputError(f"{where}: captions are {type(value).__name__}", cure="give a text or a list of texts")


def _from_text(text: str) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except json.JSONDecodeError:
            return (text,)
        if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
            return tuple(item for item in listed if item.strip())
    return (text,) if text.strip() else ()


def lines(text: str) -> tuple[str, ...]:
    """Read captions from the text of a `.txt` file: one a line, empty lines left out."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def label(values: Mapping[str, Any], chosen: Mapping[str, str]) -> str | None:
    """Return the class name, or None; a number counts as a name when nothing better is there."""
    value = values.get(chosen["label"]) if "label" in chosen else None
    return str(value) if value not in (None, "") else None


def meta(values: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Value]:
    """Return the plain values of the columns that play no role; lists and groups are left out."""
    used = set(chosen.values())
    return {k: v for k, v in values.items() if k not in used and (v is None or isinstance(v, str | int | float | bool))}
