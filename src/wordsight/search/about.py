"""What a library holds, for whoever is about to ask it: its metadata columns, with what they hold and examples.

    for column in described_columns(library): column.name, column.holds, column.examples

Knows the protocol of an index.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from wordsight.base.value import Value

if TYPE_CHECKING:
    from wordsight.index.index import Index, IndexEntry
    from wordsight.search.library import Library

VALUES, LOOKED_AT = 24, 600  # images that examples are taken from, spread over the first so many


class DescribedColumn(NamedTuple):
    """`holds` is "numbers", "text" or "numbers and text"; `examples` are up to three values."""

    name: str
    holds: str
    examples: Sequence[Value]


def described_columns(library: "Library") -> list[DescribedColumn]:
    """Return the metadata columns of a library that hold anything, in the order in which they came into it."""
    with library.reading() as index, index.one_look():
        columns = index.columns()
        states = index.files.states_after(None, LOOKED_AT)
        sound = [key for key, state in states.items() if not state.error and not state.absent]
        entries = index.entries(sound[:: max(len(sound) // VALUES, 1)])
        examples = {name: _examples(name, entries) for name in columns}
        empty = {name for name, some in examples.items() if not some and not has_values(index, name)}
    return [
        DescribedColumn(name, _held(column.numbers, column.texts), examples[name])
        for name, column in columns.items()
        if name not in empty
    ]


def has_values(index: "Index", column: str) -> bool:
    """Return whether any image has a value: a column that was taken away from all is there still."""
    from wordsight.index.where import Missing, Not

    return len(index) > 0 and bool(index.search(index.sample(1), 1, Not(Missing(column, 1)), absent=True)[0])


def _held(numbers: bool, texts: bool) -> str:
    return "numbers and text" if numbers and texts else "numbers" if numbers else "text"


def _examples(name: str, entries: "Sequence[IndexEntry]") -> Sequence[Value]:
    values = (entry.meta.get(name) for entry in entries)
    return list(dict.fromkeys(value for value in values if value is not None))[:3]
