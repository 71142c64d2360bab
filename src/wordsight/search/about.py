"""What a library holds, for whoever is about to ask it: its metadata columns, with what they hold and examples.

    for column in described_columns(library): column.name, column.holds, column.examples

Knows the protocol of an index.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.value import Value

if TYPE_CHECKING:
    from wordsight.index.index import IndexEntry
    from wordsight.search.library import Library

VALUES, LOOKED_AT = 24, 600  # images that examples are taken from, spread over the first so many


class DescribedColumn(NamedTuple):
    """`holds` is "numbers", "text" or "numbers and text"; `examples` are up to three values."""

    name: str
    holds: str
    examples: Sequence[Value]


def described_columns(library: "Library") -> list[DescribedColumn]:
    """Return the metadata columns of a library, in the order in which they came into it."""
    with library.reading() as index, index.one_look():
        columns = index.columns()
        states = index.files.states_after(None, LOOKED_AT)
        sound = [key for key, state in states.items() if not state.error and not state.absent]
        entries = index.entries(sound[:: max(len(sound) // VALUES, 1)])
    return [
        DescribedColumn(name, _held(column.numbers, column.texts), _examples(name, entries))
        for name, column in columns.items()
    ]


def _held(numbers: bool, texts: bool) -> str:
    return "numbers and text" if numbers and texts else "numbers" if numbers else "text"


def _examples(name: str, entries: "Sequence[IndexEntry]") -> Sequence[Value]:
    values = (entry.meta.get(name) for entry in entries)
    return list(dict.fromkeys(value for value in values if value is not None))[:3]
