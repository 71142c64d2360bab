"""Which values the matches of a query have, and how many have each: what a search can be narrowed or widened to.

    counts = count_values(matching, where, columns)        # column -> how many matches have each value
    facets(counts)["colour"][0]                            # FacetValue("red", 12, "colour = 'red'")

A column that the condition restricts is counted without that restriction, so that other values can be chosen; all
others are counted with the whole condition.  Numbers of many values come in ranges, dates by decade, year, month or
day, and of tags each for itself.  A value that no match has is not there.  Knows conditions and metadata, and no index.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from wordsight.base.value import Value
from wordsight.index.where import (
    Among,
    Both,
    Compare,
    Condition,
    Either,
    Leaf,
    Missing,
    Not,
    WhereError,
    names_of,
    parse,
)
from wordsight.search.ordering import has_value

if TYPE_CHECKING:
    from wordsight.search.limits import HitLimits
    from wordsight.search.query import Part

Number = int | float
Counts = dict[str, Counter[str | int | float]]  # column -> value -> how many matches have it

FEW = 24  # values of a column that are listed unless the column is named; 12 months twice, or the letters
RANGES = 5  # of numbers
AS_THEY_ARE = 12  # so many numbers are values, more are ranges
MEASURED, FEW_MEASURES = {"width", "height", "size", "duration"}, 4  # columns in which single numbers say less
TAGGED = {"tags", "hand_tags", "keywords", "moderation", "rule_tags"}  # columns of one tag a line
LISTED = 50  # values of a named column, at most
UNASKED = {"latitude", "longitude", "taken_utc"}  # columns that narrow by distance, or say again what another says
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value, or range of values, of a column; `where` is the condition for it, `chosen` if it is in force."""

    label: str
    count: int
    where: str


def count_values(
    matches: Callable[[Condition | None], Iterable[Mapping[str, Value]]],
    where: Condition | None,
    columns: Sequence[str],
) -> Counts:
    """Return how many matches have each value of these columns.

    `matches` gives the metadata of the matches under a condition; it is asked once for the condition, and once for each
    column that the condition restricts.
    """
    restricted = set(names_of(where)) if where is not None else set()
    under_all = list(matches(where))
    counts: Counts = {}
    for column in columns:
        metas: Iterable[Mapping[str, Value]] = under_all
        if where is not None and column in restricted:
            metas = matches(unrestricted(where, column))
        counts[column] = Counter(value for meta in metas if has_value(value := meta.get(column)))
    return counts


def is_cut(limits: "HitLimits", parts: Iterable["Part"]) -> bool:
    """Return whether some images are no results; a query of images alone has no line, so all are, in order."""
    is_limited = limits.min_match is not None or limits.min_cosine is not None or bool(limits.absent)
    return is_limited or any(part.text for part in parts)


def unrestricted(where: Condition, column: str) -> Condition | None:
    """Return a condition without those of its parts that speak of this column alone; None when nothing is left."""
    kept = [part for part in _parts(where) if names_of(part) != [column]]
    if not kept:
        return None
    return kept[0] if len(kept) == 1 else Both(tuple(kept))


def _parts(where: Condition) -> list[Condition]:
    """Return conditions that all have to hold, as many and as small as they can be."""
    if isinstance(where, Both):
        return [small for part in where.parts for small in _parts(part)]
    if isinstance(where, Not) and isinstance(where.part, Not):
        return _parts(where.part.part)
    if isinstance(where, Not) and isinstance(where.part, Either):
        return [small for part in where.part.parts for small in _parts(Not(part))]
    return [where]


def facets(counts: Counts, *, named: bool = False) -> dict[str, list[FacetValue]]:
    """Return what the matches can be narrowed to, a column at a time.

    Unless the columns were `named`, those are left out that cannot narrow: of one value, or of too many.
    """
    narrowing = {}
    for column, counter in counts.items():
        values = _of_column(column, counter)
        if named:
            narrowing[column] = values[:LISTED]
        elif column in TAGGED and values:
            narrowing[column] = values[:FEW]
        elif (
            column not in UNASKED and 1 < len(values) <= FEW and sum(value.count for value in values) >= 2 * len(values)
        ):
            narrowing[column] = values
    return narrowing


def _of_column(column: str, counter: Counter[str | int | float]) -> list[FacetValue]:
    """Return the values of a column: dates and ranges in their order, others by how many have them."""
    if any("-" in str(value) for value in counter) and all(_DATE.fullmatch(str(value)) for value in counter):
        return _dates(column, counter)
    if column in TAGGED or any("\n" in str(value) for value in counter):
        return _lines(column, counter)
    numbers = {value: count for value, count in counter.items() if _is_number(value)}
    if len(numbers) == len(counter) > (FEW_MEASURES if column in MEASURED else AS_THEY_ARE):
        return _ranges(column, numbers)
    name = quoted_column(column)
    ranked = sorted(counter.items(), key=lambda pair: (-pair[1], isinstance(pair[0], str), pair[0]))
    return [FacetValue(_label(value), count, f"{name} = {_literal(value)}") for value, count in ranked]


