"""Metadata values and keys as SQLite keeps them: text that is no valid Unicode (odd file names) as bytes."""

import os
import zlib

from wordsight.base.value import Value

Stored = str | int | float | bytes | None
_PLAIN = {str, int, bytes, type(None)}  # what SQLite gives back as it was given


def stored(value: Value) -> Stored:
    """Return a value for SQLite."""
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return os.fsencode(value)
    return value


def restored(value: Stored) -> Value:
    """Return what `stored` was given (booleans come back as 0 and 1)."""
    return os.fsdecode(value) if isinstance(value, bytes) else value


def order_of(key: str) -> tuple[bool, bytes]:
    """Return what keys are ordered by, as SQLite orders what `stored` makes of them: text first, by its bytes."""
    kept = stored(key)
    return (True, kept) if isinstance(kept, bytes) else (False, key.encode())


def checksum_of(*values: Stored) -> int:
    """Return a checksum (32 bits) of values as SQLite gives them back."""
    plain = values if _PLAIN.issuperset(map(type, values)) else map(_plain, values)
    return zlib.crc32(repr([*plain]).encode())


def _plain(value: Stored) -> Stored:
    if isinstance(value, str | bytes) or value is None:
        return value
    if isinstance(value, int):  # booleans too
        return int(value)
    return float(value) + 0.0  # SQLite knows no -0.0
