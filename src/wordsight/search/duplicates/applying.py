"""Doing what a plan says: files moved into a trash folder, checked before, and put back on demand.  Nothing is deleted.

    trash = trash_of(location, plan, base=None)
    done = apply(library, plan, trash)         # Applied(moved, failed, freed)
    undone = undo(library, trash)              # TakenBack(done, failed)

A file is moved only while it is what the plan says, and every file that the plan keeps in its group is there, whole,
and another file.  So the last copy never leaves.  Moves go through `base.reversible`, so a stop loses nothing, and the
same call goes on.  What is noted on a moved image goes to the kept one.  Knows the library.
"""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.base.errors import InputError, NotFound, WordsightError
from wordsight.base.files import storage_errors
from wordsight.base.progress import bar
from wordsight.base.reading import sha256_file
from wordsight.base.reversible import Reversible, TakenBack, require_room, take_back
from wordsight.base.value import Value
from wordsight.images.ignore import IGNORE_FILE
from wordsight.search.duplicates.plan_file import PlannedFile, PlannedGroup, read_plan
from wordsight.search.sidecar_files import sidecars

if TYPE_CHECKING:
    from wordsight.search.library import Library

TRASH = "trash"  # in the folder of the library
JOURNAL = "changes"  # in a trash folder
SHOWN = 5  # trash folders that a cure names
_MARK = 12  # letters of a plan's hash in the name of its trash folder


@dataclass(slots=True)
class Applied:
    """What was moved, by the paths of the plan, with the bytes of it, and what was not: path and reason.

    `before`: what an earlier call with the same plan moved.
    """

    moved: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    freed: int = 0
    noted: int = 0


def trash_of(library: "Library", plan: Path, base: Path | None) -> Path:
    """Return the trash folder of a plan: the one that it was applied to before, else one with the time in its name.

    `base` is the folder of trash folders, by default `trash` in that of the library.
    """
    if not plan.is_file():
        raise NotFound(f"no plan {plan}", cure="wordsight duplicates PLACE --plan FILE writes one")
    base = library.folder / TRASH if base is None else base
    mark = sha256_file(plan)[:_MARK]
    known = sorted(base.glob(f"*-{mark}")) if base.is_dir() else []
    return known[0] if known else base / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{mark}"


def apply(library: "Library", plan: Path, trash: Path, *, done: Applied | None = None) -> Applied:
    """Move what the plan says into `trash`, and take it from the library; a library that is not there is left alone.

    Given a `done`, what was moved is in it also where a full disk or a stop ends this halfway.
    """
    done = Applied() if done is None else done
    groups = [group for group in read_plan(plan) if group.moved]
    if not groups:
        return done
    base = _base(library)
    done.noted = _carry_notes(library, groups)
    trash = trash.absolute()
    with storage_errors(trash):
        trash.mkdir(parents=True, exist_ok=True)
        (trash / IGNORE_FILE).write_text("*\n")  # a trash inside the location is not indexed
    with Reversible(trash / JOURNAL) as changes, bar(len(groups), unit=" groups", desc="moving") as progress:
        for group in groups:
            _move_group(group, base, trash, changes=changes, done=done)
            progress.update(1)
    return done


def _base(library: "Library") -> Path:
    location = library.location.absolute()
    return location if location.is_dir() else location.parent


def _move_group(group: PlannedGroup, base: Path, trash: Path, *, changes: Reversible, done: Applied) -> None:
    before = [one for one in group.moved if _is_moved(one, base, trash)]
    done.before += [one.path for one in before]
    for one in before:  # a stop, or a folder that may be written to only now, left sidecars behind
        _move_sidecars(one, base, trash, changes=changes, done=done)
    waiting = [one for one in group.moved if one not in before]
    if not waiting:
        return
    try:
        for kept in group.kept:
            _require_whole(kept, base)
    except InputError as error:
        done.failed += [(one.path, f"stays: {error.problem}") for one in waiting]
        return
    for one in waiting:
        try:
            source = one.at(base)
            for kept in group.kept:
                _require_other(source, kept.at(base))
            size = source.lstat().st_size if source.exists() else 0
            changes.move(source, _target(one, trash), sha256=one.sha256)
            done.moved.append(one.path)
            done.freed += size
        except (WordsightError, OSError) as error:
            require_room(error)
            done.failed.append((one.path, _problem(error)))
        else:
            _move_sidecars(one, base, trash, changes=changes, done=done)


