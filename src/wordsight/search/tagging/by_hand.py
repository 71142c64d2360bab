"""Tags that people give to images of a library, in a column of their own: given, taken away, and taken back.

    done = tag_by_hand(library, ["a.jpg", "b.jpg"], add=["holiday"], remove=["todo"])
    done.changed, done.run                    # how many images changed; what names this run
    undo_by_hand(library, done.run)           # as it was

A tag stands once on an image, whatever its case, and those of the model are never touched.  Each run is written into a
journal before anything is noted, as those of the model are, and five can be taken back, the last first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wordsight.base.errors import NotFound, UsageError
from wordsight.search.tagging.columns import check_names
from wordsight.search.tagging.record import DECIDED, RUN, TagStore, read_lines, write_lines
from wordsight.search.tagging.undoing import GROUP, Undone, undo
from wordsight.text.label_sets import Label, LabelSet

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.search.library import Library

HAND = "hand_tags"
KIND = "hand"  # of journals
LONGEST = 100  # letters of a tag


@dataclass(frozen=True, slots=True)
class HandTagged:
    """What was done: to how many `images` in all, how many of them `changed`, and the name of the run, "" for none."""

    images: int
    changed: int
    run: str


def tag_by_hand(
    library: "Library", keys: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()
) -> HandTagged:
    """Give tags to images and take others away, on all of them or none."""
    added, removed = _sound(add), _sound(remove)
    if both := {one.casefold() for one in added} & {one.casefold() for one in removed}:
        raise UsageError(f"the tag {min(both)!r} both added and removed", cure="name it once")
    if TagStore(library.folder).last(HAND) is not None:
        cure = f"take those away first: wordsight tag PLACE --clear --column {HAND}"
        raise UsageError(f"the column {HAND} has tags of the model", cure=cure)
    named = list(dict.fromkeys(keys))
    store = TagStore(library.folder, KIND)
    with library.reading() as index, index.one_look():
        decided = [line for line in _decided(index, named, added, removed) if line[3] != line[4]]
    if not decided:
        return HandTagged(len(named), 0, "")
    journal = store.new_journal()
    write_lines(journal / DECIDED, iter(decided))
    write_lines(journal / RUN, iter([{"column": HAND, "before": None}]))
    changed = library.note((line[0], line[3]) for line in read_lines(journal / DECIDED))
    return HandTagged(len(named), changed, journal.name)


def undo_by_hand(library: "Library", run: str = "") -> Undone:
    """Take the last run back; with `run` only where that is the last."""
    store = TagStore(library.folder, KIND)
    last = next((one.name for one in store.journals() if (one / RUN).exists()), "")
    if run and run != last:
        raise NotFound(f"the run {run!r} is not the last by hand", cure="others have tagged since, or it is undone")
    return undo(library, store)


def _sound(tags: Iterable[str]) -> list[str]:
    """Return tags without what stands around them, each once; `UsageError` for those that can be none."""
    stripped = {one.strip().casefold(): one.strip() for one in tags}
    for one in stripped.values():
        if not one or len(one) > LONGEST:
            raise UsageError(f"the tag {one[:40]!r} has {len(one)} letters", cure=f"give it 1 to {LONGEST}")
    check_names(LabelSet(HAND, tuple(Label(one, (one,)) for one in stripped.values())))
    return list(stripped.values())


def _decided(index: "Index", keys: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> Iterator[Any]:
    """Yield the lines of a journal: key, file, tags, new columns, former columns, other tags."""
    gone = {one.casefold() for one in removed}
    for start in range(0, len(keys), GROUP):
        for entry in index.entries(keys[start : start + GROUP]):
            value = entry.meta.get(HAND)
            before = {one.casefold(): one for one in str(value).split("\n")} if value else {}
            tags = [one for name, one in before.items() if name not in gone]
            tags += [one for one in added if one.casefold() not in before]
            yield entry.key, None, {}, {HAND: "\n".join(tags) or None}, {HAND: value}, []
