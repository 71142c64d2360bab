"""Where the model looks: maps of a few images under the prompt of the true class and of a wrong one.

`wordsight.explain.explanation.explain` on images evenly spread over the first labelled set, else over drawn scenes.
The wrong class is the one that scores highest; both prompts are of one template.  Each map is tested against random
maps of the same image, and by exchanging the text; how many stand is counted, for a map that fails shows nothing.
"""

from collections.abc import Sequence

import numpy as np

from wordsight.audit.asked import generated, given
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
from wordsight.explain import in_words

CHECK, TITLE = "looks", "Where it looks"
LEAD = (
    "A few images with the map under the true class, under the wrong class that scores highest (by the same template), "
    "and the difference: blue where the true class's map is stronger, orange where the other's. A map that fails a "
    "check has a red frame; an even map, of an image of one colour, claims nothing and does not count."
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
    labels = part.classified.labels.tolist()
    scores = products(
        image_embeddings(subject.model, part.images.images, name=part.spec.name),
        prompt_embeddings(subject.model, part.prompts),
    )
    scores[np.arange(len(scores)), part.classified.labels] = -np.inf
    pairs = list(zip(labels, scores.argmax(axis=1).tolist(), strict=True))
    stood: list[bool] = []
    images_of: list[int] = []  # the image of each map that was checked
    details: list[Detail] = []
    thumbnails: dict[str, bytes] = {}
    for row, pair in enumerate(pairs):
        detail, images, passes = _row(model, part, row, [part.prompts[one][0] for one in pair])
        stood += passes
        images_of += [row] * len(passes)
        details.append(detail)
        thumbnails |= images
    if not stood:
        return Skipped(
            CHECK, TITLE, "its maps are even: the images are of one colour", "give images that show something"
        )
    result = share(
        f"{part.spec.name}/looks/stand-checks",
        np.array(stood),
        clusters=np.array(images_of),  # the two maps of an image are not independent
        setting={"images": len(pairs)},
    )
    text = f"{part.spec.name}: of its maps for {len(pairs)} images {{}} stand every check that they were put to."
    claims = [claim(CHECK, result, text, Limit(STANDS, "below"))]
    return Finding(CHECK, TITLE, LEAD, claims, Measured([result], details, thumbnails), LIMITS)


def _row(
    model: Model, part: PromptedTask, row: int, texts: Sequence[str]
) -> tuple[Detail, dict[str, bytes], list[bool]]:
    """Return the four images of one row as a detail with their files, and which maps stand, even ones left out."""
    key = part.classified.keys[row]
    why = resolve("wordsight.explain.explanation:explain")(model, part.images.images[row], texts)
    passes = [why.passes(number) for number in range(2)]
    verdicts = [in_words.verdict(why, number) for number in range(2)]
    stated = [in_words.verdict_in_words(verdicts[number], in_words.checks(why, number)) for number in range(2)]
    failed = False if False in passes else None  # a difference is read no further than both of its maps
    shown: list[tuple[Pixels, str, list[str], bool | None]] = [
        (why.image, key, ["the image"], None),
        (why.overlay(0), f"“{texts[0]}”", [f"true class, cosine {why.cosines[0]:.3f}", stated[0]], passes[0]),
        (why.overlay(1), f"“{texts[1]}”", [f"wrong class, cosine {why.cosines[1]:.3f}", stated[1]], passes[1]),
        (
            why.against(0, 1),
            "difference",
            ["blue: true class, orange: wrong class", *filter(None, [in_words.shift_in_words(*verdicts)])],
            failed,
        ),
    ]
    entries = []
    images: dict[str, bytes] = {}
    for pixels, title, lines, right in shown:
        file, data = small_image(encoded(pixels), name=key)
        images[file] = data
        entries.append({"picture": file, "title": title, "lines": lines, "right": right})
    title = f"{row + 1}: {part.classified.names[part.classified.labels[row]]}, by {why.method}"
    return (
        Detail(f"{part.spec.name}/looks", title, "pictures", {"pictures": entries}),
        images,
        [one for one in passes if one is not None],
    )
