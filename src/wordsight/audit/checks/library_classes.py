"""How well a model tells the classes of a library apart, and which it takes for each other."""

import numpy as np

from wordsight.audit.claims import Limit, claim, share_of
from wordsight.audit.finding import Claim, Finding, Skipped
from wordsight.audit.subject import PlaceSubject
from wordsight.base.errors import InputError
from wordsight.base.nouns import Result
from wordsight.evaluate.classified import Classified, answers
from wordsight.evaluate.encode import image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.sample_set import without_broken
from wordsight.index.index import spread_evenly
from wordsight.text.prompts import prompts_of

CHECK, TITLE = "classes", "Classes that are confused"
LEAD = "The model is asked by name which class each image is of, among all classes of the library."
LIMITS = (
    "The model may be wrong, or the class: an image listed here is to be looked at. Class names that say little "
    "(numbers, codes) cannot be told apart by name."
)
TRUSTED = 0.5  # share of right answers from which on filling in classes by the model saves work; a convention
HALF = 0.5  # of what the other classes have
LEAST = 5  # images of a class
MOST = 5  # classes that are claimed


def run(subject: PlaceSubject) -> Finding | Skipped:
    """Return how often the class of an image is the model's answer, and the classes it knows least."""
    if subject.model is None:
        return Skipped(CHECK, TITLE, "there is no model to ask", "name one: --model NAME")
    failures: list[InputError] = []
    labelled = subject.samples.labelled()
    images = without_broken(labelled.of(spread_evenly(len(labelled), subject.images)), failures)
    names = tuple(sorted({str(sample.label) for sample in images.samples}))
    if len(names) < 2:
        reason = f"{subject.place} has no images of two classes or more"
        return Skipped(CHECK, TITLE, reason, "put images into a folder for each class, or name the column of the class")
    labels = np.array([names.index(str(sample.label)) for sample in images.samples])
    embedded = image_embeddings(subject.model, images.images, name=subject.place)
    scores = products(embedded, prompt_embeddings(subject.model, prompts_of(names, "photo")))
    right = label_ranks(scores, labels) < 1
    chance = 1 / len(names)
    whole = share_of("library/classes/right", right, {"classes": len(names), "chance": chance})
    text = f"Of {len(names)} classes the model answers that of the image in {{}}; guessing gives {100 * chance:.3g} %."
    claims = [claim(CHECK, whole, text, Limit(TRUSTED, "below"), about="classes")]
    known = {
        name: _known(name, right[labels == number]) for number, name in enumerate(names) if (labels == number).any()
    }
    claims += _least_known({name: one for name, one in known.items() if one.count >= LEAST})
    drawn = answers("library/classes", Classified(images, names, labels), scores)
    return Finding(CHECK, TITLE, LEAD, claims, Measured([whole, *known.values()]).and_also(drawn), LIMITS)


def _known(name: str, right: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Result:
    return share_of(f"library/classes/{name}", right)


def _least_known(known: dict[str, Result]) -> list[Claim]:
    """Return claims of the classes that are recognised less than half as often as the others."""
    shares = np.array([one.value for one in known.values()])
    claims = []
    for name, one in known.items() if len(known) > 1 else ():
        other = float((shares.sum() - one.value) / (len(shares) - 1))
        text = f"{name} is recognised in {{}}; the other classes in {100 * other:.0f} %."
        claims.append(claim(CHECK, one, text, Limit(HALF * other, "below", len(known)), about=name))
    worst = sorted(claims, key=lambda one: one.result.value)
    return [one for one in worst if one.judgement == "problem"][:MOST]
