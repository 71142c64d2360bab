"""Taking the last tagging of a library back: its columns as they were, and its sidecars byte by byte.

    undone = undo(library)
    undone.column, undone.changed, undone.restored, undone.left

What was changed by others since is left alone and named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import NotFound
from wordsight.base.value import Value
from wordsight.search.tagging.record import DECIDED, RUN, TagStore, read_lines, run_of, write_lines

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.search.library import Library

BACK = "back.jsonl"
GROUP = 1024


@dataclass(slots=True)
class Undone:
    """`changed` images have their former columns again, `restored` are sidecars, `left` what was not, and why.

    `sidecars` of these were left: undoing again tries them again.
    """

    column: str
    changed: int = 0
    restored: list[Path] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    sidecars: int = 0


def undo(library: "Library", store: TagStore | None = None) -> Undone:
    """Take the newest run of a store back that noted anything, of the model's by default; `NotFound` without any."""
    store = store or TagStore(library.folder)
    for journal in store.journals():
        if (journal / RUN).exists():
            break
        store.drop(journal)  # a dry run, or one that was killed before it noted anything
    else:
        raise NotFound(f"{library.location} has no tagging that can be taken back", cure="it is as it was")
    run = next(read_lines(journal / RUN))
    undone = Undone(run["column"])
    _sidecars(journal, undone)
    with library.reading() as index, index.one_look():
        write_lines(journal / BACK, _differing(index, journal, undone))
    undone.changed = library.note((key, before) for key, before in read_lines(journal / BACK))
    before = None if run["before"] is None else run_of(run["before"], journal / RUN)
    store.keep(before, undone.column)
    if not undone.sidecars:
        store.drop(journal)
    elif not undone.restored and not undone.changed:  # tried again in vain: the run before comes next
        store.set_aside(journal)
    return undone


def _sidecars(journal: Path, undone: Undone) -> None:
    from wordsight.search.tagging.sidecars import SIDECARS

    if (journal / SIDECARS).exists():
        from wordsight.base.reversible import take_back

        result = take_back(journal / SIDECARS)
        undone.restored = list(result.done)
        undone.sidecars = len(result.failed)
        undone.left += [f"{path}: {reason}" for path, reason in result.failed]


def _differing(index: "Index", journal: Path, undone: Undone) -> Iterator[Any]:
    """Yield key and former columns of the images that have what the run noted."""
    group: dict[str, tuple[Mapping[str, Value], Mapping[str, Value]]] = {}
    for key, _, _, after, before, _ in read_lines(journal / DECIDED):
        if after != before:
            group[key] = (after, before)
        if len(group) >= GROUP:
            yield from _of_group(index, group, undone)
            group = {}
    yield from _of_group(index, group, undone)


def _of_group(
    index: "Index", group: Mapping[str, tuple[Mapping[str, Value], Mapping[str, Value]]], undone: Undone
) -> Iterator[Any]:
    for key, (after, before) in group.items():
        try:
            meta = index.entries([key])[0].meta
        except NotFound:
            undone.left.append(f"{key}: it is not in the library any more")
            continue
        now = {name: meta.get(name) for name in after}
        if now == after:
            yield key, before
        elif now != before:
            undone.left.append(f"{key}: its columns were changed since")
