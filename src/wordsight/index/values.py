"""Metadata values and keys as SQLite keeps them: text that is no valid Unicode (odd file names) as bytes."""

import os

from wordsight.base.nouns import Value

Stored = str | int | float | bytes | None


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
