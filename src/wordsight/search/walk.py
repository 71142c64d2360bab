"""All entries of a library that satisfy a condition, some thousand at a time, in little memory.

    for entries in walk(index, parse("price < 50")):
        ...

Those whose files are absent are left out.  Knows the protocol of an index.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

from wordsight.index.index import Index, IndexEntry, pages_of

if TYPE_CHECKING:
    from wordsight.index.where import Condition

AT_ONCE = 2048


def walk(index: Index, where: "Condition | None" = None) -> Generator[list[IndexEntry]]:
    """Yield the entries by key; a condition that does not fit the columns raises `WhereError`."""
    from wordsight.index.where import check, matches

    if where is not None:
        check(where, index.columns())
    for states in pages_of(index.files, AT_ONCE):
        entries = index.entries([key for key, state in states.items() if not state.error and not state.absent])
        yield [entry for entry in entries if where is None or matches(where, entry.meta)]
