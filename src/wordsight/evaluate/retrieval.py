"""Retrieval: find an image by its caption among all images, and the captions by the image.

Results: NAME/text_to_image/R@1, R@5, R@10 and NAME/image_to_text/R@1, R@5, R@10.  An image is a hit when
any one of its captions is among the first k.  Only an image's own captions count as right, also where
another image has the same caption.  Intervals draw whole images with their captions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError
from wordsight.base.nouns import Result, Sample
from wordsight.base.progress import notice
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.metrics import best_ranks, bootstrap_interval, chance_of_recall
from wordsight.evaluate.tasks import TaskSpec

DEPTHS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """`images` (N) as their source gives them; `texts` (T); `owners` (T,) is the number of each text's image."""

    spec: TaskSpec
    images: Sequence[Any]
    texts: tuple[str, ...]
    owners: NDArray[np.int64]


def build(spec: TaskSpec, samples: Sequence[Sample]) -> RetrievalTask:
    """Return the task of the images that have captions; none with any raises `FormatError`."""
    captioned = [sample for sample in samples if sample.texts and sample.image is not None]
    if not captioned:
        raise FormatError(f"{spec.name} has no captions", cure="use it for zero-shot, or name its caption column")
    if len(captioned) < len(samples):
        notice(
            f"{spec.name}: {len(samples) - len(captioned)} of {len(samples)} images have no caption and are left out"
        )
    if len(captioned) == 1:
        notice(f"{spec.name} has one image with captions only: every answer is right")
    texts = tuple(text for sample in captioned for text in sample.texts)
    owners = np.repeat(np.arange(len(captioned)), [len(sample.texts) for sample in captioned])
    return RetrievalTask(spec, [sample.image for sample in captioned], texts, owners)


def run(encoder: Encoder, task: RetrievalTask) -> list[Result]:
    """Return recall at 1, 5 and 10, both ways."""
    images = image_embeddings(encoder, task.images, name=task.spec.name)
    texts = text_embeddings(encoder, task.texts)
    numbers = np.arange(len(images))
    text_ranks = best_ranks(texts, images, query_owners=task.owners, gallery_owners=numbers)
    image_ranks = best_ranks(images, texts, query_owners=numbers, gallery_owners=task.owners)
    captions_of_each = np.bincount(task.owners)
    ways = (
        ("text_to_image", text_ranks, task.owners, np.ones(len(texts), dtype=np.int64), len(images)),
        ("image_to_text", image_ranks, numbers, captions_of_each, len(texts)),
    )
    results = []
    for way, ranks, clusters, rights, gallery in ways:
        for k in DEPTHS:
            hits = ranks < k
            results.append(
                Result(
                    name=f"{task.spec.name}/{way}/R@{k}",
                    value=float(hits.mean()),
                    interval=bootstrap_interval(hits, clusters=clusters),
                    count=len(hits),
                    fingerprint=encoder.fingerprint,
                    setting={"gallery": gallery, "chance": chance_of_recall(rights, gallery, k)},
                )
            )
    return results
