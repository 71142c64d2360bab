"""Metadata columns as arrays, and a condition over all entries as one bool array, in milliseconds for a million.

    cache = ColumnsCache(folder)
    mask = cache.mask(parse("price < 50 and colour = 'red'"), rows)    # bool (N,), or None: ask the database

A column is read when a condition names it: from its file in `folder`, memory-mapped, or else from `rows`, and then
written there.  What has changed since its save is read from `rows` alone.  All files may be deleted.  Numbers are
float64; texts are sorted once, and an entry holds the rank of its text, so an order of texts is an order of whole
numbers.  The meaning is that of `where.matches`.  A column with a number that float64 does not hold (many whole numbers
beyond 2**53, NaN) gives no mask.
"""

import contextlib
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import RowIds
from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.files import sha256_bytes
from wordsight.base.value import Value
from wordsight.index.cache_file import CacheHeader, read_cache, write_cache
from wordsight.index.conditions import LATITUDE, LONGITUDE
from wordsight.index.distance import near_mask
from wordsight.index.halves import Mask
from wordsight.index.like import has_line, is_like
from wordsight.index.ranges import spelled_out
from wordsight.index.rows import EntryRows, SavedState
from wordsight.index.sorted_texts import ENCODED, SortedTexts
from wordsight.index.where import Among, Between, Both, Condition, Either, Literal, Missing, Near, Not, names_of

KIND, VERSION = "column", 2
STALE_LEAST, STALE_SHARE = 1000, 0.01  # of the entries: where more have changed, a file is written again
_MUCH = 0.1  # of the entries: to read so many one by one takes as long as to read all
_WHOLE = 2.0**53  # from here on float64 leaves whole numbers out
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_Number = TypeVar("_Number", np.float64, np.int32)


@dataclass(frozen=True, slots=True)
class CachedColumn:
    """One column: `numbers` float64 (N,), NaN where there is none, and `ranks` int32 (N,) in `texts`, -1 likewise.

    `exact` says whether all values are held as they are; where they are not, there are no arrays.
    """

    numbers: NDArray[np.float64]  # (N,), or (0,) where the column holds no numbers
    ranks: NDArray[np.int32]  # (N,), or (0,) where the column holds no texts
    texts: SortedTexts
    exact: bool

    def updated(self, changed: RowIds, rows: RowIds, values: Sequence[Value], count: int) -> "CachedColumn":
        """Return the column of `count` entries whose `changed` ones have these values at these rows, others none."""
        fresh = column_of(rows, values, count)
        if not (self.exact and fresh.exact):
            return _INEXACT
        texts, own, others = self.texts.merged(fresh.texts)
        return CachedColumn(
            _replaced(self.numbers, fresh.numbers, changed, count, np.nan),
            _replaced(_mapped(self.ranks, own), _mapped(fresh.ranks, others), changed, count, -1),
            texts,
            exact=True,
        )


_INEXACT = CachedColumn(np.empty(0), np.empty(0, np.int32), SortedTexts.of([]), exact=False)


@dataclass(frozen=True, slots=True)
class _HeldColumn:
    """A column of one save; `changed` is how many entries have changed since its file was written."""

    state: SavedState
    column: CachedColumn
    changed: int = 0


