"""Why a condition may have matched nothing: a value that is there in another case.

    case_hints(index, condition, embedding)      # ["colour has 'red', not 'Red'"]

`=` and `in` are case-sensitive.  Knows the protocol of an index only: it asks for the same value whatever the case.
"""

from collections.abc import Iterator
from itertools import islice

from wordsight.base.arrays import Embeddings
from wordsight.index.index import Index
from wordsight.index.where import Among, Compare, Condition, columns_of

MOST = 20  # comparisons that are looked up


def case_hints(index: Index, condition: Condition, embedding: Embeddings) -> list[str]:
    """Return a sentence for each text of a condition that no entry has, and some entry has in another case."""
    hints = []
    for column, value in islice(_equalities(condition), MOST):
        same = Compare(column, "=", value, 1)
        alike = Compare(column, "like", value, 1)
        if index.search(embedding, 1, same)[0]:
            continue
        for neighbour in index.search(embedding, 1, alike)[0]:
            there = str(neighbour.meta[column])
            if there.casefold() == value.casefold():  # % and _ in a value stand for themselves
                hints.append(f"{column} has {there!r}, not {value!r}")
    return hints


def _equalities(condition: Condition) -> Iterator[tuple[str, str]]:
    """Yield the columns and texts that are compared with = or in."""
    for leaf in columns_of(condition):
        if isinstance(leaf, Among):
            yield from ((leaf.column, value) for value in leaf.values if isinstance(value, str))
        elif isinstance(leaf, Compare) and leaf.operator == "=" and isinstance(leaf.value, str):
            yield leaf.column, leaf.value
