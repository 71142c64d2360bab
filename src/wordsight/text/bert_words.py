"""BERT's way to clean a text and to cut it into pre-tokens: runs of letters and digits, single marks.

    bert_words("A Café-bar", TokenizerSpec(kind="wordpiece"))     # ["a", "cafe", "-", "bar"]

Control characters are dropped, Chinese characters stand alone, accents are stripped, the case is lowered, as the spec
says; the same as `BertNormalizer` and `BertPreTokenizer` of the package `tokenizers`.  Which characters are which is
recorded from it in `tables/bert-characters.txt` (benchmarks/record_bert_characters.py), so it does not depend on the
Unicode that Python knows.  Plain ASCII takes a way that opens no table.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from wordsight.text.spec import TokenizerSpec

_TABLE = Path(__file__).parent / "tables" / "bert-characters.txt"
_ASCII_DROPPED = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_ASCII_WORDS = re.compile(r"[^\s!-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]")


def bert_words(text: str, spec: TokenizerSpec) -> list[str]:
    """Return the pre-tokens of a text."""
    if text.isascii():
        text = _ASCII_DROPPED.sub("", text)
        return _ASCII_WORDS.findall(text.lower() if spec.lower_case else text)
    characters = _characters()
    text = characters.spaces.sub(" ", characters.dropped.sub("", text))
    if spec.split_chinese:
        text = characters.chinese.sub(r" \g<0> ", text)
    if spec.lower_case if spec.strip_accents is None else spec.strip_accents:
        from unicodedata import normalize

        text = characters.accents.sub("", normalize("NFD", text))
    if spec.lower_case:  # letter by letter: a sigma at the end of a word is like any other
        text = "".join(map(str.lower, text))
    return characters.words.findall(text)


class _Characters(NamedTuple):
    """Patterns for characters of a kind, and for pre-tokens."""

    dropped: re.Pattern[str]
    spaces: re.Pattern[str]
    accents: re.Pattern[str]
    chinese: re.Pattern[str]
    words: re.Pattern[str]


@cache
def _characters() -> _Characters:
    kinds = dict(line.split(" ", 1) for line in _TABLE.read_text("ascii").splitlines())
    of = {kind: "".join(map(_as_class, runs.split())) for kind, runs in kinds.items()}
    marks = of.pop("punctuation")
    single = {kind: re.compile(f"[{characters}]") for kind, characters in of.items()}
    return _Characters(**single, words=re.compile(f"[{marks}]|[^ {marks}]+"))


def _as_class(run: str) -> str:
    """Return a run of characters, "61-7a", as it stands in a regular expression's class."""
    return "-".join(rf"\U{int(end, 16):08x}" for end in run.split("-"))
