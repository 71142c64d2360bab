"""Conditions on columns of dates: text that is no date is an error, for dates are text and would be compared with it.

    refuse_no_dates(index, condition, embedding)      # raises WhereError for mtime > yesterday, mtime = 2025-06

Dates are ISO 8601, `2025-06-30` or with a time, and their order is that of the text; a beginning as `2025-06` stands
before all that begin so.  Whether a column holds dates is looked up.  Knows the protocol of an index only.
"""

import re
from collections.abc import Iterator

from wordsight.base.arrays import Embeddings
from wordsight.index.index import Index
from wordsight.index.where import (
    Among,
    Between,
    Compare,
    Condition,
    Leaf,
    Literal,
    Missing,
    Near,
    Not,
    WhereError,
    columns_of,
)

SAMPLE = 20  # values of a column that tell whether they are dates
_DATE = re.compile(
    r"\d{4}(-(?P<month>0[1-9]|1[0-2])(-(?P<day>0[1-9]|[12]\d|3[01])"
    r"([T ]([01]\d|2[0-4])(:[0-5]\d(:([0-5]\d|60)([.,]\d+)?)?)?(Z|[+-]\d\d:?\d\d)?)?)?)?"
)
_MEANT = re.compile(  # as a date, though it is none: where text is compared with =, nothing else can be
    r"(to|yester)day|tomorrow|now|(last|this|next) .*|\d+ \w+ ago|\d{1,4}[-./]\d{1,2}([-./]\d{1,4})?.*", re.IGNORECASE
)
_NEVER = {"path", "name", "folder"}  # columns of every folder that hold no dates
_ORDER = ("<", "<=", ">", ">=")


def refuse_no_dates(index: Index, condition: Condition, embedding: Embeddings) -> None:
    """Raise `WhereError` where a column of dates is compared with what cannot be one of them.

    `embedding` (1, D) is any; it is asked only where a value gives reason to.
    """
    known = {name for name, column in index.columns().items() if column.texts}
    for leaf in columns_of(condition):
        if isinstance(leaf, Near) or leaf.column not in known or leaf.column in _NEVER:
            continue
        for value in _odd_values(leaf):
            dates = _dates(index, leaf.column, embedding)
            if not dates or index.search(embedding, 1, Compare(leaf.column, "=", value, 1))[0]:
                continue
            day = dates[0][:10]
            if not _is_date(value):
                cure = f"write dates as in {leaf.column} > {day} or {leaf.column} < '{day[:7]}'"
                raise WhereError(f"{value!r} is no date", cure=cure, position=leaf.position)
            if all(len(date) > len(value) for date in dates):
                cure = f"for all that begin so write {leaf.column} in {value}"
                raise WhereError(f"{value!r} is only the beginning of a date", cure=cure, position=leaf.position)


def _odd_values(leaf: Leaf) -> Iterator[str]:
    """Yield the values of a comparison for which it has to be known whether the column holds dates."""
    for value in _values(leaf):
        if not isinstance(value, str):
            continue
        if isinstance(leaf, Between) or (isinstance(leaf, Compare) and leaf.operator in _ORDER):
            odd = not _is_date(value)
        else:
            odd = not (isinstance(leaf, Compare) and leaf.operator in ("contains", "like", "has")) and bool(
                _is_date(value) or _MEANT.fullmatch(value)
            )
        if odd:
            yield value


def _values(leaf: Leaf) -> tuple[Literal, ...]:
    if isinstance(leaf, Between):
        return leaf.first, leaf.last
    if isinstance(leaf, Among):
        return leaf.values
    return (leaf.value,) if isinstance(leaf, Compare) else ()


def _is_date(text: str) -> bool:
    """Say whether a text is a date, with or without a time, or the beginning of one; February 30 is none."""
    match = _DATE.fullmatch(text)
    if match is None or match["day"] is None:
        return match is not None
    import calendar  # here, for few conditions have dates

    return int(match["day"]) <= calendar.monthrange(int(text[:4]), int(match["month"]))[1]


def _dates(index: Index, column: str, embedding: Embeddings) -> list[str]:
    """Return some values of a column of dates; none where it holds anything else."""
    if index.search(embedding, 1, Compare(column, ">=", ":", 1))[0]:  # which stands behind the digits
        return []
    some = index.search(embedding, SAMPLE, Not(Missing(column, 1)))[0]
    values = [str(one.meta[column]) for one in some]
    return values if all("-" in value and _is_date(value) for value in values) else []
