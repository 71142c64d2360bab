"""What a model gets wrong: classes of labelled images, and what it can tell apart in drawn scenes.

Of a labelled set: how many images get their class by its name (`wordsight.evaluate.kinds.zero_shot`), the classes that
are recognised worst and what they are taken for.  Of drawn scenes: colour, shape, texture, number and position of
single objects, each among all that occur; and pairs of scenes that differ in one thing, whose captions hold the same
words (`wordsight.evaluate.kinds.selection`): which colour belongs to which shape, which is left of which, how many.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from wordsight.audit.asked import given
from wordsight.audit.claims import Limit, bar, by_wilson, claim
from wordsight.audit.finding import Claim, Finding
from wordsight.audit.scenes import NAME, drawn_scenes, relabelled, scenes_task
from wordsight.audit.subject import ModelSubject
from wordsight.base.details import Detail
from wordsight.base.nouns import Result, Sample
from wordsight.data.drawing import COLOURS, SHAPES, TEXTURES
from wordsight.data.scenes import COUNTS, LOCATIONS
from wordsight.evaluate.building import build_task
from wordsight.evaluate.classified import PromptedTask
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import TaskSpec

CHECK, TITLE = "mistakes", "What it gets wrong"
LEAD = (
    "Images get the class whose name scores highest; drawn scenes, of which everything is known, are asked for one "
    "thing at a time, and for the caption that belongs to each of two scenes that differ in one thing."
)
LIMITS = (
    "Class names and prompts are part of the measurement: other names give other figures. Drawn scenes are no "
    "photographs; a model that never saw drawings may know colours in photographs and not here."
)
RIGHT = 0.5  # below it an answer is wrong more often than right
MORE = 4  # scenes are drawn for each that is asked about: a third have one object
WORST = 5  # classes of a set that are named
TAKEN = 3  # images of a class that another one takes, from which on that is said: one or two are chance


class SceneQuestion(NamedTuple):
    """What scenes are asked for: the answers, how prompts say one, the answer of a sample (None: it has none)."""

    answers: tuple[str, ...]
    templates: tuple[str, ...]
    answer: Callable[[Sample], str | None]


def run(subject: ModelSubject) -> Finding:
    """Return accuracies of labelled sets and of drawn scenes."""
    claims: list[Claim] = []
    measured = Measured([])
    for part in [*(_labelled(subject, task) for task in given(subject)), _single(subject), _pairs(subject)]:
        claims += part.claims
        measured = measured.and_also(part.measured)
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _labelled(subject: ModelSubject, task: PromptedTask) -> Finding:
    """Return the accuracy on a labelled set and its worst classes."""
    measured, name = run_task(subject.model, task), task.spec.name
    measured = by_wilson(measured, [measured.results[0].name])
    top = measured.results[0]
    guessing = f"guessing gives {100 / len(task.classified.names):.3g} %"
    text = f"{name}: {{}} of the images get their class, one of {len(task.classified.names)}; {guessing}."
    claims = [claim(CHECK, top, text, Limit(RIGHT, "below"))]
    classes, confusions_of = _classes(measured, name)
    for one in sorted(classes, key=_at_best)[:WORST]:
        named = str(one.setting["class"])
        confused = f", most often taken for {confusions_of[named]}" if named in confusions_of else ""
        text = f"{name}: {{}} of the images of {named!r} get their class{confused}."
        claims.append(claim(CHECK, one, text, Limit(RIGHT, "below", among=len(classes)), about=named))
    return Finding(CHECK, TITLE, "", claims, measured)


def _at_best(result: Result) -> tuple[float, str]:
    """Return the upper end of an accuracy: by it a class of one image is not the worst of all."""
    return (result.interval or (0.0, 1.0))[1], result.name


def _classes(measured: Measured, name: str) -> tuple[list[Result], dict[str, str]]:
    """Return the accuracy within each class, and what each is taken for most often, from the details of zero-shot."""
    by_form = {(detail.form, detail.title): detail.data for detail in measured.details}
    rows = by_form["bars", "Accuracy within each class"]["rows"]
    results = [
        Result(
            f"{name}/zero-shot/class/{row['name']}",
            row["value"],
            (row["interval"][0], row["interval"][1]),
            row["count"],
            setting={"class": row["name"], "chance": row["chance"]},
        )
        for row in rows
    ]
    confusions = by_form.get(("table", "What is confused most often"), {"rows": []})["rows"]
    confusions_of: dict[str, str] = {}
    for own, other, times, of in confusions:
        if times >= TAKEN:
            confusions_of.setdefault(own, f"{other!r} ({times} of {of})")
    return results, confusions_of


def _single(subject: ModelSubject) -> Finding:
    """Return what drawn scenes are recognised by, one thing at a time."""
    scenes = drawn_scenes(subject.images * MORE, seed=subject.seed)  # of several objects none has one position
    claims: list[Claim] = []
    results: list[Result] = []
    for what, question in QUESTIONS.items():
        answers = [question.answer(sample) for sample in scenes.samples]
        part = relabelled(scenes, answers, name=f"{NAME}-{what}", most=subject.images)
        keys: dict[str, Any] = {"classes": question.answers, "templates": question.templates}
        whole = run_task(subject.model, scenes_task("zero-shot", part, **keys))
        top = by_wilson(whole, [whole.results[0].name]).results[0]
        results.append(top)
        guessing = f"guessing gives {100 / len(question.answers):.3g} %"
        text = f"drawn scenes: {{}} get the right {what} of {len(question.answers)}; {guessing}."
        claims.append(claim(CHECK, top, text, Limit(RIGHT, "below", among=len(QUESTIONS)), about=what))
    rows = [bar(what, result) for what, result in zip(QUESTIONS, results, strict=True)]
    title = "What is recognised in drawn scenes, one thing at a time"
    return Finding(CHECK, TITLE, "", claims, Measured(results, [Detail(NAME, title, "bars", {"rows": rows})]))


def _pairs(subject: ModelSubject) -> Finding:
    """Return how often both scenes of a pair that differs in one thing get their own caption."""
    options = {"form": "drawn", "count": subject.images}
    task = build_task(TaskSpec("selection", f"{NAME}-pairs", seed=subject.seed, options=options))
    measured = run_task(subject.model, task)
    measured = by_wilson(measured, [result.name for result in measured.results if "kind" in result.setting])
    kinds = [result for result in measured.results if "kind" in result.setting]
    claims = []
    for one in kinds:
        kind = str(one.setting["kind"])
        guessing = f"guessing gives {100 * float(str(one.setting['chance'])):.3g} %"
        text = f"drawn scenes: {{}} of the pairs get the right captions where {PAIRS[kind]}; {guessing}."
        claims.append(claim(CHECK, one, text, Limit(RIGHT, "below", among=len(kinds)), about=kind))
    return Finding(CHECK, TITLE, "", claims, measured)


def _position(sample: Sample) -> str | None:
    where = str(sample.meta["place"])
    return LOCATIONS[where].phrase if where else None


def _number(sample: Sample) -> str | None:
    count = int(np.asarray(sample.meta["count"]))
    return f"{COUNTS[count]} object{'' if count == 1 else 's'}"


QUESTIONS: Mapping[str, SceneQuestion] = {
    "colour": SceneQuestion(
        tuple(COLOURS), ("a picture of a {} thing", "a {} shape"), lambda one: str(one.meta["colour"])
    ),
    "shape": SceneQuestion(
        tuple(SHAPES), ("a picture of a {}", "a drawing of a {}"), lambda one: str(one.meta["shape"])
    ),
    "texture": SceneQuestion(TEXTURES, ("a picture of a {} thing", "a {} shape"), lambda one: str(one.meta["texture"])),
    "number": SceneQuestion(
        tuple(f"{word} object{'' if count == 1 else 's'}" for count, word in COUNTS.items()),
        ("a picture of {}", "{}"),
        _number,
    ),
    "position": SceneQuestion(
        tuple(one.phrase for one in LOCATIONS.values()), ("a picture of an object {}", "a shape {}"), _position
    ),
}
PAIRS = {  # what differs, as `wordsight.data.contrast_scenes` draws it
    "colour": "two objects swap their colours",
    "relation": "two objects swap their positions",
    "texture": "two objects swap their textures",
    "size": "two objects swap their sizes",
    "count": "two kinds of objects swap their numbers",
}
