"""Questions with yes or no, and with "or": the statement that a yes makes, and what is stated where it is no.

    stated("is the car red").statements          # ("a photo of a red car.", "red car")
    alternatives("is this a dog or a cat")       # ("is this", ("a dog", "a cat"))
    against(stated("is the car red"))            # the same with the other colours

A no is no statement: CLIP models hardly heed "no" and "not".  So a statement competes with what may be true instead:
the other answers of a list, else contrasts by rule (`contrasts.py`).  Takes a question
as `plain_question` leaves it; goes by word order.
"""

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import NamedTuple

from wordsight.text.caption_phrases import DETERMINERS, attributes, is_number, nouns
from wordsight.text.contrasts import contrasts
from wordsight.text.grammar import PREPOSITIONS, bare, plural, singular, split_subject, third_person, with_article
from wordsight.text.label_sets import Label, label_set
from wordsight.text.question_forms import (
    FOLDER,
    IMAGE,
    PEOPLE_MEANT,
    PRONOUNS,
    Statements,
    answer_list_names,
    image_of,
    with_attribute,
)

AUXILIARIES = ("is", "are", "was", "were", "does", "do", "did", "has", "have", "can")
REPLACED = ("replace-noun", "replace-colour", "replace-number", "replace-gender", "replace-relation", "replace-size")
SEEDS = 6  # draws of each rule; equal ones count once
GROUND: tuple[Statements, ...] = (("a photo.", "a photo"), ("a photo of something else.", "something else"))
GENERAL = ("things", "animals", "clothes")  # what an image may show instead of the thing asked for
ATTRIBUTES = ("colours", "materials", "patterns", "shapes", "sizes")
AUDIENCES = "audiences"
APART = ("counts",)  # its answers contradict each other least: who sees three sees two
_NEGATIONS = frozenset(("no", "not", "without", "never", "nobody", "none"))
_OPENERS = ("a", "an", "the", "some", "any", "one", "his", "her", "its", "their")
_SUBJECTS = frozenset((*_OPENERS, *DETERMINERS, *PRONOUNS, *PEOPLE_MEANT, "i", "my", "your", "our", "everyone", "not"))
_ENGLISH = PREPOSITIONS - {"in"}  # which other languages have as well
_ELSEWHERE = frozenset(
    (
        "für",
        "ist",
        "sind",
        "das",
        "ein",
        "eine",
        "auf",
        "wer",
        "dit",
        "dat",
        "het",
        "een",
        "czego",
        "visto",
        "est",
        "está",
    )
)
_THIS = "(?:this|that|it|these|those|they)"


class StatedYes(NamedTuple):
    """What a yes states, in one phrasing or several; `asked` is the part of it that the question is about.

    `plain`: the same without that part, where the question is whether a thing has it, or whether a thing is there.
    """

    statements: Statements
    asked: str
    plain: tuple[Statements, ...] = ()


def is_yes_no(question: str) -> bool:
    """Say whether a question begins as those with yes or no do."""
    return question.split(" ")[0] in AUXILIARIES


def is_negated(question: str) -> bool:
    """Say whether a question has a negation in it."""
    return not _NEGATIONS.isdisjoint(question.split())


def stated(question: str) -> StatedYes | None:
    """Return what a yes to a question states; None where its form is not known, or it is hardly English."""
    if _is_foreign(question.split()):
        return None
    for pattern, read in _ROWS:
        match = re.fullmatch(pattern, question)
        if match:
            return read(*match.groups())
    return None


def _is_foreign(words: list[str]) -> bool:
    """Say whether a question begins like one of another language, in which "was", "has", "is" and "do" are words too.

    Behind "was" and "has" a word that is not known may be a name, where English follows.
    """
    following = words[1] if len(words) > 1 else ""
    if following in _ELSEWHERE:
        return True
    if words[0] not in ("was", "has"):
        return False
    known = following in _SUBJECTS or following in nouns() or following in attributes() or is_number(following)
    english = any(w in DETERMINERS or w in _ENGLISH or w in attributes() or w.endswith("ing") for w in words[2:])
    return not known and not english


