"""Questions about an image, as statements that two towers can rank: one for each answer.

    asked = visual_question("What colour is the car?")
    asked.kind                           # "colours"
    asked.candidates[0]                  # PossibleAnswer("black", (("a photo of a black car.", "black car"),))
    visual_question("Is there a dog?")   # "yes" and "no"
    visual_question("Which brand is it?", ["nike", "adidas"]).note

The answers are those of a list in `answers/`, or given.  English, and only forms that `question_forms.py` and
`yes_no.py` know: another question needs answers, and is then ranked by "a photo of ANSWER", which `note` says.
Knows no model.
"""

import difflib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wordsight.base.errors import NotFound, UsageError
from wordsight.base.suggest import suggest
from wordsight.text.grammar import singular
from wordsight.text.label_sets import Label, label_set
from wordsight.text.question_forms import (
    FOLDER,
    Statements,
    answer_list_names,
    form_of,
    image_of,
    known_nouns,
    plain_question,
)
from wordsight.text.yes_no import against, alternatives, is_negated, is_yes_no, stated

CURE = 'give the answers: --answers "A,B,C", or --answers-file FILE; in Python answers=[...]'
YES, NO = "yes", "no"
YES_NO, ALTERNATIVES, OWN = "yes-no", "alternatives", "own"
ON_COUNTING = "CLIP models count badly, mostly from three on: take the number as a guess"
ON_NO = "no stands for what may be true instead, since CLIP models do not understand no and not"
ON_FALLBACK = "no template fits this question, so it is not read at all: the answers are ranked by what the image shows"


@dataclass(frozen=True, slots=True)
class PossibleAnswer:
    """An answer, and what would be true with it: statements in several phrasings, which are averaged.

    An answer that may be true in several ways, as a no, has `ways` more than one; what they come to is averaged too.
    """

    answer: str
    ways: tuple[Statements, ...]


@dataclass(frozen=True, slots=True)
class VisualQuestion:
    """A question with its candidates; `kind` is the list, "yes-no", "alternatives" or "own"; `note` a caveat or ""."""

    text: str
    kind: str
    candidates: tuple[PossibleAnswer, ...]
    note: str = ""


def visual_question(question: str, answers: Sequence[str | Label] | None = None) -> VisualQuestion:
    """Return a question as statements.

    `answers`: what to choose from, instead of the list that the question asks for.  A question that no template fits
    raises `UsageError` unless there are answers.
    """
    if not plain_question(question).strip():
        raise UsageError("an empty question", cure='ask, for example, "What colour is the car?"')
    plain = plain_question(question)
    named = _labels(answers)
    begun, listed = _with_alternatives(plain)
    if listed and not named:
        named = tuple(Label(one, (_without_article(one),)) for one in listed)
    if is_yes_no(plain):
        return _yes_no(question, plain, named if answers else ())
    form = form_of(begun)
    if form is None and named:
        return VisualQuestion(question, OWN, _candidates(named, image_of), ON_FALLBACK)
    if form is None:
        raise _unfit(question, plain)
    labels = named or label_set(FOLDER / f"{form.answers}.txt").labels
    note = ON_COUNTING if form.answers == "counts" else ""
    return VisualQuestion(question, form.answers, _candidates(labels, form.statements), note)


def answer_list(name_or_file: str | Path) -> tuple[Label, ...]:
    """Return the answers of a shipped list by its name, or of a text file; see `label_set`."""
    names = answer_list_names()
    if str(name_or_file) in names:
        return label_set(FOLDER / f"{name_or_file}.txt").labels
    path = Path(name_or_file)
    if not os.path.exists(path):  # Path.exists raises for a name that is too long
        cure = f"{suggest(str(name_or_file), names)}, or give a text file"
        raise NotFound(f"no list of answers {str(name_or_file)!r}", cure=cure)
    return label_set(path).labels


