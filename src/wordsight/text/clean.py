"""Cleaning text before it is cut, in each family's own way, and CLIP's way to cut it into pre-tokens.

    clean("A red &amp; white  DOG's", "canonical")   # "a red white dogs"
    pre_tokens("A red &amp; white  DOG's")                # ["a", "red", "&", "white", "dog", "'s"]

| cleaning | does |
|---|---|
| clip | broken encodings mended (ftfy), HTML entities resolved twice, white space collapsed, lower case |
| whitespace | the same with the case kept |
| canonical | the same with `_` as a space and ASCII punctuation dropped (open_clip's SigLIP) |
| siglip | lower case, ASCII punctuation (with `_`) dropped, white space collapsed (transformers' SigLIP) |
| nfc | Unicode's composed form, white space as spaces, lower case letter by letter (transformers' CLIP) |
| lower, lower-ascii | lower case letter by letter (transformers' SigLIP 2); that of ASCII only (big_vision) |
| none | nothing |

Plain ASCII text without `&` and control characters cannot be changed by ftfy, HTML or Unicode's forms, so it takes
a way that imports neither ftfy nor regex.
"""

import re
import string
from collections.abc import Callable
from functools import cache
from typing import Any

from wordsight.text.spec import Cleaning

SPECIAL_TOKENS = ("<start_of_text>", "<end_of_text>")

_CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
_PLAIN = re.compile(r"[ -%'-~\t\n\r]*")
_UNICODE_SPACES = re.compile(
    "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"
)  # Python's \s has four more
_NFC_SPECIALS = re.compile(r"(<\|startoftext\|>|<\|endoftext\|>)")
_SURROGATES = re.compile("[\ud800-\udfff]")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def is_plain(text: str) -> bool:
    """Say whether cleaning can only lower the case and collapse white space: ASCII, no `&`, no control characters."""
    return _PLAIN.fullmatch(text) is not None


def clean(text: str, cleaning: Cleaning = "clip") -> str:
    """Return the text cleaned; see the table above.  Halves of surrogate pairs, which are no text, become U+FFFD."""
    return _SURROGATES.sub("\ufffd", _CLEANERS[cleaning](text))


def pre_tokens(text: str, cleaning: Cleaning = "clip") -> list[str]:
    """Return the cleaned text cut into pre-tokens, within which CLIP's byte pairs are joined.

    Special tokens written out are pre-tokens of their own.
    """
    if cleaning != "nfc" or "<|" not in text:
        return _cut(text, cleaning)
    result: list[str] = []  # transformers takes special tokens out before anything else, as they are written
    for part in _NFC_SPECIALS.split(text):
        result += [part] if part in special_tokens(cleaning) else _cut(part, cleaning)
    return result


def special_tokens(cleaning: Cleaning) -> tuple[str, str]:
    """Return how CLIP's start and end tokens are written in a text: transformers' spelling or open_clip's."""
    return ("<|startoftext|>", "<|endoftext|>") if cleaning == "nfc" else SPECIAL_TOKENS


def _cut(text: str, cleaning: Cleaning) -> list[str]:
    plain = is_plain(text)
    text = text.lower() if plain and cleaning in ("clip", "nfc") else clean(text, cleaning)
    return _pattern(cleaning, plain).findall(text)  # type: ignore[no-any-return]


@cache
def _pattern(cleaning: Cleaning, plain: bool) -> Any:
    fixed = _CONTRACTIONS if cleaning == "nfc" else "|".join((*SPECIAL_TOKENS, _CONTRACTIONS))
    if plain:
        case = re.IGNORECASE if cleaning in ("whitespace", "none") else re.NOFLAG
        return re.compile(fixed + r"|[a-z]+|[0-9]|[^\sa-z0-9]+", case)
    import regex

    flags = 0 if cleaning == "nfc" else regex.IGNORECASE
    return regex.compile(fixed + r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", flags)


def _mended(text: str) -> str:
    """ftfy, entities, white space collapsed."""
    if not is_plain(text):
        import html

        import ftfy

        text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return " ".join(text.split())


def _canonical(text: str) -> str:
    text = _mended(text).replace("_", " ").translate(_NO_PUNCTUATION).lower()
    return " ".join(text.split())


def _siglip(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower().translate(_NO_PUNCTUATION)).strip()


def _nfc(text: str) -> str:
    import unicodedata

    return _lower(_UNICODE_SPACES.sub(" ", unicodedata.normalize("NFC", text)))


def _lower(text: str) -> str:
    """Lower letter by letter, as the package `tokenizers` does: a sigma at the end of a word is like any other."""
    return "".join(map(str.lower, text))


def _lower_ascii(text: str) -> str:
    return text.translate(_ASCII_LOWER)


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_CLEANERS: dict[Cleaning, Callable[[str], str]] = {
    "clip": lambda text: _mended(text).lower(),
    "whitespace": _mended,
    "canonical": _canonical,
    "siglip": _siglip,
    "nfc": _nfc,
    "lower": _lower,
    "lower-ascii": _lower_ascii,
    "none": str,
}