def alternatives(question: str) -> tuple[str, tuple[str, ...]] | None:
    """Return what stands before the alternatives of a question with "or", and the alternatives.

    They are taken to be alike: begun by the same kind of word, or as many words long.
    """
    before, joined, last = question.rpartition(" or ")
    if not joined or not last:
        return None
    listed = [part.strip() for part in before.rstrip(",").split(",")]
    first = listed[0].split()
    start = _start_of(first, last.split())
    if start < 1:
        return None
    return " ".join(first[:start]), (" ".join(first[start:]), *listed[1:], last)


def _start_of(words: list[str], like: list[str]) -> int:
    """Return the number of the word where a phrase like another one begins at the end of words."""
    group = next((one for one in (frozenset(_OPENERS), PREPOSITIONS) if like[0] in one), frozenset())
    starts = [number for number, word in enumerate(words) if number and word in group]
    return starts[-1] if starts else len(words) - len(like)


def against(yes: StatedYes) -> tuple[Statements, ...]:
    """Return what may be true where a yes is not, each way in as many phrasings as the yes has.

    Other answers of the lists in the place of the part asked about; where no list has it, what is stated without it,
    or else contrasts by rule and plain ground.
    """
    named = _last_answer(yes.asked)
    if yes.plain and (named is None or yes.plain == GROUND):
        return tuple(way for way in yes.plain if way != yes.statements)
    if named is not None:
        return _swapped(yes, named)
    seeds = range(SEEDS)
    texts = (one.text for seed in seeds for one in contrasts(yes.statements[0], seed=seed, kinds=REPLACED))
    return (*((text,) for text in dict.fromkeys(texts)), *GROUND)


def _swapped(yes: StatedYes, named: str) -> tuple[Statements, ...]:
    """Return the statements with every other answer in the place of one; `named` is how it is written there."""
    one = singular(named)
    lists = [name for name, phrases in _phrases().items() if one in phrases]
    whole = bare(yes.asked) == named and yes.statements == image_of(named)
    if AUDIENCES in lists:
        lists = [AUDIENCES] if f" for {named}" in yes.statements[0] else [name for name in lists if name != AUDIENCES]
    as_nouns = f" of {named}" in yes.statements[0] and "materials" in lists  # "made of wood", not "of wooden"
    labels = [label for name in (*lists, *(GENERAL if whole else ())) for label in _labels(name)]
    apart = [label for label in labels if one not in map(singular, label.phrases)]
    others = [label.name if as_nouns else label.phrases[0] for label in apart]
    kept = [other for other in dict.fromkeys(others) if not _share(singular(other), one)]
    if one != named:
        kept = [plural(other) for other in kept]
    if whole:
        return tuple(image_of(other) for other in kept)
    like = re.compile(rf"(?:\b(?:an?|one) )?\b{re.escape(named)}\b")
    return tuple(tuple(like.sub(partial(_instead, other), text) for text in yes.statements) for other in kept)


def _share(one: str, other: str) -> bool:
    """Say whether all words of one phrase are in the other: "casual shoes" are no contrast of "shoes"."""
    first, second = set(one.split()), set(other.split())
    return first <= second or second <= first


def _instead(other: str, match: re.Match[str]) -> str:
    """Return an answer as it stands in the place of another one: with the article that it wants, if that had one."""
    return with_article(other) if match[0].startswith(("a ", "an ", "one ")) else other


def _last_answer(phrase: str) -> str | None:
    """Return the answer of a list that stands last in a phrase, the longest that ends there, as it is written."""
    words = phrase.split()
    for end in range(len(words), 0, -1):
        for start in range(max(0, end - 4), end):
            part = " ".join(words[start:end])
            if any(singular(part) in phrases for phrases in _phrases().values()):
                return part
    return None


