"""Columns and JSON keys: which of them holds the image, the captions, the class; values as the files give them.

Knows no file format: it is handed names and plain values.
"""

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.value import Value
from wordsight.data.source import Columns
from wordsight.data.text_lines import is_text
from wordsight.images.files import is_image_name

_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")  # "007" stays text
_LONGEST = 64  # letters of a number; more digits than that are a name
KNOWN = {
    "image": (
        "image",
        "path",
        "file",
        "filepath",
        "file_name",
        "filename",
        "image_path",
        "image_name",
        "image_file_name",
    ),
    "captions": ("captions", "caption", "text", "texts", "title", "comment"),
    "label": ("class", "label"),
    "key": ("key", "id", "uid"),
}
GUESSED = {  # names of image columns, in any case, where none of the known ones is there: one of them alone is taken
    *("images", "img", "imgs", "picture", "pictures", "pic", "photo", "photos", "jpg", "jpeg", "png", "webp"),
    *(f"{what}_{how}" for what in ("img", "picture", "photo") for how in ("path", "file", "filename", "name")),
    *("image_file", "image_filename", "image_filepath", "file_path", "imagepath", "imagefile"),
}

LABEL_LISTS = ("labels", "tags", "objects", "categories")  # columns that list the names of what an image shows

_SHOWN = 200  # letters of a value that a message holds
_LARGEST = 2**63 - 1  # of the integers that stores keep


def choose(
    names: Sequence[str], columns: Columns, *, where: str, need_image: bool, complete: bool = True
) -> dict[str, str]:
    """Return role -> column name for the roles that are there; a named column that is not, or no image, is an error.

    `labels` is the role of the column that may list several: the one named as label, else one of `LABEL_LISTS`.

    A known name is found in capitals too, where there is none in lower case.  Unless `complete` the names are the keys
    of one object, which need not have captions, class or key; one that is spelled nearly so is an error all the same.
    """
    chosen = {}
    for role, known in KNOWN.items():
        wanted = getattr(columns, role)
        if wanted is not None and wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5 if complete else 0.8)
            if not complete and not near and role != "image":
                continue
            cure = f"did you mean {' or '.join(near)}?" if near else f"there are: {shortened(', '.join(names))}"
            raise FormatError(f"{where} has no column {wanted}", cure=cure)
        column = wanted or _known(names, known)
        if column is None and role == "image" and need_image:
            column = only_image([name for name in names if name.lower() in GUESSED], where=where)
        if column:
            chosen[role] = column
    listing = columns.label or _known([name for name in names if name not in chosen.values()], LABEL_LISTS)
    if listing in names:
        chosen["labels"] = listing
    if need_image and complete and not any(names):
        raise FormatError(f"{where} is empty", cure="write a line with the names of the columns, and a row an image")
    if need_image and "image" not in chosen:
        if any(map(is_image_name, names)):
            raise FormatError(
                f"{where} has no header: its first line is {shortened(', '.join(names))}",
                cure="put a line with the names of the columns above it, for example image,caption",
            )
        raise FormatError(f"{where} has no image column", cure=_image_cure(names))
    return chosen


def only_image(candidates: Sequence[str], *, where: str) -> str | None:
    """Return the one column that may be the image, None where there is none; several are an error that names them."""
    if len(candidates) > 1:
        listed = shortened(" or ".join(candidates))
        raise FormatError(f"{where}: the image may be {listed}", cure=f"name it as image ({how_to_name('image')})")
    return candidates[0] if candidates else None


def names_image(names: Sequence[str]) -> bool:
    """Say whether names alone tell which column holds the image, or which may."""
    return any(name.lower() in GUESSED.union(KNOWN["image"]) for name in names)


def _known(names: Sequence[str], known: Sequence[str]) -> str | None:
    exact = next((name for name in known if name in names), None)
    if exact is not None:
        return exact
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in known if name in lower), None)


def _image_cure(names: Sequence[str]) -> str:
    near = [name for name in names if difflib.get_close_matches(name.lower(), KNOWN["image"], n=1, cutoff=0.6)]
    near = near or [
        name for name in names if any(word in name.lower() for word in ("image", "img", "file", "pic", "photo"))
    ]
    hint = f"; perhaps {' or '.join(near)}" if near else ""
    return f"there are: {shortened(', '.join(names))}{hint}; name it as image ({how_to_name('image')})"


def how_to_name(role: str) -> str:
    """Return how a column is named for a role: on the command line, in a task or recipe, in Python."""
    return f"--{role} COLUMN, {role}= in a task or recipe, Columns({role}=...) in Python"


def shortened(text: str) -> str:
    """Return a value for a message: cut where it is longer than anybody reads."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def captions(value: Any, *, where: str) -> tuple[str, ...]:
    """Read captions from a list, a JSON list as text, or one text; empty and missing ones are left out."""
    if is_missing(value):
        return ()
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) or is_missing(item) for item in value):
        return tuple(item for item in value if isinstance(item, str) and item.strip())
    kind = "of a kind that is not read" if value == {} else type(value).__name__
    raise InputError(f"{where}: captions are {kind}", cure="give a text or a list of texts")


def _from_text(text: str) -> tuple[str, ...]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            return (text,)
        if isinstance(listed, list) and all(isinstance(item, str) and is_text(item) for item in listed):
            return tuple(item for item in listed if item.strip())
    return (text,) if text.strip() else ()


def lines(text: str) -> tuple[str, ...]:
    """Read captions from the text of a `.txt` file: one a line, empty lines left out."""
    stated = (line.strip() for line in without_marks(text).splitlines())
    return tuple(line for line in stated if line)


def without_marks(text: str) -> str:
    """Return a text without byte order marks: files put together from several have them inside, too."""
    return text.replace("\ufeff", "")


def is_missing(value: Any) -> bool:
    """Return whether a value stands for none: null, or not a number, which is how data frames write null."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def name(value: Any) -> str | None:
    """Return a plain value as a name (7.0 is 7, as data frames write it); None where it is none."""
    if is_missing(value) or value == "" or not isinstance(value, str | int | float):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def meta(values: Mapping[str, Any], chosen: Mapping[str, str]) -> dict[str, Value]:
    """Return the plain values of the columns that play no role; lists, groups and what has no name are left out."""
    used = {"", *(column for role, column in chosen.items() if role != "labels")}  # plain tags are a column, too
    return {k: plain(v) for k, v in values.items() if k not in used and (v is None or isinstance(v, _PLAIN))}


_PLAIN = (str, int, float, bool)


def plain(value: Value) -> Value:
    """Return a value as any store keeps it: what is no finite number is missing, integers beyond 64 bits are floats.

    Integers beyond floats too stay what they are when written: text.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and abs(value) > _LARGEST:
        try:
            return float(value)
        except OverflowError:
            return str(value)
    return value


def from_text(text: Value) -> Value:
    """Return the cell of a text table: a number where it looks like one, None where it is empty."""
    if not isinstance(text, str):
        return plain(text)
    if not text.strip():
        return None
    match = _NUMBER.fullmatch(text.strip()) if len(text) < _LONGEST else None
    if match is None:
        return text
    return plain(float(text) if match[2] or match[3] else int(text))