class ColumnsCache:
    """The columns of the entries of an index, as far as conditions have named them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, _HeldColumn] = {}

    def mask(self, condition: Condition, rows: EntryRows) -> Mask | None:
        """Return which rows of a saved state satisfy a condition, or None where a column does not fit into arrays."""
        columns = {}
        for name in names_of(condition):
            held = self._held.get(name) or self._read(name, rows)
            self._held[name] = held = (held and self._updated(name, held, rows)) or self._made(name, rows)
            if not held.column.exact:
                return None
            columns[name] = held.column
        return _mask(condition, columns, rows.count)

    def _read(self, name: str, rows: EntryRows) -> _HeldColumn | None:
        try:
            return _HeldColumn(*read_column(column_path(self._folder, name), name, key=rows.state.key))
        except (NotFound, FormatError):  # not made yet, of something else, or damaged: it is made from what is true
            return None

    def _updated(self, name: str, held: _HeldColumn, rows: EntryRows) -> _HeldColumn | None:
        """Return a column with what has changed since; None where that is not known, or it is as well made again."""
        if held.state == rows.state:
            return held
        changed = rows.changed(held.state)
        if changed is None or len(changed) > max(STALE_LEAST, _MUCH * rows.count):
            return None
        if len(held.column.texts) > max(STALE_LEAST, 2 * rows.count):  # those of entries that have changed since stay
            return None
        column = held.column
        if len(changed):
            column = column.updated(changed, *rows.values(name, changed), rows.count)
        held = _HeldColumn(rows.state, column, held.changed + len(changed))
        return self._written(name, held) if held.changed > max(STALE_LEAST, STALE_SHARE * rows.count) else held

    def _made(self, name: str, rows: EntryRows) -> _HeldColumn:
        return self._written(name, _HeldColumn(rows.state, column_of(*rows.values(name), rows.count)))

    def _written(self, name: str, held: _HeldColumn) -> _HeldColumn:
        with contextlib.suppress(StorageError):  # where nothing may be written it is made again by the next process
            write_column(column_path(self._folder, name), held.column, name, held.state)
        return _HeldColumn(held.state, held.column)


def column_path(folder: Path, name: str) -> Path:
    """Return where a column lies; its name may be anything."""
    return folder / f"column-{sha256_bytes(name.encode('utf-8', ENCODED))[:16]}.cache"


def column_of(rows: RowIds, values: Sequence[Value], count: int) -> CachedColumn:
    """Return the column of N = `count` entries that has these values at these rows, and none at others."""
    if len(kinds := set(map(type, values))) > 1 and str in kinds:
        is_text = np.fromiter((isinstance(value, str) for value in values), bool, len(values))
    else:
        is_text = np.full(len(values), str in kinds)
    written = cast("list[str]", list(compress(values, is_text)) if str in kinds else [])
    counted = list(compress(values, ~is_text)) if kinds - {str} else []
    numbers = _exact_numbers(counted)
    if numbers is None:
        return _INEXACT
    texts = sorted(set(written))
    rank_of = dict(zip(texts, range(len(texts)), strict=True))
    ranks = np.fromiter(map(rank_of.__getitem__, written), np.int32, len(written))
    return CachedColumn(
        _spread(numbers, rows[~is_text], count, np.nan),
        _spread(ranks, rows[is_text], count, -1),
        SortedTexts.of(texts),
        exact=True,
    )


def _exact_numbers(values: Sequence[Value]) -> NDArray[np.float64] | None:
    """Return numbers as float64, or None where that does not hold one of them."""
    try:
        numbers = np.array(values, np.float64)
    except OverflowError:
        return None
    beyond = np.flatnonzero(~(np.abs(numbers) < _WHOLE)).tolist()
    return None if any(numbers[i].item() != values[i] for i in beyond) else numbers


def _spread(values: NDArray[_Number], rows: RowIds, count: int, none: float) -> NDArray[_Number]:
    if not len(values):
        return values
    spread = np.full(count, none, values.dtype)
    spread[rows] = values
    return spread


def _replaced(
    old: NDArray[_Number], new: NDArray[_Number], changed: RowIds, count: int, none: float
) -> NDArray[_Number]:
    """Return `count` values: those of `new` where they have changed, else those of `old`; either may hold none (0,)."""
    if not len(old) and not len(new):
        return old
    replaced = np.full(count, none, old.dtype)
    replaced[: len(old)] = old
    replaced[changed] = new[changed] if len(new) else none
    return replaced


def _mapped(ranks: NDArray[np.int32], rank_of: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the ranks (N,) that these have become by `rank_of` (T,); -1 stays."""
    return np.append(rank_of, np.int32(-1))[ranks]


def write_column(path: Path, column: CachedColumn, name: str, state: SavedState) -> None:
    """Write the column `name` of a saved state, whole or not at all."""
    parts = {"numbers": column.numbers, "ranks": column.ranks, **column.texts.parts()} if column.exact else {}
    header = CacheHeader(_kind(name, state.key), VERSION, state.version, rows=state.count, width=state.mark)
    write_cache(path, header, parts)


def read_column(path: Path, name: str, *, key: str) -> tuple[SavedState, CachedColumn]:
    """Return a column, memory-mapped, and of which save it is; raises `NotFound` or `FormatError` where it is none."""
    header, parts = read_cache(path)
    if header.kind != _kind(name, key) or header.version != VERSION:
        raise FormatError(f"{path} is not of the column {name!r} of this library", cure=f"delete {path}")
    column = _INEXACT
    if parts:
        column = CachedColumn(parts["numbers"], parts["ranks"], SortedTexts(parts["data"], parts["ends"]), exact=True)
    return SavedState(key, header.generation, mark=header.width, count=header.rows), column


