"""Ranges of values in conditions: what `between` and `in 2025-06` mean in comparisons.

    spelled_out(Between("taken", "2025-06", "2025-07", 1))     # taken >= '2025-06' and taken < '2025-08'

A text is in a range where it does not stand before the first and not behind all that begin like the last: so the last
day, month or year is in it as a whole.  The order is that of code points, in which ISO dates follow each other.
"""

import re

from wordsight.index.conditions import Between, Both, Compare, Condition, Either, Literal

_PERIOD = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?)?)?", re.ASCII)
_LAST_LETTER = "\U0010ffff"


def is_period(text: str) -> bool:
    """Say whether a text is a year, month, day, hour, minute or second in ISO 8601."""
    return _PERIOD.fullmatch(text) is not None


def is_in_order(first: Literal, last: Literal) -> bool:
    """Say whether anything may lie between two values, both numbers or both texts."""
    if isinstance(first, str) and isinstance(last, str):
        return first[: len(last)] <= last
    return not (isinstance(first, str) or isinstance(last, str)) and first <= last


def spelled_out(leaf: Between) -> Condition:
    """Return the same condition in comparisons."""
    forms: list[Condition] = []
    if not isinstance(leaf.first, str):
        below = Compare(leaf.column, "<=", leaf.last, leaf.position)
        forms.append(Both((Compare(leaf.column, ">=", leaf.first, leaf.position), below)))
    first, last = str(leaf.first), str(leaf.last)
    if isinstance(leaf.first, str) or (is_period(first) and is_period(last)):
        lowest = Compare(leaf.column, ">=", first, leaf.position)
        behind = _behind(last)
        forms.append(Both((lowest, Compare(leaf.column, "<", behind, leaf.position))) if behind else lowest)
    return forms[0] if len(forms) == 1 else Either(tuple(forms))


def _behind(text: str) -> str:
    """Return the least text behind all that begin with `text`; "" where there is none."""
    text = text.rstrip(_LAST_LETTER)
    return text[:-1] + chr(ord(text[-1]) + 1) if text else ""