def _yes_no(question: str, plain: str, named: tuple[Label, ...]) -> VisualQuestion:
    """Read a question that begins with a verb: with "or", or with yes and no."""
    if named and {label.name.lower() for label in named} != {YES, NO}:
        return VisualQuestion(question, OWN, _candidates(named, image_of), ON_FALLBACK)
    if is_negated(plain):
        cure = "ask without the negation, and turn the answer round; CLIP models do not understand it"
        raise UsageError(f"{question!r} has a negation", cure=cure)
    split = alternatives(plain)
    if split is not None:
        made = [(answer, stated(f"{split[0]} {answer}")) for answer in split[1]]
        candidates = tuple(PossibleAnswer(answer, (yes.statements,)) for answer, yes in made if yes is not None)
        if len(candidates) == len(made):
            return VisualQuestion(question, ALTERNATIVES, _distinct(candidates))
    yes = stated(plain)
    if yes is None or split is not None:
        raise _unfit(question, plain)
    candidates = (PossibleAnswer(YES, (yes.statements,)), PossibleAnswer(NO, against(yes)))
    return VisualQuestion(question, YES_NO, candidates, ON_NO)


def _with_alternatives(plain: str) -> tuple[str, tuple[str, ...]]:
    """Split "what colour is it, red or blue" at its first comma or colon; others stay whole."""
    begun, comma, listed = re.sub(":", ",", plain).partition(",")
    if is_yes_no(plain) or not comma or " or " not in listed:
        return plain, ()
    parts = re.split(r",\s*(?:or\s+)?|\s+or\s+", listed)
    return begun.strip(), tuple(part.strip() for part in parts if part.strip())


def _without_article(phrase: str) -> str:
    return re.sub(r"^(?:a|an|the) ", "", phrase)


def _labels(answers: Sequence[str | Label] | None) -> tuple[Label, ...]:
    if isinstance(answers, str):
        raise UsageError(f"answers {answers!r} are one text", cure='give a list, for example ["red", "green"]')
    labels = tuple(one if isinstance(one, Label) else Label(one.strip(), (one.strip(),)) for one in answers or ())
    names = [label.name for label in labels]
    if not all(names):
        raise UsageError("an empty answer", cure="give answers with words in them")
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise UsageError(f"the answer {twice[0]!r} is given twice", cure="give every answer once")
    if answers is not None and len(labels) < 2:
        raise UsageError("fewer than two answers", cure="give at least two to choose from")
    return labels


def _candidates(labels: Sequence[Label], statements: Callable[[str], Statements]) -> tuple[PossibleAnswer, ...]:
    """Return each label as a candidate: its phrases are phrasings of one statement."""
    made = (tuple(text for phrase in one.phrases for text in statements(phrase)) for one in labels)
    return _distinct(tuple(PossibleAnswer(one.name, (texts,)) for one, texts in zip(labels, made, strict=True)))


def _distinct(candidates: tuple[PossibleAnswer, ...]) -> tuple[PossibleAnswer, ...]:
    """Return the candidates; two answers with the same statement cannot be told apart, which is an error."""
    seen: dict[str, str] = {}
    for one in candidates:
        stated_by = repr(one.ways).lower()
        if stated_by in seen:
            problem = f"{seen[stated_by]!r} and {one.answer!r} make the same statement"
            raise UsageError(problem, cure="give answers that differ")
        seen[stated_by] = one.answer
    return candidates


def _unfit(question: str, plain: str) -> UsageError:
    """Return the error for a question that no template fits, with what may have been meant."""
    nouns = [singular(word) for word in plain.split()]
    near = [one for noun in nouns if len(noun) > 3 for one in difflib.get_close_matches(noun, known_nouns(), 1, 0.8)]
    meant = f"; did you mean {near[0]}?" if near and near[0] not in nouns else ""
    return UsageError(f"no template or list of answers fits {question!r}{meant}", cure=CURE)
