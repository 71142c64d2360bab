"""Where the model looks: maps of a few images under the true text and under a misleading one.

`wordsight.explain.explanation.explain` on images evenly spread over the first labelled set, else over drawn scenes.
The misleading text is the wrong class that scores highest.  Each map is tested against random maps of the same image,
and by exchanging the text; how many stand is counted, for a map that fails shows nothing.
"""

from collections.abc import Sequence

import numpy as np

from wordsight.audit.asked import generated, given, true_texts
from wordsight.audit.claims import Limit, claim
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.scenes import encoded
from wordsight.audit.subject import ModelSubject
from wordsight.base.arrays import Pixels
from wordsight.base.details import Detail
from wordsight.base.optional import resolve
from wordsight.embeddings.model import Model
from wordsight.evaluate.classified import PromptedTask
from wordsight.evaluate.encode import image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, share, small_image

CHECK, TITLE = "looks", "Where it looks"
LEAD = (
    "A few images with the map under the true text, under the wrong class that scores highest, and the difference: "
    "blue where the true text's map is stronger, orange where the other's."
)
LIMITS = (
    "Few images, so the share is known roughly. A map that stands its checks points at what moves the score, not at "
    "what a person would look at."
)
IMAGES = 6  # each costs some hundred passes of the image tower
STANDS = 0.5  # below it more maps fail than stand


def run(subject: ModelSubject) -> Finding | Skipped:
    """Return how many maps stand their checks, with the rows of images."""
    model = subject.opened
    if model is None:
        return Skipped(CHECK, TITLE, "this encoder is no model whose maps can be computed", "audit a whole model")
    task = next(iter(given(subject)), None) or generated(subject)
    count = min(IMAGES, subject.images)
    part = PromptedTask(task.spec, task.classified.spread(count), task.prompts)
    texts = true_texts(part)
    scores = products(
        image_embeddings(subject.model, part.images.images, name=part.spec.name),
        prompt_embeddings(subject.model, part.prompts),
    )
    scores[np.arange(len(scores)), part.classified.labels] = -np.inf
    misleading = [part.prompts[best][0] for best in scores.argmax(axis=1).tolist()]
    stood: list[bool] = []
    details: list[Detail] = []
    thumbnails: dict[str, bytes] = {}
    for row in range(len(texts)):
        detail, images, passes = _row(model, part, row, (texts[row], misleading[row]))
        stood += passes
        details.append(detail)
        thumbnails |= images
    result = share(
        f"{part.spec.name}/looks/stand-checks",
        np.array(stood),
        clusters=np.repeat(np.arange(len(texts)), 2),  # the two maps of an image are not independent
        setting={"images": len(texts)},
    )
    text = f"{part.spec.name}: of its maps for {len(texts)} images {{}} stand every check that they were put to."
    claims = [claim(CHECK, result, text, Limit(STANDS, "below"))]
    return Finding(CHECK, TITLE, LEAD, claims, Measured([result], details, thumbnails), LIMITS)


def _row(
    model: Model, part: PromptedTask, row: int, texts: Sequence[str]
) -> tuple[Detail, dict[str, bytes], list[bool]]:
    """Return the four images of one row as a detail with their files, and which of its two maps stand."""
    key = part.classified.keys[row]
    why = resolve("wordsight.explain.explanation:explain")(model, part.images.images[row], texts)
    passes = [bool(why.passes(number)) for number in range(2)]
    shown: list[tuple[Pixels, str, str, bool | None]] = [
        (why.image, key, "the image", None),
        (why.overlay(0), f"“{texts[0]}”", f"true text, cosine {why.cosines[0]:.3f}", passes[0]),
        (why.overlay(1), f"“{texts[1]}”", f"misleading text, cosine {why.cosines[1]:.3f}", passes[1]),
        (why.against(0, 1), "difference", "blue: true text, orange: misleading", None),
    ]
    entries = []
    images: dict[str, bytes] = {}
    for pixels, title, line, right in shown:
        file, data = small_image(encoded(pixels), name=key)
        images[file] = data
        verdict = [] if right is None else ["stands its checks" if right else "fails a check: do not read it"]
        entries.append({"picture": file, "title": title, "lines": [line, *verdict], "right": right})
    title = f"{row + 1}: {part.classified.names[part.classified.labels[row]]}, by {why.method}"
    return Detail(f"{part.spec.name}/looks", title, "pictures", {"pictures": entries}), images, passes
