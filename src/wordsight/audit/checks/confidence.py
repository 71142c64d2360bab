"""What the model's confidence is worth: are answers of 90 % right nine times in ten, and are the surest ones right?

`wordsight.evaluate.kinds.calibration` on each labelled set, and on drawn scenes by colour; the share of right answers
among those that the model gives with 90 % or more; and the surer half of the answers beside the other.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import POINTS, Limit, claim, share_of
from wordsight.audit.differences import difference
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.scenes import NAME, drawn_scenes, in_words, relabelled, scenes_task
from wordsight.audit.subject import ModelSubject
from wordsight.base.nouns import Result
from wordsight.data.drawing import COLOURS
from wordsight.evaluate.building import build_from
from wordsight.evaluate.confidence import top_answers
from wordsight.evaluate.encode import Scorer, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.kinds.calibration import CalibrationTask
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.running import run_task

CHECK, TITLE = "confidence", "What its confidence is worth"
LEAD = (
    "The probabilities of classes are compared with how often they are right, on half of each set; "
    "the other half fits a temperature."
)
LIMITS = (
    "A probability is one among the classes that were given: it says nothing of images that show none of them. The "
    "calibration error of few images is never 0; a problem is what a calibrated model would not show by chance. "
    "Measured on is half of the images of each class, rounded, so that n may be a few less than half of all."
)
TOLERATED = 0.02  # mean distance of probabilities from how often they are right, however many images show it
SURE = 0.9  # a probability from which on an answer is taken as given
COLOUR_PROMPTS = ("a picture of a {} thing", "a {} shape")


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return calibration errors and how often sure answers are right."""
    if not isinstance(subject.model, Scorer):
        return Skipped(CHECK, TITLE, "this encoder gives no probabilities", "audit a whole model")
    claims: list[Claim] = []
    measured = Measured([])
    for task in _tasks(subject):
        part = _of_task(subject, subject.model, task)
        claims += part.claims
        measured = measured.and_also(part.measured)
    return Finding(CHECK, TITLE, LEAD, claims, measured, LIMITS)


def _tasks(subject: ModelSubject) -> list[CalibrationTask]:
    specs = [one.task("calibration") for one in subject.data]
    tasks = [build_from(spec, subject.reader.sets(spec)) for spec in specs]
    scenes = drawn_scenes(subject.images, seed=subject.seed)
    coloured = relabelled(scenes, [str(sample.meta["colour"]) for sample in scenes.samples], name=f"{NAME}-colour")
    return [*tasks, scenes_task("calibration", coloured, classes=tuple(COLOURS), templates=COLOUR_PROMPTS)]


def _of_task(subject: ModelSubject, scorer: Scorer, task: CalibrationTask) -> Finding:
    measured, name = run_task(subject.model, task), task.spec.name
    stated = in_words(name)
    ece = next(one for one in measured.results if one.name.endswith("/calibration/ece"))
    by_chance = float(str(ece.setting["by_chance_up_to"]))
    chance = f"a calibrated model shows up to {100 * by_chance:.1f} %"
    text = f"{stated}: its probabilities are off by {{}} on average; {chance}."
    claims = [claim(CHECK, ece, text, Limit(max(by_chance, TOLERATED), "above"))]
    classes = prompt_embeddings(subject.model, task.prompts)
    images = image_embeddings(subject.model, task.test.images.images, name=name)
    probabilities = scorer.probabilities(products(images, classes)).astype(np.float64)
    confidences, right = top_answers(probabilities, task.test.labels)
    sure = confidences >= SURE
    often = f"{int(sure.sum())} of {len(sure)} answers"
    if sure.any():
        result = share_of(f"{name}/confidence/right-when-sure", right[sure], {"probability": SURE})
        text = f"{stated}: answers given with {100 * SURE:.0f} % or more ({often}) are right in {{}}."
        claims.append(claim(CHECK, result, text, Limit(SURE, "below")))
        measured = measured.and_also(Measured([result]))
    surest = _surest(name, confidences, right)
    claims.append(surest)
    measured = measured.and_also(Measured([surest.result]))
    return Finding(CHECK, TITLE, "", claims, measured)


def _surest(name: str, confidences: NDArray[np.floating], right: NDArray[np.bool_]) -> Claim:
    """Return how much more often the surer half of the answers is right than the other."""
    order = np.argsort(-confidences, kind="stable")
    half = len(order) // 2
    sure, unsure = right[order[:half]], right[order[half:]]
    gap = difference(int(sure.sum()), len(sure), int(unsure.sum()), len(unsure))
    result = Result(f"{name}/confidence/surer-half", gap.value, gap.interval, gap.count, setting={"unit": POINTS})
    text = (
        f"{in_words(name)}: of the surer half of its answers {int(sure.sum())} of {len(sure)} are right, of the other "
        f"half {int(unsure.sum())} of {len(unsure)}: a difference of {{}}."
    )
    return claim(CHECK, result, text, Limit(0.0, "below"))
