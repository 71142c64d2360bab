"""English questions with what, which, who, where and how: which answers they ask for, and the statement of each answer.

    form = form_of("what colour is the car")
    form.answers                         # "colours": a list of `answers/`
    form.statements("red")               # ("a photo of a red car.", ...)

A table of patterns, tried in order; `answers/lists.txt` and `answers/verbs.txt` say which noun or verb asks for which
list.  Takes a question as `plain_question` leaves it.  What no pattern fits gives None.  Knows no model.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from wordsight.text.caption_phrases import PEOPLE, nouns
from wordsight.text.grammar import PREPOSITIONS, bare, head_of, is_plural, singular, with_article
from wordsight.text.label_sets import label_set, label_set_names

FOLDER = Path(__file__).parent / "answers"
LISTS, VERBS = "lists", "verbs"  # the two files of the folder that are no lists of answers
BEFORE, SCENE = "before the thing", "the scene"
IMAGE = "(?:picture|image|photo|photograph)"
PEOPLE_MEANT = {"he": "man", "she": "woman"} | dict.fromkeys(("anyone", "anybody", "someone", "somebody"), "person")
PRONOUNS = frozenset(("it", "this", "that", "they", "these", "those", "one", "here", "there", "you", "we", "something"))

Statements = tuple[str, ...]


class AskedForm(NamedTuple):
    """What a question asks for: the name of a list of answers, and how a phrase becomes statements."""

    answers: str
    statements: Callable[[str], Statements]


def answer_list_names() -> list[str]:
    """Return the names of the lists of answers that ship with the package."""
    return label_set_names(FOLDER, but=(LISTS, VERBS))


@cache
def known_nouns() -> Mapping[str, str]:
    """Return noun -> list of answers, as lists.txt has them."""
    return {noun: label.name for label in label_set(FOLDER / f"{LISTS}.txt").labels for noun in label.phrases}


@cache
def _sections() -> Mapping[str, str]:
    return {label.name: label.section for label in label_set(FOLDER / f"{LISTS}.txt").labels}


@cache
def _verbs() -> Mapping[str, str]:
    return {verb: label.name for label in label_set(FOLDER / f"{VERBS}.txt").labels for verb in label.phrases}


def plain_question(question: str) -> str:
    """Return a question in small letters without its mark, short forms and "in the picture"."""
    text = " ".join(question.lower().replace("’", "'").split()).rstrip(" ?!.")
    text = re.sub(r"\b(what|who|where|how|there|that|it)'s\b", r"\1 is", text)
    text = re.sub(r"\b(is|are|was|were|does|do|has|have)n't\b", r"\1 not", text)
    return re.sub(rf",? ?(?:shown |visible |to be seen |depicted )?\b(?:in|on) (?:the|this) {IMAGE}\b", "", text)


def form_of(question: str) -> AskedForm | None:
    """Return what a plain question asks for; None where no pattern fits, or the noun it names has no list."""
    for pattern, read in _rules():
        match = pattern.fullmatch(question)
        form = read(match) if match else None
        if form is not None:
            return form
    return None


def image_of(phrase: str) -> Statements:
    """Return "a photo of" a phrase, and the phrase."""
    return f"a photo of {with_article(phrase)}.", phrase


def with_attribute(thing: str, attribute: str) -> Statements:
    """Return that a thing, "" for what the image shows, has an attribute."""
    if not thing:
        return attribute, f"a photo of something {attribute}.", f"it is {attribute}."
    return image_of(f"{attribute} {thing}")


def _thing(text: str | None) -> str:
    """Return a thing without its determiner; "" for a pronoun, the image itself and nothing."""
    stripped = re.sub(r"^(?:on|in) | (?:on|in|for|of)$", "", (text or "").strip())
    phrase = PEOPLE_MEANT.get(stripped) or bare(stripped)
    return "" if phrase in PRONOUNS or re.fullmatch(IMAGE, phrase) else phrase


def _attribute(match: re.Match[str]) -> AskedForm:
    return AskedForm(known_nouns()[match["noun"]], partial(with_attribute, _thing(match["thing"])))


def _made_of(match: re.Match[str]) -> AskedForm:
    return AskedForm("materials", partial(with_attribute, _thing(match["thing"])))


def _how(name: str, match: re.Match[str]) -> AskedForm:
    return AskedForm(name, partial(with_attribute, _thing(match["thing"])))


def _kind(match: re.Match[str]) -> AskedForm | None:
    """Read "what (kind of) animal is ...": the head of the noun phrase, or all of it, has a list."""
    words = match["noun"].split()
    phrase = singular(bare(" ".join(words[: head_of(words) + 1])))
    name = known_nouns().get(phrase) or known_nouns().get(phrase.split()[-1])
    if name is None:
        return None
    section, stated = _sections()[name], match.groupdict().get("tail")
    if stated and not re.fullmatch(_FITTING, stated) and not _tail(stated):
        return None
    if section == SCENE:
        return _where("") if name == "locations" else AskedForm(name, lambda phrase: (f"a photo of {phrase}.",))
    if section == BEFORE:
        return AskedForm(name, partial(with_attribute, ""))
    tail = _tail(stated)
    return AskedForm(name, lambda phrase: image_of(phrase + tail))


def _tail(text: str | None) -> str:
    """Return what is stated of the thing asked for, "on the sofa" or "eating grass", with a space before it."""
    words = (text or "").split()
    return f" {' '.join(words)}" if len(words) > 1 and (words[0] in PREPOSITIONS or words[0].endswith("ing")) else ""


_FITTING = (  # what may follow "what animal is" and need not be in the statement
    r"(?:this|that|it|these|those|they|there|here|he|she|we|shown|visible|depicted|(?:you|we|i) see)(?: \w+)?"
    r"|(?:the|a|his|her|their) \w+(?: \w+)?"
)


def _who(match: re.Match[str]) -> AskedForm:
    tail = _tail(match["tail"]) or (f" {match['tail']}" if match["verb"] not in ("is", "are") else "")
    verb = f" {match['verb']}" if match["verb"] not in ("is", "are") else ""
    return AskedForm("people", lambda phrase: (f"{phrase}{verb}{tail}." if verb + tail else f"a photo of {phrase}.",))


def _for_whom(match: re.Match[str]) -> AskedForm:
    thing = _thing(match["thing"]) or "product"
    return AskedForm(
        "audiences",
        lambda phrase: (f"a photo of {with_article(thing)} for {phrase}.", f"{phrase} {thing}", f"{phrase}'s {thing}"),
    )


def _where(thing: str) -> AskedForm:
    what = f"of {with_article(thing)}" if thing else "taken"
    return AskedForm("locations", lambda phrase: (f"a photo {what} {phrase}.",))


def _where_is(match: re.Match[str]) -> AskedForm:
    asked = re.sub(r" (?:taken|located|made)$", "", match["thing"])
    return _where(_thing(asked))


def _doing(match: re.Match[str]) -> AskedForm | None:
    """Read "what is the man wearing": the verb has a list, and stays in the statement unless it is "doing"."""
    name = _verbs().get(match["verb"])
    if name is None:
        return None
    subject = with_article(_thing(match["thing"]) or "person")
    verb = "" if match["verb"] == "doing" else f" {match['verb']}"
    plain = not verb or _sections().get(name) == SCENE
    return AskedForm(name, lambda phrase: (f"a photo of {subject}{verb} {phrase if plain else with_article(phrase)}.",))


def _count(match: re.Match[str]) -> AskedForm:
    words = match["thing"].split()
    one = " ".join([singular(" ".join(words[: head_of(words) + 1])), *words[head_of(words) + 1 :]])
    many = match["thing"] if is_plural(words[head_of(words)]) else one
    tail = _tail(match["tail"])
    return AskedForm("counts", lambda phrase: (f"a photo of {phrase} {one if phrase == 'one' else many}{tail}.",))


def _how_old(match: re.Match[str]) -> AskedForm:
    thing = _thing(match["thing"])
    of_people = not thing or (thing in nouns() and nouns()[thing].group == PEOPLE)
    return AskedForm("ages", lambda phrase: image_of(phrase if of_people else f"{phrase} {thing}"))


def _things(match: re.Match[str]) -> AskedForm | None:
    tail = _tail(match.groupdict().get("tail"))
    if match.groupdict().get("tail") and not tail:
        return None
    return AskedForm("things", lambda phrase: image_of(phrase + tail))


@cache
def _rules() -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], AskedForm | None]], ...]:
    """Return the patterns in the order they are tried, each with what reads its match."""
    before = "|".join(sorted((noun for noun, name in known_nouns().items() if _sections()[name] == BEFORE), key=len))
    which, be, verb = "(?:what|which)", "(?:is|are|was|were)", "(?:is|are|was|were|do|does|did|can|has|have)"
    rows: list[tuple[str, Callable[[re.Match[str]], AskedForm | None]]] = [
        (rf"how many (?P<thing>.+?)(?: (?:{verb}) ?(?:there\b ?)?(?P<tail>.*))?", _count),
        (rf"how old {be} (?P<thing>.+)", _how_old),
        (rf"how (?:big|large|small) {be} (?P<thing>.+)", partial(_how, "sizes")),
        (r"how (?:does|do) (?P<thing>.+) (?:feel|look)", partial(_how, "moods")),
        (rf"how {be} (?P<thing>.+) feeling", partial(_how, "moods")),
        (rf"how {be} the (?P<noun>weather)(?: .*)?", _kind),
        (rf"(?:who|{which} (?:sex|gender)) {be} (?P<thing>.+?) (?:made |meant |intended )?for", _for_whom),
        (rf"for whom {be} (?P<thing>.+)", _for_whom),
        (rf"{which} {be} (?P<thing>.+) (?:made|built) (?:of|from|out of)", _made_of),
        (rf"{which} {be} the (?P<noun>{before}) of (?P<thing>.+)", _attribute),
        (rf"{which} (?:kind of |type of )?(?P<noun>{before}) {be} (?P<thing>.+?)(?: made of| made from)?", _attribute),
        (rf"{which} (?P<noun>{before}) {verb} (?P<thing>.+?)(?: have)?", _attribute),
        (rf"{which} (?P<noun>{before}) (?P<thing>.+?) {verb} .+", _attribute),
        (rf"{which} (?:kind|type|sort|species|style)s? of (?P<noun>.+?)(?: {verb}(?: (?P<tail>.+))?)?", _kind),
        (rf"{which} (?:breed|make) of (?P<noun>.+?)(?: {verb}(?: .+)?)?", _kind),
        (rf"{which} {be} the (?P<noun>[^,]+?)(?: like)?(?: today)?", _kind),
        (rf"{which} (?P<noun>.+?) {verb}(?: (?P<tail>.+))?", _kind),
        (rf"{which} {be} (?P<thing>.+?) (?P<verb>\w+ing(?: at)?)", _doing),
        (
            rf"{which} {be}(?: (?:this|that|it|these|those|there|here|shown|visible|depicted))?(?: (?P<tail>.+ .+))?",
            _things,
        ),
        (rf"{which} (?:do|can) (?:you|we|i) see", _things),
        (rf"{which} does (?:this|it|the)(?: {IMAGE})? show|what can be seen", _things),
        (rf"where (?:{be}) (?P<thing>.+)", _where_is),
        (r"who (?P<verb>\w+)(?: (?P<tail>.+))?", _who),
    ]
    return tuple((re.compile(pattern), read) for pattern, read in rows)
