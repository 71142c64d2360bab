"""The images of a library where nothing is asked for but a condition and an order: by key, or by a column.

    unasked(library, 60, where="width > 500", sort="-taken")        # hits of themselves
    all_keys(index, where, sort)                                     # the keys of all of them, in this order
    count_all(library, None, where)                                  # what they can be narrowed to

Knows the library.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from wordsight.base.value import Value
from wordsight.index.index import pages_of
from wordsight.index.values import order_of
from wordsight.search.hits import Hit

if TYPE_CHECKING:
    from wordsight.index.index import Index
    from wordsight.index.where import Condition
    from wordsight.search.facets import Counts
    from wordsight.search.library import Library

ORDERS = {  # columns by which images may come, in words; the first of each line that the library has
    "-taken": "newest first",
    "taken": "oldest first",
    "-mtime": "newest file first",
    "mtime": "oldest file first",
    "name": "by name",
}
_AT_ONCE = 4096


def unasked(library: "Library", count: int, *, where: str, sort: str) -> list[Hit]:
    """Return the first images that satisfy a condition, as hits of themselves."""
    with library.reading() as index, index.one_look():
        keys = all_keys(index, condition_of(where), sort, count=count)
        return [library.hit_of(entry) for entry in index.entries(keys)]


def condition_of(where: str) -> "Condition | None":
    """Return a condition as it is understood; "" is none."""
    from wordsight.index.where import parse

    return parse(where) if where.strip() else None


def all_keys(index: "Index", where: "Condition | None", sort: str, *, count: int | None = None) -> list[str]:
    """Return the keys of the images under a condition in the order of a column, "" by key, up to `count`."""
    from wordsight.search.ordering import in_order, read_order

    if sort:
        order = read_order(sort, index.columns())
        named = [(key, {order.column: value}) for key, (value,) in _values(index, [order.column], where)]
        return [key for key, _ in in_order(named, order, lambda one: one[1])[:count]]
    keys: list[str] = []
    for some in _pages(index) if where is None else [[key for key, _ in _values(index, [], where)]]:
        keys += some
        if count is not None and len(keys) >= count:
            break
    return keys[:count]


def count_all(library: "Library", columns: Sequence[str] | None, where: str) -> "Counts":
    """Return how many images under a condition have each value of these columns, or of all; see `Library.facets`."""
    from wordsight.search.facets import count_values
    from wordsight.search.ordering import unknown_column

    with library.reading() as index, index.one_look():
        known = index.columns()
        for column in columns or ():
            if column not in known:
                raise unknown_column("facets", column, known)

        def metas(condition: "Condition | None") -> Iterator[Mapping[str, Value]]:
            return (dict(zip(wanted, values, strict=True)) for _, values in index.values(wanted, condition))

        wanted = list(known) if columns is None else list(columns)
        return count_values(metas, condition_of(where), wanted)


def _pages(index: "Index") -> Iterator[list[str]]:
    """Yield the keys of all images by key, some thousand at a time."""
    for states in pages_of(index.files, _AT_ONCE):
        yield [key for key, state in states.items() if not state.error and not state.absent]


def _values(index: "Index", columns: Sequence[str], where: "Condition | None") -> "list[tuple[str, Sequence[Value]]]":
    """Return key and values of columns of all images under a condition, by key."""
    return sorted(index.values(columns, where), key=lambda one: order_of(one[0]))
