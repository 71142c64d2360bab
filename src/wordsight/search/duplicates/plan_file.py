"""The plan of what is to be moved: JSON lines that people read and edit, one line an image.

    write_plan(path, location, found.groups)
    plan = read_plan(path)                     # PlannedGroup(number, kept, moved), ...

    {"group": 1, "kind": "near", "action": "keep", "path": "a.jpg", "sha256": "…", "size": 81, "reason": "…"}

Paths are relative to the location where they lie below it.  `action` may be changed from keep to move and back, and
lines may be left out; a group in which nothing is kept is refused.  Knows no library, and opens no image.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import atomic_write
from wordsight.base.reading import read_text
from wordsight.search.duplicates.finding import DuplicateGroup, GroupMember

KEEP, MOVE = "keep", "move"
LIMIT = 1 << 32  # bytes of a plan: of some ten million images


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a plan: its path as the plan has it, and the content that it had."""

    path: str
    sha256: str
    line: int

    def at(self, location: Path) -> Path:
        """Return where the file is."""
        return location / self.path


@dataclass(slots=True)
class PlannedGroup:
    """What is to be kept of a group, and what moved."""

    number: int
    kept: list[PlannedFile] = field(default_factory=list)
    moved: list[PlannedFile] = field(default_factory=list)


def write_plan(path: Path, location: Path, groups: Sequence[DuplicateGroup]) -> None:
    """Write the plan, whole or not at all; images inside tables and shards have no file, and no line."""
    with atomic_write(path, "w") as handle:
        for number, group in enumerate(groups, start=1):
            for member in group.members:
                if member.image.file is not None:
                    handle.write(f"{_as_json(_line(number, member, location))}\n")


def _as_json(line: dict[str, Any]) -> str:
    """Return a line as people read it, unless a name has bytes, breaks or signs that nobody sees: then as ASCII."""
    text = json.dumps(line, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(line)


def _line(number: int, member: GroupMember, location: Path) -> dict[str, Any]:
    image = member.image
    assert image.file is not None
    return {
        "group": number,
        "kind": member.kind,
        "action": MOVE if member.is_moved else KEEP,
        "path": relative(image.file, location),
        "sha256": image.sha256,
        "size": image.size,
        "reason": member.reason,
    }


def relative(file: Path, location: Path) -> str:
    """Return the path of a file as a plan has it."""
    base = location if location.is_dir() else location.parent
    inside = os.path.relpath(os.path.abspath(file), os.path.abspath(base))
    return os.path.abspath(file) if inside.startswith("..") else inside.replace(os.sep, "/")


def read_plan(path: Path) -> list[PlannedGroup]:
    """Return the groups of a plan; whatever is wrong with a line is a `FormatError` that names it."""
    if not path.is_file():
        raise NotFound(f"no plan {path}", cure="wordsight duplicates PLACE --plan FILE writes one")
    groups: dict[int, PlannedGroup] = {}
    seen: dict[str, int] = {}
    for number, row in _rows(path):
        name = row["path"]
        if name in seen:
            raise FormatError(
                f"{path}, line {number}: {name} is in line {seen[name]} too", cure="leave one of them out"
            )
        seen[name] = number
        group = groups.setdefault(row["group"], PlannedGroup(row["group"]))
        (group.kept if row["action"] == KEEP else group.moved).append(PlannedFile(name, row["sha256"], number))
    if not groups:
        raise FormatError(f"{path} holds no line of a plan", cure="name a plan that --plan wrote, or write it again")
    for group in groups.values():
        if group.moved and not group.kept:
            raise FormatError(
                f"{path}: nothing of group {group.number} is kept (line {group.moved[0].line})",
                cure='give one of its lines "action": "keep"',
            )
    return list(groups.values())


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = read_text(path, limit=LIMIT).split("\n")  # names may hold other breaks
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}", cure="name a plan that --plan wrote") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        kinds = {"group": int, "action": str, "path": str, "sha256": str}
        wrong = next(
            (name for name, kind in kinds.items() if not isinstance(row, dict) or type(row.get(name)) is not kind), ""
        )
        if wrong:
            raise FormatError(f"{path}, line {number}: no {wrong}", cure="a line is as --plan wrote it; write it again")
        if row["action"] not in (KEEP, MOVE):
            raise FormatError(f'{path}, line {number}: action "{row["action"]}"', cure="it is keep or move")
        if row["action"] == MOVE and len(row["sha256"]) != 64:
            raise FormatError(f"{path}, line {number}: no sha256", cure="a file is moved only if its content is known")
        _check_path(row["path"], f"{path}, line {number}")
        yield number, row


def _check_path(name: str, where: str) -> None:
    """Raise `FormatError` for what is the path of no file, or leads upwards."""
    try:
        is_path = bool(name) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:  # half a character
        is_path = False
    if not is_path:
        raise FormatError(f"{where}: path {json.dumps(name)}", cure="no file has such a path; write the plan again")
    if ".." in Path(name).parts:
        raise FormatError(f"{where}: path {name} leads upwards", cure="write it without ..")