@cache
def _phrases() -> Mapping[str, frozenset[str]]:
    """Return the lists that take part, each as all phrases of its answers in the singular."""
    names = [name for name in answer_list_names() if name not in APART]
    return {name: frozenset(singular(p) for one in _labels(name) for p in one.phrases) for name in names}


@cache
def _labels(name: str) -> tuple[Label, ...]:
    return label_set(FOLDER / f"{name}.txt").labels


def _seen(thing: str) -> StatedYes:
    phrase = re.sub(r"^(?:any|some|anything|something) ", "", thing)
    return StatedYes(image_of(bare(phrase)), phrase, GROUND)


def _this_is(auxiliary: str, rest: str) -> StatedYes | None:
    words = rest.split()
    if words[0] in PREPOSITIONS:
        return StatedYes((f"a photo taken {rest}.",), rest)
    if rest in attributes() or any(rest in _phrases()[name] for name in ATTRIBUTES):
        return StatedYes(with_attribute("", rest), rest)
    if len(words) > 1 and _begins_with_noun(words[0]):
        return _is(auxiliary, rest)
    if words[0] in _OPENERS or auxiliary in ("are", "were"):
        return StatedYes(image_of(bare(rest)), rest)
    return StatedYes((f"it is {rest}.",), rest)


def _begins_with_noun(word: str) -> bool:
    """Say whether a word behind "this" or "these" begins the thing meant: "this bag red", not "these red bags"."""
    known = word in attributes() or word in _OPENERS or word in PREPOSITIONS or is_number(word)
    return word in nouns() or not (known or word.endswith(("ing", "ed")))


def _subject(text: str) -> str:
    """Return a subject as statements have it, without its determiner: a person for "anyone", a woman for "she"."""
    return PEOPLE_MEANT.get(text) or bare(text)


def _is(auxiliary: str, clause: str) -> StatedYes | None:
    subject, predicate = split_subject(clause)
    if not predicate:
        return None
    words, subject = predicate.split(), _subject(subject)
    if words[0] in ("a", "an"):
        return StatedYes(image_of(bare(predicate)), predicate)
    plain = (image_of(subject),)
    if len(words) == 1 and not predicate.endswith("ing"):
        return StatedYes(with_attribute(subject, predicate), predicate, plain)
    return StatedYes(image_of(f"{subject} {predicate}"), predicate, plain)


def _does(auxiliary: str, clause: str) -> StatedYes | None:
    subject, predicate = split_subject(clause)
    verb, _, rest = predicate.partition(" ")
    if not predicate:
        return None
    if verb == "have" and rest:
        return _has(f"{subject} {rest}")
    form = third_person(verb) if auxiliary == "does" else verb
    subject = _subject(subject)
    statement = f"{with_article(subject)} {form}{' ' if rest else ''}{rest}."
    return StatedYes((statement,), rest or form, (image_of(subject),))


def _has(clause: str) -> StatedYes | None:
    subject, rest = split_subject(clause)
    if not rest:
        return None
    thing = _subject(subject)
    return StatedYes(image_of(f"{thing} with {rest}"), rest, (image_of(thing),))


_ROWS = (
    (r"(?:is|are|was|were) there (.+)", _seen),
    (r"(?:can|do|could) (?:you|we|i|one) see (.+)", _seen),
    (rf"(?:does|do) (?:this|the|it|that)(?: {IMAGE})? (?:show|contain|depict|have) (.+)", _seen),
    (r"(?:is|are) (.+) (?:visible|shown|present|to be seen)", _seen),
    (rf"(is|are|was|were) {_THIS}(?: {IMAGE})? (.+)", _this_is),
    (r"(is|are|was|were) (.+)", _is),
    (r"(does|do|did) (.+)", _does),
    (r"(?:has|have) (.+)", _has),
)