def _kind(name: str, key: str) -> str:
    """Return what the header of a file calls a column: a copy of another's file, or of another library's, is none."""
    return f"{KIND} {sha256_bytes(repr((key, name)).encode('utf-8', ENCODED))[:16]}"


def _mask(condition: Condition, columns: dict[str, CachedColumn], rows: int) -> Mask:
    if isinstance(condition, Not):
        return ~_mask(condition.part, columns, rows)
    if isinstance(condition, Both | Either):
        both = isinstance(condition, Both)
        whole = np.full(rows, both)
        for part in condition.parts:
            (np.logical_and if both else np.logical_or)(whole, _mask(part, columns, rows), out=whole)
        return whole
    if isinstance(condition, Between):
        return _mask(spelled_out(condition), columns, rows)
    if isinstance(condition, Near):
        latitudes, longitudes = columns[LATITUDE].numbers, columns[LONGITUDE].numbers
        there = len(latitudes) and len(longitudes)
        return near_mask(latitudes, longitudes, condition) if there else np.zeros(rows, bool)
    column = columns[condition.column]
    if isinstance(condition, Missing):
        return ~(_on_numbers(column, rows, lambda numbers: ~np.isnan(numbers)) | _on_ranks(column, rows, 0, None))
    if isinstance(condition, Among):
        whole = np.zeros(rows, bool)
        for value in condition.values:
            whole |= _compared(column, "=", value, rows)
        return whole
    return _compared(column, condition.operator, condition.value, rows)


def _on_numbers(column: CachedColumn, rows: int, compare: Callable[[NDArray[np.float64]], Mask]) -> Mask:
    return compare(column.numbers) if len(column.numbers) else np.zeros(rows, bool)


def _on_ranks(column: CachedColumn, rows: int, first: int, last: int | None) -> Mask:
    """Return which rows have a text of rank `first` up to but without `last` (None: no limit)."""
    if not len(column.ranks):
        return np.zeros(rows, bool)
    inside: Mask = column.ranks >= first
    return inside if last is None else inside & (column.ranks < last)


def _compared(column: CachedColumn, sign: str, wanted: Literal, rows: int) -> Mask:
    if isinstance(wanted, str):
        others = _on_numbers(column, rows, lambda numbers: ~np.isnan(numbers)) if sign == "!=" else np.zeros(rows, bool)
        return others | _texts(column, sign, wanted, rows)
    others = _on_ranks(column, rows, 0, None) if sign == "!=" else np.zeros(rows, bool)
    return others | _on_numbers(column, rows, lambda numbers: _numbers(numbers, sign, wanted))


def _texts(column: CachedColumn, sign: str, wanted: str, rows: int) -> Mask:
    texts = column.texts
    if sign in ("contains", "like", "has"):
        fit = is_like if sign == "like" else has_line
        fits = texts.holding(wanted) if sign == "contains" else np.array([fit(text, wanted) for text in texts], bool)
        return np.append(fits, False)[column.ranks] if len(column.ranks) else np.zeros(rows, bool)  # -1 finds the last
    below, above = bisect_left(texts, wanted), bisect_right(texts, wanted)
    if sign == "!=":
        return _on_ranks(column, rows, 0, below) | _on_ranks(column, rows, above, None)
    limits = {"=": (below, above), "<": (0, below), "<=": (0, above), ">": (above, None), ">=": (below, None)}
    return _on_ranks(column, rows, *limits[sign])


def _numbers(numbers: NDArray[np.float64], sign: str, wanted: int | float) -> Mask:
    near = _float(wanted)
    if sign == "=":
        return numbers == near if near == wanted else np.zeros(len(numbers), bool)
    if sign == "!=":
        return ~np.isnan(numbers) & ((numbers != near) if near == wanted else True)
    if near != wanted and near == near:  # no float64 lies between the two: what is not above is below
        sign = {"<": "<", ">": ">="}[sign[0]] if near > wanted else {"<": "<=", ">": ">"}[sign[0]]
    mask: Mask = _ORDERS[sign](numbers, near)
    return mask


def _float(value: float) -> float:
    """Return the float64 next to a number; infinity for whole numbers beyond all."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
