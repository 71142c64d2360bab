"""How far a library's answers can be trusted, measured with its own captions, or its classes where it has none.

Each image is looked for by its caption among all: how often is it first, and among ten?  And each caption is compared
with those of other images: where most of them fit an image better than its own, the two may not belong together.
"""

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import Limit, claim, share_of
from wordsight.audit.finding import Finding, Skipped
from wordsight.audit.subject import PlaceSubject
from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import InputError
from wordsight.base.nouns import Result
from wordsight.evaluate.encode import image_embeddings, text_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, small_image
from wordsight.evaluate.metrics import chance_of_recall
from wordsight.evaluate.sample_set import SampleSet, without_broken
from wordsight.index.index import spread_evenly

CHECK, TITLE = "own-captions", "Looked for by their own captions"
LEAD = (
    "Each image is looked for by its caption among the others, and its caption is compared with those of the others: "
    "an image that most other captions fit better may have the wrong one."
)
LIMITS = (
    "A caption that does not fit may be true and beyond the model: what is listed is to be looked at, not deleted. "
    "Captions tell more than people type."
)
TEN = 10
FOUND_LEAST = 0.5  # an image typed as its caption is among ten in every second case at least; a convention
MIDDLE = 0.5  # of the other captions: a caption of another image fits better than half of them in half of the cases
WRONG = 0.05  # share of images whose caption may fit no better than half of the others; a convention
LEAST = 20  # images
SHOWN = 20


def run(subject: PlaceSubject) -> Finding | Skipped:
    """Return how often images are first by their own captions, and which captions fit worse than others do."""
    if subject.model is None:
        return Skipped(CHECK, TITLE, "there is no model to search with", "name one: --model NAME")
    images = _captioned(subject)
    if len(images) < LEAST:
        reason = f"{subject.place} has {len(images)} images with a caption that can be read; {LEAST} are needed"
        return Skipped(CHECK, TITLE, reason, "give images with captions")
    texts = [sample.texts[0] for sample in images.samples]
    embedded = image_embeddings(subject.model, images.images, name=subject.place)
    cosines = products(text_embeddings(subject.model, texts), embedded)  # (N texts, N images)
    equal = np.array([[one == other for other in texts] for one in texts])
    results = [_recall(cosines, equal, k) for k in (1, TEN)]
    better = beaten_by(cosines, equal)
    wrong = share_of("library/misfits", better > MIDDLE, {"images": int((better > MIDDLE).sum())})
    claims = [
        claim(
            CHECK,
            result,
            f"Searched by its caption, an image is {name} of {len(texts):,} in {{}}; at random {_chance(result)}.",
            Limit(limit, "below"),
            about=about,
        )
        for result, name, limit, about in zip(
            results,
            ("first", "among the first ten"),
            (FOUND_LEAST / 5, FOUND_LEAST),
            ("R@1", "R@10"),
            strict=True,
        )
    ]
    text = f"{wrong.setting['images']} of {len(texts):,} images fit most other captions better than their own: {{}}."
    claims.append(claim(CHECK, wrong, text, Limit(WRONG, "above"), about="misfits"))
    return Finding(CHECK, TITLE, LEAD, claims, _worst(images, texts, better, [*results, wrong]), LIMITS)


def beaten_by(cosines: Embeddings, equal: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of other captions that fit each image at least as well as its own, (N,).

    `cosines` (N, N) of texts and images, a text's own image on the diagonal; `equal` (N, N): texts that are the same
    and do not count.
    """
    own = np.diagonal(cosines)
    better = (cosines >= own[None, :]) & ~equal
    return np.asarray(better.sum(axis=0) / np.maximum((~equal).sum(axis=0), 1), np.float64)


def _captioned(subject: PlaceSubject) -> SampleSet:
    """Return at most `subject.images` images with captions, evenly spread, that can be decoded."""
    whole = subject.samples
    rows = [row for row, one in enumerate(whole.samples) if one.texts and whole.images[row] is not None]
    failures: list[InputError] = []
    return without_broken(whole.of(rows[row] for row in spread_evenly(len(rows), subject.images)), failures)


def _recall(cosines: Embeddings, equal: NDArray[np.bool_], k: int) -> Result:
    """Return how often the own image of a text is among the first k; images with the same text are as right."""
    own = np.where(equal, cosines, -np.inf).max(axis=1, keepdims=True)
    ranks = ((cosines >= own) & ~equal).sum(axis=1)
    chance = chance_of_recall(equal.sum(axis=1), len(cosines), k)
    return share_of(f"library/own-caption/R@{k}", ranks < k, {"gallery": len(cosines), "chance": chance})


def _chance(result: Result) -> str:
    return f"{100 * float(str(result.setting['chance'])):.1f} %"


def _worst(images: SampleSet, texts: list[str], better: NDArray[np.float64], results: list[Result]) -> Measured:
    """Return the images whose captions fit least, with small images."""
    entries: list[dict[str, object]] = []
    small: dict[str, bytes] = {}
    for row in np.argsort(-better, kind="stable")[:SHOWN]:
        if better[row] <= MIDDLE:
            break
        key = images.samples[int(row)].key
        file, data = small_image(images.images[int(row)], name=key)
        small[file] = data
        lines = [key, f"{100 * better[row]:.0f} % of other captions fit better"]
        entries.append({"picture": file, "title": texts[int(row)], "lines": lines, "right": False})
    details = [Detail("library/misfits", "Captions that fit their image least", "pictures", {"pictures": entries})]
    return Measured(results, details if entries else [], small)
