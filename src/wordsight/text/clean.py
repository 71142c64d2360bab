"""Cleaning and splitting text as CLIP does, before any byte pair is looked at.

    words("A red &amp; white  DOG's")   # ["a", "red", "&", "white", "dog", "'s"]

Broken encodings mended (ftfy), HTML entities resolved twice, white space collapsed, lower case; then letters in
one piece, digits one by one, other signs together.  Plain ASCII text without `&` and control characters cannot
be changed by ftfy or HTML, so it takes a way that imports neither ftfy nor regex.
"""

import re
from functools import cache
from typing import Any

START_WORD = "<start_of_text>"
END_WORD = "<end_of_text>"

_CONTRACTIONS = f"{START_WORD}|{END_WORD}|'s|'t|'re|'ve|'m|'ll|'d"
_PLAIN = re.compile(r"[ -%'-~\t\n\r]*")
_PLAIN_WORD = re.compile(_CONTRACTIONS + r"|[a-z]+|[0-9]|[^\sa-z0-9]+")


def is_plain(text: str) -> bool:
    """Say whether cleaning can only lower the case and collapse white space: ASCII, no `&`, no control characters."""
    return _PLAIN.fullmatch(text) is not None


def clean(text: str) -> str:
    """Return the text mended, with entities resolved, white space collapsed, in lower case."""
    if not is_plain(text):
        import html

        import ftfy

        text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return " ".join(text.split()).lower()


def words(text: str) -> list[str]:
    """Return the cleaned text cut into the pieces within which bytes are paired."""
    if is_plain(text):
        return _PLAIN_WORD.findall(text.lower())
    return _any_word().findall(clean(text))  # type: ignore[no-any-return]


@cache
def _any_word() -> Any:
    import regex

    return regex.compile(_CONTRACTIONS + r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
