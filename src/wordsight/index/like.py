"""What `contains`, `like` and `has` mean in conditions.  Knows nothing else of them."""

import re
from functools import lru_cache


def holds_text(text: str, part: str) -> bool:
    """Return whether `part` is in `text`, whatever the case."""
    return part.casefold() in text.casefold()


def has_line(text: str, line: str) -> bool:
    """Return whether one of the lines of `text` is `line`, letter by letter."""
    return line in text.split("\n")


def is_like(text: str, pattern: str) -> bool:
    """Return whether all of `text` fits a pattern: `%` is any text, `_` one letter, whatever the case.

    The time is that of the text's length times the pattern's: no part is tried again once it has fitted.
    """
    return _pattern(pattern).fullmatch(text.casefold()) is not None


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = pattern.casefold().split("%")
    first, *rest = ("".join("." if sign == "_" else re.escape(sign) for sign in part) for part in parts)
    if rest:
        *between, last = rest
        # What stands between two % is taken where it comes first, which is as good as anywhere later.
        first += "".join(f"(?>.*?{part})" for part in between if part) + f".*{last}"
    return re.compile(first, re.DOTALL)
