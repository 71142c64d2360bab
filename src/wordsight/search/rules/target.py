"""Where a rule moves or copies an image to: a folder, written with fields that the image fills in.

    check_target("Sorted/{year}/beach", "rule beach: move", outside=False)
    folder_for("Sorted/{year}/beach", meta)                  # Sorted/2024/beach
    free_name(folder, "a.jpg", used)                          # a.jpg, else a-2.jpg, a-3.jpg, ...

Fields: {year}, {month} and {day} of the column mtime, and any column by its name.  Values are made names of one folder.
A path without a root lies in the library's location.  Knows no rules.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from wordsight.base.errors import ConfigError, InputError
from wordsight.base.files import plain_name
from wordsight.base.value import Value

DATES = {"year": slice(0, 4), "month": slice(5, 7), "day": slice(8, 10)}  # parts of an ISO 8601 date
WHEN = ("taken", "mtime")  # columns that tell when an image was made, the best first
_FIELD = re.compile(r"\{([^{}]*)\}")


def check_target(target: str, named: str, *, outside: bool) -> None:
    """Raise `ConfigError` for a target that no image may be moved to; `named` says whose it is."""
    problem = f"{named} = {target!r}"
    rest = _FIELD.sub("x", target)
    if not target.strip() or "{" in rest or "}" in rest or "\0" in target:
        raise ConfigError(problem, cure="write a folder, for example Sorted/{year}/beach")
    for field in _FIELD.findall(target):
        if not field.strip():
            raise ConfigError(f"{problem} has an empty field", cure="name {year}, {month}, {day} or a column")
    path = PurePosixPath(rest)
    if ".." in path.parts:
        raise ConfigError(f"{problem} leads upwards", cure="write the folder without ..")
    if path.is_absolute() and not outside:
        raise ConfigError(
            f"{problem} may lie outside", cure="write it from the library's folder, or add outside = true"
        )
    if any(part.startswith(".") for part in path.parts):
        raise ConfigError(f"{problem} is hidden: libraries do not look there", cure="leave out the dot")


def folder_for(target: str, meta: Mapping[str, Value]) -> str:
    """Return the folder for an image with this metadata; `InputError` where it lacks a value."""

    def value_of(match: re.Match[str]) -> str:
        field = match[1].strip()
        if field in DATES and field not in meta:
            moment = next((str(meta[column]) for column in WHEN if meta.get(column)), "")
            part = moment[DATES[field]]
            if part.isdigit():
                return part
            raise InputError(f"it has no date for {{{field}}} of {target}", cure="leave the field out")
        value = meta.get(field)
        if value is None or not str(value).strip():
            raise InputError(f"it has no {field} for {target}", cure="leave the field out, or add a where")
        return plain_name(str(value), otherwise="other")

    return str(PurePosixPath(_FIELD.sub(value_of, target)))


def require_inside(folder: Path, location: Path, *, outside: bool) -> None:
    """Raise `InputError` for a folder that a link leads out of the location, unless that is allowed."""
    top, real = os.path.realpath(location), os.path.realpath(folder)
    if not outside and os.path.commonpath([top, real]) != top:
        raise InputError(f"{folder} leads out of {location} by a link", cure="add outside = true to the rule")


def free_name(folder: Path, name: str, used: set[Path]) -> Path:
    """Return the path for a file in a folder: its name, else with the first number from 2 that is free.

    `used` are paths that are about to be made.
    """
    path, number = folder / name, 1
    stem, suffix = os.path.splitext(name)
    while path in used or os.path.lexists(path):
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
