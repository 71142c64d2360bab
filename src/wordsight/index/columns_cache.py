"""Metadata columns as arrays, and a condition over all entries as one bool array, in milliseconds for a million.

    cache = ColumnsCache(folder, version=7, rows=1_000_000, values=values)   # values(name) yields (row, value)
    mask = cache.mask(parse("price < 50 and colour = 'red'"))               # bool (rows,), or None: ask the database

A column is read when a condition names it: from its file in `folder`, memory-mapped, or else from `values`, and then
written there.  Files of another `version` are made again; all may be deleted.  Numbers are float64; texts are sorted
once, and an entry holds the rank of its text, so an order of texts is an order of whole numbers.  The meaning is that
of `where.matches`.  A column with a number that float64 does not hold (many whole numbers beyond 2**53, NaN) gives no
mask.
"""

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import sha256_bytes
from wordsight.base.nouns import Value
from wordsight.index.cache_file import CacheHeader, read_cache, write_cache
from wordsight.index.halves import Mask
from wordsight.index.like import holds_text, is_like
from wordsight.index.where import Among, Both, Condition, Either, Literal, Missing, Not, columns_of

KIND, VERSION = "column", 1
_ENCODED = "surrogatepass"  # half surrogates, as odd file names give, have their place in the order of code points
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_PATTERNS = {"contains": holds_text, "like": is_like}


class SortedTexts(Sequence[str]):
    """Different texts in the order of their code points, each decoded when it is looked at."""

    def __init__(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._data = data
        self._ends = ends

    @classmethod
    def of(cls, texts: Sequence[str]) -> "SortedTexts":
        """Return these texts, which are sorted."""
        encoded = [text.encode("utf-8", _ENCODED) for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index >= len(self):
            raise IndexError(index)
        start = self._ends[index - 1] if index else 0
        return self._data[start : self._ends[index]].tobytes().decode("utf-8", _ENCODED)

    def parts(self) -> dict[str, NDArray[np.uint8] | NDArray[np.int64]]:
        """Return the arrays that a file has to keep."""
        return {"data": self._data, "ends": self._ends}


@dataclass(frozen=True, slots=True)
class CachedColumn:
    """One column: `numbers` float64 (N,), NaN where there is none, and `ranks` int32 (N,) in `texts`, -1 likewise.

    `exact` says whether all values are held as they are; where they are not, there are no arrays.
    """

    numbers: NDArray[np.float64]  # (N,), or (0,) where the column holds no numbers
    ranks: NDArray[np.int32]  # (N,), or (0,) where the column holds no texts
    texts: SortedTexts
    exact: bool


class ColumnsCache:
    """The columns of one version of the entries of an index."""

    def __init__(
        self, folder: Path, *, version: int, rows: int, values: Callable[[str], Iterable[tuple[int, Value]]]
    ) -> None:
        self._folder = folder
        self._version = version
        self._rows = rows
        self._values = values
        self._columns: dict[str, CachedColumn] = {}

    def mask(self, condition: Condition, *, keep: bool = True) -> Mask | None:
        """Return which rows satisfy a condition, or None where a column does not fit into arrays.

        `keep` writes columns that had to be read from the database; without it nothing is written.
        """
        for leaf in columns_of(condition):
            if leaf.column not in self._columns:
                self._columns[leaf.column] = self._read(leaf.column, keep=keep)
            if not self._columns[leaf.column].exact:
                return None
        return _mask(condition, self._columns, self._rows)

    def _read(self, name: str, *, keep: bool) -> CachedColumn:
        path = column_path(self._folder, name)
        try:
            return read_column(path, version=self._version, rows=self._rows)
        except (NotFound, FormatError):  # not made yet, stale, or damaged: in each case it is made from what is true
            column = column_of(self._values(name), self._rows)
        if keep:
            write_column(path, column, version=self._version, rows=self._rows)
        return column


def column_path(folder: Path, name: str) -> Path:
    """Return where a column lies; its name may be anything."""
    return folder / f"column-{sha256_bytes(name.encode('utf-8', _ENCODED))[:16]}.cache"


def column_of(values: Iterable[tuple[int, Value]], rows: int) -> CachedColumn:
    """Return the column of N = `rows` that has these values at these rows, and none at others."""
    numbers, ranks = np.full(rows, np.nan), np.full(rows, -1, np.int32)
    known: dict[str, int] = {}
    counted = False
    for row, value in values:
        if isinstance(value, str):
            ranks[row] = known.setdefault(value, len(known))
        elif value is not None:
            number = _float(value)
            if number != value:
                return CachedColumn(np.empty(0), np.empty(0, np.int32), SortedTexts.of([]), exact=False)
            numbers[row] = number
            counted = True
    texts = sorted(known)
    order = np.empty(len(texts) + 1, np.int32)
    order[[known[text] for text in texts]] = np.arange(len(texts), dtype=np.int32)
    order[-1] = -1  # what -1 finds
    return CachedColumn(
        numbers if counted else np.empty(0),
        order[ranks] if texts else np.empty(0, np.int32),
        SortedTexts.of(texts),
        True,
    )


def write_column(path: Path, column: CachedColumn, *, version: int, rows: int) -> None:
    """Write a column, whole or not at all."""
    parts = {"numbers": column.numbers, "ranks": column.ranks, **column.texts.parts()}
    header = CacheHeader(KIND, VERSION, version, rows, int(column.exact))
    write_cache(path, header, parts)


def read_column(path: Path, *, version: int, rows: int) -> CachedColumn:
    """Return a column, memory-mapped; `NotFound` or `FormatError` where there is none of this version and number."""
    header, parts = read_cache(path)
    if header != CacheHeader(KIND, VERSION, version, rows, header.width):
        raise FormatError(f"{path} is of version {header.generation}, not {version}", cure=f"delete {path}")
    return CachedColumn(
        parts["numbers"], parts["ranks"], SortedTexts(parts["data"], parts["ends"]), exact=bool(header.width)
    )


def _mask(condition: Condition, columns: dict[str, CachedColumn], rows: int) -> Mask:
    if isinstance(condition, Not):
        return ~_mask(condition.part, columns, rows)
    if isinstance(condition, Both | Either):
        both = isinstance(condition, Both)
        whole = np.full(rows, both)
        for part in condition.parts:
            (np.logical_and if both else np.logical_or)(whole, _mask(part, columns, rows), out=whole)
        return whole
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
    if sign in _PATTERNS:
        fits = np.array([*(_PATTERNS[sign](text, wanted) for text in texts), False])  # the last is what -1 finds
        return fits[column.ranks] if len(column.ranks) else np.zeros(rows, bool)
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
