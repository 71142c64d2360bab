"""The checks by name, in the order of the page: a new one is a file in `checks/` and a row here."""

from collections.abc import Mapping
from typing import NamedTuple

IMAGES = 200  # for each check: an accuracy of one half is then known to 7 points either way
LEAST = 10  # fewer tell nothing, and may show none of what is asked


class Check(NamedTuple):
    """`target` is the "module:function", called with a subject, that gives a `Finding` or a `Skipped`."""

    target: str
    title: str


MODEL_CHECKS: Mapping[str, Check] = {  # of a `ModelSubject`
    "mistakes": Check("wordsight.audit.checks.mistakes:run", "What it gets wrong"),
    "groups": Check("wordsight.audit.checks.groups:run", "For whom"),
    "typographic": Check("wordsight.audit.checks.typographic:run", "Words on the image"),
    "gibberish": Check("wordsight.audit.checks.gibberish:run", "Nonsense"),
    "confidence": Check("wordsight.audit.checks.confidence:run", "What its confidence is worth"),
    "looks": Check("wordsight.audit.checks.looks:run", "Where it looks"),
    "training-data": Check("wordsight.audit.checks.training_data:run", "What it was learned from"),
    "blind-spots": Check("wordsight.audit.checks.blind_spots:run", "Blind spots"),
    "shortcuts": Check("wordsight.audit.checks.shortcuts:run", "Answers that follow something else"),
    "concepts": Check("wordsight.audit.checks.concepts:run", "What was learned how often"),
    "learned-together": Check(
        "wordsight.audit.checks.learned_together:run", "What went together in the training captions"
    ),
    "moderation": Check("wordsight.audit.checks.moderation:run", "Alarms of watched labels"),
}
PLACE_CHECKS: Mapping[str, Check] = {  # of a `PlaceSubject`
    "files": Check("wordsight.audit.checks.library_files:run", "Files"),
    "captions": Check("wordsight.audit.checks.library_captions:run", "Captions and columns"),
    "goes-together": Check("wordsight.audit.checks.goes_together:run", "What goes together"),
    "own-captions": Check("wordsight.audit.checks.own_captions:run", "Looked for by their own captions"),
    "classes": Check("wordsight.audit.checks.library_classes:run", "Classes that are confused"),
}