def _move_sidecars(one: PlannedFile, base: Path, trash: Path, *, changes: Reversible, done: Applied) -> None:
    """Let sidecars follow an image that was moved; one whose name is in the trash already is of another image."""
    for path in sidecars(one.at(base)):
        target = _target(one, trash).parent / path.name
        if os.path.lexists(target):
            continue
        try:
            changes.move(path, target)
        except (WordsightError, OSError) as error:
            require_room(error)
            done.failed.append((str(Path(one.path).parent / path.name), _problem(error)))


def _problem(error: WordsightError | OSError) -> str:
    return error.problem if isinstance(error, WordsightError) else str(error.strerror or error)


def _is_moved(one: PlannedFile, base: Path, trash: Path) -> bool:
    """Return whether a file was moved by this plan before."""
    return not os.path.lexists(one.at(base)) and os.path.lexists(_target(one, trash))


def _target(one: PlannedFile, trash: Path) -> Path:
    """Return where a file comes to lie in the trash; one of elsewhere below `elsewhere`, with its whole path."""
    path = Path(one.path)
    return trash / "files" / path if not path.is_absolute() else trash / "elsewhere" / path.relative_to(path.anchor)


def _require_whole(kept: PlannedFile, base: Path) -> None:
    """Raise `InputError` unless the file that is kept is there with the content of the plan."""
    path = kept.at(base)
    try:
        content = sha256_file(path)
    except OSError as error:
        raise InputError(f"{path}, which is kept, cannot be read: {error.strerror}", cure="make a new plan") from None
    if content != kept.sha256:
        raise InputError(f"{path}, which is kept, was changed since the plan", cure="make a new plan")


def _require_other(source: Path, kept: Path) -> None:
    """Raise `InputError` where moving `source` frees nothing, or would take `kept` away."""
    if source.is_symlink():
        raise InputError(f"{source} is a link", cure="links are left alone: they take no room")
    if source.exists() and source.samefile(kept):
        raise InputError(f"{source} and {kept} are one file", cure="moving it would free nothing")


def _carry_notes(library: "Library", groups: Sequence[PlannedGroup]) -> int:
    """Note on the kept images what is noted on those that will be moved; returns how many images changed."""
    from wordsight.search.noting import noted_columns

    if not library.exists():
        return 0
    gained: dict[str, dict[str, Value]] = {}
    with library.reading() as index:
        columns = noted_columns(index.facts())
        for group in groups if columns else ():
            kept = group.kept[0].path
            for one in group.moved:
                with contextlib.suppress(NotFound):  # moved before, or of a table, whose keys are no paths
                    given, has = index.entries([one.path, kept])
                    gained.setdefault(kept, {}).update(
                        merged(given.meta, {**has.meta, **gained.get(kept, {})}, columns)
                    )
    gained = {key: values for key, values in gained.items() if values}
    return library.note(gained.items()) if gained else 0


def merged(given: Mapping[str, Value], has: Mapping[str, Value], columns: tuple[str, ...]) -> dict[str, Value]:
    """Return what changes where `has` takes over what `given` has: values that are missing, and words of text."""
    values: dict[str, Value] = {}
    for column in columns:
        new, old = given.get(column), has.get(column)
        if new is None or new == old:
            continue
        if old is None:
            values[column] = new
        elif isinstance(new, str) and isinstance(old, str):
            separator = next((one for one in ("\n", ";", ",") if one in f"{old}{new}"), ", ")
            parts = [part.strip() for part in f"{old}{separator}{new}".split(separator.strip(" ") or separator)]
            glue = separator if separator == "\n" else f"{separator.strip()} "
            text = glue.join(dict.fromkeys(part for part in parts if part))
            values |= {column: text} if text != old else {}
    return values


def undo(plan_or_trash: Path, library: "Library", base: Path | None) -> TakenBack:
    """Put back what a plan moved; given is the plan or its trash folder.  Raises `NotFound` where nothing was moved."""
    trash = plan_or_trash if plan_or_trash.is_dir() else trash_of(library, plan_or_trash, base)
    if not (trash / JOURNAL).is_dir():
        base = library.folder / TRASH if base is None else base
        raise NotFound(f"nothing was moved by {plan_or_trash} as it is now", cure=_where_else(base))
    return take_back(trash / JOURNAL)


def _where_else(base: Path) -> str:
    """Return the cure where a plan is not the one that was applied: the trash folders that are there, newest first."""
    known = sorted((one.parent for one in base.glob(f"*/{JOURNAL}")), key=lambda one: one.name, reverse=True)
    if not known:
        return f"name the plan that was applied; no trash folder is in {base}"
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    names = ", ".join(one.name for one in known[:SHOWN])
    return f"a plan that was edited since has another name there: name its trash folder, of {base}: {names}{more}"
