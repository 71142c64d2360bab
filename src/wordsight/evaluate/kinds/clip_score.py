"""CLIPScore and RefCLIPScore of captions (Hessel et al. 2021): how well they fit their images, in the model's eyes.

Results: NAME/clip-score/clip-score, the mean over images of 2.5 max(cosine, 0) of the image with "A photo depicts" and
its first caption, and NAME/clip-score/ref-clip-score, the mean of the harmonic mean of that and the largest cosine of
this caption with the image's other captions, where there are any; NAME/clip-score/mismatched is the clip-score of
captions with the next image, what a caption of another image gets.  They are numbers, not shares.
A caption longer than the model's context is cut so that it keeps its end token.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec

WEIGHT = 2.5  # Hessel et al. 2021, section 3


@dataclass(frozen=True, slots=True)
class ClipScoreOptions:
    """`prefix`: what stands before every caption, as published."""

    prefix: str = "A photo depicts "


OPTIONS = ClipScoreOptions


@dataclass(frozen=True, slots=True)
class ClipScoreTask:
    """Images (N) with captions; the first of each is scored, the others are its references."""

    spec: TaskSpec
    images: SampleSet


def build(spec: TaskSpec, sets: TaskSets) -> ClipScoreTask:
    """Return the task of the images that have captions; none with any raises `FormatError`."""
    whole = sets.test
    rows = [row for row, one in enumerate(whole.samples) if one.texts and whole.images[row] is not None]
    if not rows:
        raise FormatError(f"{spec.name} has no captions", cure="name its caption column")
    return ClipScoreTask(spec, whole.of(rows))


def run(encoder: Encoder, task: ClipScoreTask) -> Measured:
    """Return the mean scores."""
    prefix, samples = task.spec.options.prefix, task.images.samples
    images = image_embeddings(encoder, task.images.images, name=task.spec.name).astype(np.float64)
    texts = [prefix + text for sample in samples for text in sample.texts]
    embeddings = text_embeddings(encoder, texts).astype(np.float64)
    counts = np.array([len(sample.texts) for sample in samples])
    starts = np.cumsum(counts) - counts
    first = embeddings[starts]
    scores = WEIGHT * np.maximum((images * first).sum(axis=1), 0.0)
    facts: dict[str, Value] = {"unit": "number", "prefix": prefix}
    name = f"{task.spec.name}/clip-score"
    results = [share(f"{name}/clip-score", scores, setting=facts)]
    several = np.flatnonzero(counts > 1)
    if len(several):
        others = (embeddings[starts[i] + 1 : starts[i] + counts[i]] for i in several)
        nearest = np.array([float((own @ first[i]).max()) for i, own in zip(several, others, strict=True)])
        results.append(
            share(f"{name}/ref-clip-score", reciprocal_mean(scores[several], np.maximum(nearest, 0.0)), setting=facts)
        )
    if len(images) > 1:
        other = WEIGHT * np.maximum((np.roll(images, 1, axis=0) * first).sum(axis=1), 0.0)
        results.append(share(f"{name}/mismatched", other, setting=facts))
    return Measured(results)


def reciprocal_mean(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the harmonic means of non-negative numbers (N,), 0 where one of both is."""
    total = a + b
    mean: NDArray[np.float64] = np.divide(2 * a * b, total, out=np.zeros_like(a), where=total > 0)
    return mean
