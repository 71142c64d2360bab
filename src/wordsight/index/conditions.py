"""Conditions on metadata as values: comparisons, what joins them, and the error for those that are wrong.

    Both((Compare("price", "<", 50, 1), Near(52.52, 13.4, 5000.0, 20)))

`where` reads them, `meaning` checks them and says what they mean; `sql` and `columns_cache` say the same of a store.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wordsight.base.errors import UsageError

Literal = str | int | float
LATITUDE, LONGITUDE = "latitude", "longitude"  # the columns that hold where an image was made, in degrees


class WhereError(UsageError):
    """A condition that cannot be understood; `position` counts characters from 1."""

    def __init__(self, problem: str, *, cure: str = "", position: int) -> None:
        super().__init__(f"where: {problem} at character {position}", cure=cure)
        self.position = position


@dataclass(frozen=True, slots=True)
class Compare:
    """A column against one value; `operator` is = != < <= > >= contains, like or has."""

    column: str
    operator: str
    value: Literal
    position: int


@dataclass(frozen=True, slots=True)
class Among:
    """A column against several values."""

    column: str
    values: tuple[Literal, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Missing:
    """The column has no value."""

    column: str
    position: int


@dataclass(frozen=True, slots=True)
class Between:
    """A column from one value to another, with both; of text, with all that begins like the last.

    Both are numbers, or both texts.  Numbers of four digits are years, too, which texts of dates begin with.
    """

    column: str
    first: Literal
    last: Literal
    position: int


@dataclass(frozen=True, slots=True)
class Near:
    """No more than so many metres away from a point: degrees north, from -90 to 90, and east, from -180 to 180."""

    latitude: float
    longitude: float
    metres: float
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Both:
    """All parts hold."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Condition", ...]


Leaf = Compare | Among | Missing | Between | Near
Condition = Leaf | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Column:
    """A metadata column: its name and which kinds of values it has held."""

    name: str
    numbers: bool
    texts: bool


def columns_of(condition: Condition) -> Iterator[Leaf]:
    """Yield the leaves of a condition from left to right."""
    if isinstance(condition, Not):
        yield from columns_of(condition.part)
    elif isinstance(condition, Both | Either):
        for part in condition.parts:
            yield from columns_of(part)
    else:
        yield condition


def names_of(condition: Condition) -> list[str]:
    """Return the names of the columns that a condition is about, each once, from left to right."""
    return list(dict.fromkeys(name for leaf in columns_of(condition) for name in leaf_names(leaf)))


def leaf_names(leaf: Leaf) -> tuple[str, ...]:
    """Return the names of the columns that a leaf is about."""
    return (LATITUDE, LONGITUDE) if isinstance(leaf, Near) else (leaf.column,)