def _is_number(value: str | int | float) -> TypeGuard[Number]:
    return not isinstance(value, str)


def _lines(column: str, counter: Counter[str | int | float]) -> list[FacetValue]:
    """Return each line of texts of several, the most frequent first."""
    lines: Counter[str] = Counter()
    for value, count in counter.items():
        lines.update(dict.fromkeys((line for line in str(value).split("\n") if line), count))
    name = quoted_column(column)
    ranked = sorted(lines.items(), key=lambda pair: (-pair[1], pair[0]))
    return [FacetValue(line, count, f"{name} has {_literal(line)}") for line, count in ranked]


def _dates(column: str, counter: Counter[str | int | float]) -> list[FacetValue]:
    """Return dates by the year, the newest first; by decade where years are many, by month or day where one has all."""
    dates = {str(value): count for value, count in counter.items()}
    years = {date[:4] for date in dates}
    if len(years) > FEW:
        letters = 3
    else:
        shortest = min(map(len, dates))
        apart = [part for part in (4, 7, 10) if part <= shortest and len({date[:part] for date in dates}) > 1]
        letters = apart[0] if apart else 4
    parts: Counter[str] = Counter()
    for date, count in dates.items():
        parts[date[:letters]] += count
    name = quoted_column(column)
    return [FacetValue(*_dated(name, part, count)) for part, count in sorted(parts.items(), reverse=True)]


def _dated(name: str, part: str, count: int) -> tuple[str, int, str]:
    """Return label, count and condition of a decade, year, month or day: "201", "2014", "2014-05", "2014-05-01"."""
    if len(part) > 4:
        return part, count, f"{name} in {part}"
    first, years = int(part.ljust(4, "0")), 10 ** (4 - len(part))
    label = f"{first:04}s" if years > 1 else part
    return label, count, f"{name} >= '{first:04}' and {name} < '{first + years:04}'"


def _ranges(column: str, numbers: Mapping[Number, int]) -> list[FacetValue]:
    """Return about five ranges of about as many matches each, between round numbers."""
    values = np.array(list(numbers), np.float64)
    times = np.array(list(numbers.values()))
    edges = _round_edges(np.repeat(values, times)) or np.unique(values)[1:2].tolist()  # most are the least one
    name = quoted_column(column)
    ranges = []
    for low, high in zip([None, *edges], [*edges, None], strict=True):
        inside = ((values >= low) if low is not None else True) & ((values < high) if high is not None else True)
        count = int(times[inside].sum())
        if not count:
            continue
        at_least = [] if low is None else [f"{name} >= {low:.15g}"]
        below = [] if high is None else [f"{name} < {high:.15g}"]
        ranges.append(FacetValue(_range_label(low, high), count, " and ".join(at_least + below)))
    return ranges


def _round_edges(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:
    """Return the numbers between the ranges, as round as the values' spread allows."""
    low, *inner, high = np.quantile(values, np.linspace(0, 1, RANGES + 1)).tolist()
    spread = max(np.diff([low, *inner, high]).max(), 1e-12)
    digits = 1 - int(np.floor(np.log10(spread)))
    edges = sorted({round(edge, digits) for edge in inner})
    return [edge for edge in edges if low < edge <= high]


def _range_label(low: float | None, high: float | None) -> str:
    if low is None:
        return f"below {high:,.15g}"
    return f"{low:,.15g} and more" if high is None else f"{low:,.15g} to {high:,.15g}"


def _label(value: str | int | float) -> str:
    return value if isinstance(value, str) else f"{value:.15g}" if isinstance(value, float) else str(value)


def quoted_column(name: str) -> str:
    """Return a column as a condition names it."""
    for written in (name, f"[{name}]"):
        with contextlib.suppress(WhereError):
            condition = parse(f"{written} is null")
            if isinstance(condition, Missing) and condition.column == name:
                return written
    return f"`{name}`"


def _literal(value: str | int | float) -> str:
    return repr(value) if not isinstance(value, str) else "'" + value.replace("'", "''") + "'"


def in_force(where: Condition | None, value: FacetValue) -> bool:
    """Return whether the condition of a value is one that `where` states, alone or as one of several values."""
    if where is None:
        return False
    stated = _parts(where)
    return all(any(_allows(one, part) for one in stated) for part in _parts(parse(value.where)))


def _allows(stated: Condition, part: Condition) -> bool:
    """Return whether a stated condition is `part`, or lets it be chosen among others."""
    if isinstance(stated, Either):
        return any(_allows(one, part) for one in stated.parts)
    if isinstance(stated, Among) and isinstance(part, Compare):
        return part.operator == "=" and part.column == stated.column and part.value in stated.values
    return _plain(stated) == _plain(part)


def _plain(condition: Condition) -> Condition:
    """Return a condition without where in the text it stands."""
    return replace(condition, position=0) if isinstance(condition, Leaf) else condition


def merged(counts: Iterable[Counts]) -> Counts:
    """Return the counts of several libraries together."""
    together: Counts = {}
    for one in counts:
        for column, counter in one.items():
            together[column] = together.get(column, Counter()) + counter
    return together
