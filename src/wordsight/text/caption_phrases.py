"""The noun phrases of an English caption, as far as short word lists know them: no tagger, no grammar.

    caption = parse("A brown dog chases two cats .")
    caption.words                    # "A", "brown", "dog", "chases", "two", "cats"
    caption.phrases[0].head          # 2: the number of the word "dog"

The lists are the text files in `words/`.  A noun that is not in them, or that is followed by a word that may make a
compound of it ("dog house"), is no phrase: what is not known is left alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wordsight.text.lines import listed_lines

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
PEOPLE, ANIMALS, THINGS = "people", "animals", "things"
DETERMINERS = frozenset(
    ("a", "an", "the", "his", "her", "its", "their", "this", "that", "these", "those", "some", "several", "many")
)


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun of the lists: both forms, which is met, and whether it is of `PEOPLE`, `ANIMALS` or `THINGS`."""

    singular: str
    plural: str
    is_plural: bool
    group: str


@dataclass(frozen=True, slots=True)
class NounPhrase:
    """A known noun with what stands before it, as numbers of words: `start` of all, `attributes`, `head`.

    `has_opener` says that it starts with a determiner or a number.
    """

    start: int
    attributes: tuple[int, ...]
    head: int
    noun: Noun
    has_opener: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """A caption with its words: `spans` are their places in `text`, `lower` the words in small letters."""

    text: str
    spans: tuple[tuple[int, int], ...]
    lower: tuple[str, ...]
    phrases: tuple[NounPhrase, ...]

    @property
    def words(self) -> list[str]:
        """The words as they are written."""
        return [self.text[start:stop] for start, stop in self.spans]

    def ends_at(self, number: int) -> bool:
        """Say whether a mark or the end of the caption follows the word with this number."""
        stop = self.spans[number][1]
        after = self.spans[number + 1][0] if number + 1 < len(self.spans) else None
        return after is None or bool(self.text[stop:after].strip())

    def replaced(self, changes: Mapping[int, str]) -> str:
        """Return the text with some words put in place of others: capitals kept, "a" or "an" as the new word wants.

        An empty text takes a word out.
        """
        new = dict(changes)
        for number, word in changes.items():
            before = number - 1
            if word and before >= 0 and before not in changes and self.lower[before] in ("a", "an"):
                new[before] = article(word)
        text = self.text
        for number in sorted(new, reverse=True):
            start, stop = self.spans[number]
            word = new[number]
            capital = text[:start].rstrip()[-1:] in ("", ".") and text[start:stop][:1].isupper()
            text = text[:start] + (word[:1].upper() + word[1:] if capital else word) + text[stop:]
        return " ".join(text.split()) if "" in new.values() else text


def parse(text: str) -> Parsed:
    """Return a caption with its words and those noun phrases that the lists know."""
    spans = tuple(match.span() for match in _WORD.finditer(text))
    lower = tuple(text[start:stop].lower() for start, stop in spans)
    bare = Parsed(text, spans, lower, ())
    heads = [i for i, word in enumerate(lower) if word in nouns() and _ends_phrase(bare, i)]
    return Parsed(text, spans, lower, tuple(_phrase(bare, head) for head in heads))


def article(word: str) -> str:
    """Return "a" or "an", as the letters of a word want it."""
    return "an" if word[:1].lower() in "aeiou" and not word.lower().startswith(("uni", "eu", "one", "used")) else "a"


@cache
def word_list(name: str) -> tuple[str, ...]:
    """Return the lines of a list in `words/`."""
    return tuple(line for _, line in listed_lines(Path(__file__).parent / "words" / f"{name}.txt"))


@cache
def word_set(name: str) -> frozenset[str]:
    """Return the first words of the lines of a list."""
    return frozenset(re.split(r"[\s:]", line)[0] for line in word_list(name))


@cache
def nouns() -> Mapping[str, Noun]:
    """Return word -> noun; what is both singular and plural ("jeans") counts as plural."""
    known: dict[str, Noun] = {}
    for group in (PEOPLE, ANIMALS, THINGS):
        for line in word_list(group):
            singular, plural = line.split()
            known[singular] = Noun(singular, plural, False, group)
            if plural not in word_set("verb_plurals"):
                known[plural] = Noun(singular, plural, True, group)
    return known


@cache
def attributes() -> frozenset[str]:
    """Return the colours, sizes and adjectives of the lists."""
    return word_set("colours") | word_set("sizes") | word_set("adjectives")


def is_number(word: str) -> bool:
    """Say whether a word is a number of the list, from "two" on."""
    return word in word_set("numbers")


def _ends_phrase(caption: Parsed, number: int) -> bool:
    """Say whether the noun is surely the last of its phrase: a mark, the end, or a word that is no noun follows."""
    if caption.ends_at(number):
        return True
    following = caption.lower[number + 1]
    if following in nouns():
        return False
    known = following in word_set("function_words") or following in word_set("verbs") or following in DETERMINERS
    return known or (following.endswith("ing") and following not in word_set("nouns_in_ing"))


def _phrase(caption: Parsed, head: int) -> NounPhrase:
    lower, start = caption.lower, head
    named = []
    while start > 0 and not _is_cut(caption, start - 1):
        word = lower[start - 1]
        joined = (
            word == "and" and start > 1 and lower[start - 2] in word_set("colours") and lower[start] in attributes()
        )
        if word not in attributes() and not joined:
            break
        start -= 1
        if not joined:
            named.append(start)
    before = lower[start - 1] if start > 0 and not _is_cut(caption, start - 1) else ""
    opened = before in DETERMINERS or before == "one" or is_number(before)
    begin = start - 1 if opened else start
    return NounPhrase(begin, tuple(reversed(named)), head, nouns()[lower[head]], opened)


def _is_cut(caption: Parsed, number: int) -> bool:
    """Say whether a mark stands behind a word."""
    return bool(caption.text[caption.spans[number][1] : caption.spans[number + 1][0]].strip())
