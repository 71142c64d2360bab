"""Rules that make a caption false by one change, and return nothing where they are not sure of it.

    swap_attributes(parse("a man in a red shirt and a blue hat"), rng)    # "a man in a blue shirt and a red hat"

Each takes a parsed caption and a generator, and returns the changed text or None.  Numbers only grow (who sees three
dogs sees two as well), colours change to those that nobody mixes up, and genders change all together.  What the
picture shows beside what the caption says is not known: a replaced word may happen to be true of something else.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import TypeVar

import numpy as np

from wordsight.text.caption_phrases import (
    ANIMALS,
    PEOPLE,
    THINGS,
    NounPhrase,
    Parsed,
    nouns,
    word_list,
    word_set,
)

Generator = np.random.Generator
T = TypeVar("T")
_MOST_COUNTED = 3  # "two", "three" and "four" are changed; larger numbers are often estimates
_COUNTED_APART = frozenset(("one", "ones", "both", "another", "other", "others", "third", "fourth", "pair", "couple"))
_COMPARED = frozenset(("smaller", "larger", "bigger", "taller", "shorter", "longer", "medium"))


def swap_nouns(caption: Parsed, rng: Generator) -> str | None:
    """Exchange two nouns that a one-way relation joins: "a dog chases a cat", not "a dog beside a cat"."""
    pairs = []
    for first, second in zip(caption.phrases, caption.phrases[1:], strict=False):
        alike = first.noun.is_plural == second.noun.is_plural and first.noun.singular != second.noun.singular
        groups = {first.noun.group, second.noun.group}
        fits = alike and second.has_opener and (groups == {THINGS} or THINGS not in groups)
        if fits and _is_subject(caption, first) and _one_way(caption, first, second):
            pairs.append((first, second))
    if not pairs:
        return None
    first, second = _one(pairs, rng)
    return caption.replaced({first.head: caption.lower[second.head], second.head: caption.lower[first.head]})


def swap_attributes(caption: Parsed, rng: Generator) -> str | None:
    """Exchange the colours, or the sizes, of two nouns, which nobody would take for each other."""
    pairs = []
    for (one, first), (other, second) in combinations(_single_attributes(caption), 2):
        if not (_differ(caption.lower[one], caption.lower[other]) and _is_natural(caption, first, other)):
            continue
        if not _is_natural(caption, second, one):
            continue
        if first.noun.singular == second.noun.singular and not _one_way(caption, first, second):
            continue  # "a black dog and a white dog" says the same exchanged
        pairs.append((one, other))
    if not pairs:
        return None
    one, other = _one(pairs, rng)
    return caption.replaced({one: caption.lower[other], other: caption.lower[one]})


def replace_colour(caption: Parsed, rng: Generator) -> str | None:
    """Put another colour in place of one; animals keep to the colours that animals have, people are left out."""
    chosen = []
    for phrase in caption.phrases:
        for number in phrase.attributes:
            word = caption.lower[number]
            shaded = number > 0 and caption.lower[number - 1] in ("light", "dark", "bright")  # "light black" is none
            if word in _colours() and phrase.noun.group != PEOPLE and not shaded:
                natural = word_list("animal_colours") if phrase.noun.group == ANIMALS else tuple(_colours())
                others = [c for c in natural if _differ(word, c) and c not in caption.lower and c != "gray"]
                chosen += [(number, others)] if others else []
    if not chosen:
        return None
    number, others = _one(chosen, rng)
    return caption.replaced({number: _one(others, rng)})


def replace_number(caption: Parsed, rng: Generator) -> str | None:
    """Put a number two or three larger in place of one that counts a plural noun."""
    numbers = word_list("numbers")
    if _COUNTED_APART & set(caption.lower):
        return None
    chosen = [
        phrase.start
        for phrase in caption.phrases
        if phrase.has_opener and phrase.noun.is_plural and caption.lower[phrase.start] in numbers[:_MOST_COUNTED]
    ]
    if len(chosen) != 1:
        return None
    at = numbers.index(caption.lower[chosen[0]])
    return caption.replaced({chosen[0]: _one(numbers[at + 2 : at + 4], rng)})


def replace_size(caption: Parsed, rng: Generator) -> str | None:
    """Put the contrary in place of the size of a thing, where it is the only size of the caption.

    Animals are left out: what one calls a small dog another calls a large one.
    """
    if sum(word in _sizes() or word in _COMPARED for word in caption.lower) != 1:
        return None
    chosen = []
    for phrase in caption.phrases:
        for number in phrase.attributes:
            contrary, heads = _sizes().get(caption.lower[number], ("", frozenset()))
            fits = phrase.noun.singular in heads if heads else phrase.noun.group == THINGS
            if contrary and fits:
                chosen.append((number, contrary))
    if not chosen:
        return None
    number, contrary = _one(chosen, rng)
    return caption.replaced({number: contrary})


def replace_relation(caption: Parsed, rng: Generator) -> str | None:
    """Put the contrary in place of a relation in space: left and right, on and under, in front of and behind."""
    chosen: list[dict[int, str]] = []
    used: set[int] = set()
    for words, contrary, needed in _relations():
        for start in _occurrences(caption, words):
            span = set(range(start, start + len(words)))
            joined = start > 0 and caption.lower[start - 1] in ("from", "high", "right", "just")
            if not span & used and not joined and _followed(caption, start + len(words), needed):
                chosen.append({start: contrary} | dict.fromkeys(range(start + 1, start + len(words)), ""))
            used |= span
    return caption.replaced(_one(chosen, rng)) if chosen else None


def replace_gender(caption: Parsed, rng: Generator) -> str | None:
    """Change the gender of everybody, pronouns too, where all are of one gender."""
    del rng  # there is one way only
    to_female = dict(line.split() for line in word_list("genders"))
    to_male = {female: male for male, female in reversed(to_female.items())}
    males = [i for i, word in enumerate(caption.lower) if word in to_female]
    females = [i for i, word in enumerate(caption.lower) if word in to_male]
    heads = {phrase.head for phrase in caption.phrases}
    if bool(males) == bool(females) or not heads & set(males or females):
        return None
    unknown = {"his", "him"} if females else {"her", "hers"}
    if unknown & set(caption.lower) or any(_names_gender(word) for word in caption.lower):
        return None
    known = to_female if males else to_male
    changes = {i: known[caption.lower[i]] for i in males or females}
    for number, word in enumerate(caption.lower):
        if word in ("his", "him"):
            changes[number] = "her"
        elif word == "her":
            changes[number] = "him" if _is_object(caption, number) else "his"
    return caption.replaced(changes)


def replace_noun(caption: Parsed, rng: Generator) -> str | None:
    """Put another animal or thing in place of one that the caption names once."""
    known, chosen = _alternatives(), []
    for phrase in caption.phrases:
        noun = phrase.noun
        once = caption.lower.count(noun.singular) + caption.lower.count(noun.plural) == 1
        if phrase.has_opener and once and noun.singular in known:
            others = [nouns()[name] for name in known[noun.singular]]
            others = [one for one in others if not {one.singular, one.plural} & set(caption.lower)]
            chosen += [(phrase.head, one.plural if noun.is_plural else one.singular) for one in others]
    if not chosen:
        return None
    head, other = _one(chosen, rng)
    return caption.replaced({head: other})


def add_attribute(caption: Parsed, rng: Generator) -> str | None:
    """Give a colour to a thing that has no attribute: weak, for it may have that colour."""
    bare = [
        phrase.head
        for phrase in caption.phrases
        if phrase.has_opener
        and not phrase.attributes
        and phrase.noun.group == THINGS
        and phrase.start == phrase.head - 1
    ]
    others = [colour for colour in _colours() if colour not in caption.lower and colour != "gray"]
    if not bare or not others:
        return None
    head = _one(bare, rng)
    colour = _one(others, rng)
    return caption.replaced({head: f"{colour} {caption.words[head]}"})


def _one(choices: Sequence[T], rng: Generator) -> T:
    return choices[int(rng.integers(len(choices)))]


@cache
def _colours() -> dict[str, frozenset[str]]:
    """Return colour -> those that are never put in its place."""
    parts = (line.partition(":") for line in word_list("colours"))
    return {name: frozenset(near.split()) | {name} for name, _, near in parts}


@cache
def _sizes() -> dict[str, tuple[str, frozenset[str]]]:
    """Return size -> its contrary, and the only nouns it is changed for (none: any)."""
    sizes = {}
    for line in word_list("sizes"):
        pair, _, heads = line.partition(":")
        size, contrary = pair.split()
        sizes[size] = contrary, frozenset(heads.split())
    return sizes


@cache
def _relations() -> tuple[tuple[tuple[str, ...], str, str], ...]:
    """Return the words of each relation, its contrary and what has to follow, longest first."""
    rows = []
    for line in word_list("relations"):
        pair, _, needed = line.partition(":")
        relation, _, contrary = pair.partition("=")
        rows.append((tuple(relation.split()), contrary.strip(), needed.strip()))
    return tuple(sorted(rows, key=lambda row: -len(row[0])))


@cache
def _alternatives() -> dict[str, tuple[str, ...]]:
    parts = (line.partition(":") for line in word_list("alternatives"))
    return {name: tuple(others.split()) for name, _, others in parts}


@cache
def _one_way_relations() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in word_list("asymmetric"))


def _differ(one: str, other: str) -> bool:
    """Say whether two attributes are colours that nobody mixes up, or sizes that contradict each other."""
    colours, sizes = _colours(), _sizes()
    if one in colours and other in colours:
        return other not in colours[one] and one not in colours[other]
    return one in sizes and sizes[one][0] == other


def _single_attributes(caption: Parsed) -> Iterator[tuple[int, NounPhrase]]:
    """Yield each attribute that is the only colour or size of its phrase, with the phrase."""
    known = word_set("colours") | word_set("sizes")
    for phrase in caption.phrases:
        named = [number for number in phrase.attributes if caption.lower[number] in known]
        if len(named) == 1 and phrase.noun.group != PEOPLE:
            yield named[0], phrase


def _is_natural(caption: Parsed, phrase: NounPhrase, attribute: int) -> bool:
    """Say whether a noun may have an attribute: animals are not blue."""
    word = caption.lower[attribute]
    return phrase.noun.group != ANIMALS or word not in _colours() or word in word_list("animal_colours")


def _one_way(caption: Parsed, first: NounPhrase, second: NounPhrase) -> bool:
    """Say whether the words between two phrases are a relation that differs when its sides are exchanged."""
    between = caption.lower[first.head + 1 : second.start]
    marks = any(caption.ends_at(number) for number in range(first.head, second.start))
    auxiliary = between[1:] if between[:1] in (("is",), ("are",)) else between
    owns = caption.lower[second.head + 1 : second.head + 2] == ("s",)  # "holding a horse's lead"
    return not marks and not owns and auxiliary in _one_way_relations()


def _is_subject(caption: Parsed, phrase: NounPhrase) -> bool:
    """Say whether a phrase surely is what the relation behind it is of: "a man in a coat riding" is not of the coat."""
    before = phrase.start - 1
    return before < 0 or caption.ends_at(before) or caption.lower[before] in ("while", "as", "where", "is", "are")


def _occurrences(caption: Parsed, words: tuple[str, ...]) -> Iterator[int]:
    for start in range(len(caption.lower) - len(words) + 1):
        inside = range(start, start + len(words) - 1)
        if caption.lower[start : start + len(words)] == words and not any(map(caption.ends_at, inside)):
            yield start


def _followed(caption: Parsed, number: int, needed: str) -> bool:
    """Say whether what a relation needs behind it starts at the word with this number."""
    if not needed:
        return True
    phrases = [phrase for phrase in caption.phrases if phrase.start == number and phrase.has_opener]
    if caption.ends_at(number - 1) or not phrases:
        return False
    return needed == "noun" or phrases[0].noun.singular in word_set("supports")


def _names_gender(word: str) -> bool:
    """Say whether a word that is not in the list of genders names one: "fisherman", "girlfriend", "girl's"."""
    parts = (
        "man",
        "men",
        "boy",
        "girl",
        "lad",
        "lady",
        "bride",
        "groom",
        "mom",
        "dad",
        "uncle",
        "aunt",
        "wife",
        "husband",
    )
    plain = {one for line in word_list("genders") for one in line.split()}
    return word not in plain and (word.endswith(("man", "men", "ess")) or any(part in word for part in parts[2:]))


def _is_object(caption: Parsed, number: int) -> bool:
    """Say whether "her" stands for somebody ("follows her") rather than before what is hers."""
    if caption.ends_at(number):
        return True
    following = caption.lower[number + 1]
    return following in word_set("function_words") or following in ("the", "a", "an")
