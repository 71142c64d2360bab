"""Short English phrases as far as statements need them: articles, singulars, verbs, and where a subject ends.

    with_article("old man")                  # "an old man"
    with_article("shoes")                    # "shoes"
    split_subject("the red car parked here") # ("the red car", "parked here")

Goes by the word lists in `words/` and by endings, so an uncommon word may be taken for what it is not.  Knows no
question.
"""

from wordsight.text.caption_phrases import DETERMINERS, article, attributes, is_number, nouns, word_set

_WHERE = ("in", "on", "at", "near", "behind", "under", "over", "above", "below", "beside", "between", "inside")
_HOW = ("with", "without", "of", "by", "against", "among", "around", "along", "across", "through", "from", "for")
PREPOSITIONS = frozenset((*_WHERE, *_HOW, "outside", "into", "onto", "off", "next", "front"))
_THINGS_IN_ING = frozenset(("drawing", "painting", "building", "rendering", "ring", "king", "swing", "wing", "string"))
_DROPPED = DETERMINERS | {"any", "my", "your", "our"}
_MANY = frozenset(("these", "those", "they", "both"))


def bare(phrase: str) -> str:
    """Return a phrase without the article or other determiner in front of it."""
    first, _, rest = phrase.partition(" ")
    return rest if rest and first in _DROPPED else phrase


def with_article(phrase: str) -> str:
    """Return a phrase with "a" or "an" before it, unless it has a determiner or a number, is plural or not counted."""
    words = phrase.split()
    if not words or words[0] in _DROPPED or is_number(words[0]) or words[0] in ("one", "many", "two"):
        return phrase
    head = words[head_of(words)]
    is_action = head.endswith("ing") and head not in _THINGS_IN_ING
    if is_plural(head) or head in word_set("uncounted") or is_action:
        return phrase
    return f"{article(words[0])} {phrase}"


def head_of(words: list[str]) -> int:
    """Return the number of the last word of a noun phrase: the one before its first preposition or "-ing"."""
    for number, word in enumerate(words[1:], 1):
        if word in PREPOSITIONS or word in ("who", "that", "which") or (word.endswith("ing") and word not in nouns()):
            return number - 1
    return len(words) - 1


def is_plural(word: str) -> bool:
    """Say whether a noun is plural, by the lists, else by its ending."""
    if word in nouns():
        return nouns()[word].is_plural
    return word in _MANY or (word.endswith("s") and not word.endswith(("ss", "us", "is", "'s")) and len(word) > 3)


def singular(phrase: str) -> str:
    """Return a noun phrase with its last word in the singular."""
    before, space, word = phrase.rpartition(" ")
    if word in nouns():
        return before + space + nouns()[word].singular
    if not is_plural(word):
        return phrase
    if word.endswith("ies"):
        return before + space + word[:-3] + "y"
    short = 2 if word.endswith(("sses", "shes", "ches", "xes")) else 1
    return before + space + word[:-short]


def plural(phrase: str) -> str:
    """Return a noun phrase with its last word in the plural; one that is plural or not counted stays."""
    before, space, word = phrase.rpartition(" ")
    if is_plural(word) or word in word_set("uncounted"):
        return phrase
    if word in nouns():
        return before + space + nouns()[word].plural
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{before}{space}{word[:-1]}ies"
    return phrase + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def third_person(verb: str) -> str:
    """Return the form of a verb for "he": "wears", "carries", "has"."""
    if verb in ("have", "do", "go"):
        return {"have": "has", "do": "does", "go": "goes"}[verb]
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh")) else "s")


def split_subject(clause: str) -> tuple[str, str]:
    """Return a clause as its subject and what is stated of it: a determiner, adjectives and a noun are the subject."""
    words = clause.split()
    number = int(bool(words) and words[0] in _DROPPED and len(words) > 1)
    while number < len(words) - 1 and words[number] in attributes() and words[number] not in nouns():
        number += 1
    while number < len(words) - 2 and words[number] in nouns() and words[number + 1] in nouns():
        number += 1
    return " ".join(words[: number + 1]), " ".join(words[number + 1 :])
