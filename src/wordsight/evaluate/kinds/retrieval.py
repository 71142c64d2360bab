"""Retrieval: find an image by its caption among all images, and the captions by the image.

Results: NAME/text_to_image/R@1, R@5, R@10 and NAME/image_to_text/R@1, R@5, R@10.  An image is a hit when
any one of its captions is among the first k.  Only an image's own captions count as right, also where
another image has the same caption.  Intervals draw whole images with their captions.
R@k is what CLIP papers and CLIP_benchmark report.  Beside it stands what MIEB (mteb) reports for the same answers:
NAME/…/ndcg@10, and, where images have several captions, NAME/image_to_text/recall-of-all@5 and @10, the share of them
that is among the first k: one of five is a hit, and a recall of 20 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.encode import Encoder, image_embeddings, text_embeddings
from wordsight.evaluate.measured import Measured, hits, share
from wordsight.evaluate.metrics import best_ranks, chance_of_recall, discounted_gains, first_right
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec

PROTOCOLS = ("clip", "mieb")


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """`protocols`: whose figures are given: those of CLIP papers (always), and "mieb"."""

    protocols: tuple[str, ...] = PROTOCOLS


OPTIONS = RetrievalOptions

DEPTHS = (1, 5, 10)
SHOWN = 12  # pairs whose cosines are recorded


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """`images` (N) with captions; `texts` (T); `owners` (T,) is the number of each text's image."""

    spec: TaskSpec
    images: SampleSet
    texts: tuple[str, ...]
    owners: NDArray[np.int64]


def build(spec: TaskSpec, sets: TaskSets) -> RetrievalTask:
    """Return the task of the images that have captions; none with any raises `FormatError`."""
    for protocol in spec.options.protocols:
        if protocol not in PROTOCOLS:
            raise ConfigError(f"protocols = {protocol!r}", cure=f"use some of {', '.join(PROTOCOLS)}")
    whole = sets.test
    rows = [row for row, one in enumerate(whole.samples) if one.texts and whole.images[row] is not None]
    if not rows:
        raise FormatError(f"{spec.name} has no captions", cure="use it for zero-shot, or name its caption column")
    if len(rows) < len(whole):
        notice(f"{spec.name}: {len(whole) - len(rows)} of {len(whole)} images have no caption and are left out")
    if len(rows) == 1:
        notice(f"{spec.name} has one image with captions only: every answer is right")
    captioned = whole.of(rows)
    texts = tuple(text for sample in captioned.samples for text in sample.texts)
    owners = np.repeat(np.arange(len(captioned)), [len(sample.texts) for sample in captioned.samples])
    return RetrievalTask(spec, captioned, texts, owners)


def captions(task: RetrievalTask) -> list[str]:
    """Return the first caption of each image."""
    _, first = np.unique(task.owners, return_index=True)
    return [task.texts[row] for row in first]


def run(encoder: Encoder, task: RetrievalTask) -> Measured:
    """Return recall at 1, 5 and 10, both ways."""
    images = image_embeddings(encoder, task.images.images, name=task.spec.name)
    texts = text_embeddings(encoder, task.texts)
    numbers = np.arange(len(images))
    text_ranks = best_ranks(texts, images, query_owners=task.owners, gallery_owners=numbers)
    image_ranks = best_ranks(images, texts, query_owners=numbers, gallery_owners=task.owners)
    captions_of_each = np.bincount(task.owners)
    ways = (
        ("text_to_image", text_ranks, task.owners, np.ones(len(texts), dtype=np.int64), len(images)),
        ("image_to_text", image_ranks, numbers, captions_of_each, len(texts)),
    )
    keys = [sample.key for sample in task.images.samples]
    results, details = [], []
    for way, ranks, clusters, rights, gallery in ways:
        name = f"{task.spec.name}/{way}"
        for k in DEPTHS:
            facts: dict[str, Value] = {"gallery": gallery, "chance": chance_of_recall(rights, gallery, k)}
            results.append(share(f"{name}/R@{k}", ranks < k, clusters=clusters, setting=facts))
        asked = [keys[owner] for owner in clusters]
        details.append(hits(f"{name}/R@1", asked, ranks < 1))
    details.append(_similarities(task, images, texts))
    if "mieb" not in task.spec.options.protocols:
        return Measured(results, details)
    depth, mieb = DEPTHS[-1], {"protocol": "MIEB"}
    by_text = first_right(texts, images, query_owners=task.owners, gallery_owners=numbers, k=depth)
    by_image = first_right(images, texts, query_owners=numbers, gallery_owners=task.owners, k=depth)
    for way, first, clusters, rights, gallery in (
        ("text_to_image", by_text, task.owners, np.ones(len(texts), dtype=np.int64), len(images)),
        ("image_to_text", by_image, numbers, captions_of_each, len(texts)),
    ):
        name, facts = f"{task.spec.name}/{way}", {"gallery": gallery, **mieb}
        results.append(share(f"{name}/ndcg@{depth}", discounted_gains(first, rights), clusters=clusters, setting=facts))
        if rights.max() > 1:
            for k in DEPTHS[1:]:
                every = first[:, :k].sum(axis=1) / rights
                results.append(share(f"{name}/recall-of-all@{k}", every, clusters=clusters, setting=facts))
    return Measured(results, details)


def _similarities(task: RetrievalTask, images: Embeddings, texts: Embeddings) -> Detail:
    """Return the cosines of a few images, evenly spread, with their first captions: pairs on the diagonal."""
    rows = np.unique(np.linspace(0, len(images) - 1, SHOWN).astype(int))
    _, first = np.unique(task.owners, return_index=True)
    data = {
        "rows": [task.images.samples[row].key for row in rows],
        "columns": [task.texts[first[row]] for row in rows],
        "values": np.round((images[rows] @ texts[first[rows]].T).astype(float), 2).tolist(),
    }
    name = f"{task.spec.name}/image_to_text"
    return Detail(name, "Cosines of images and captions, pairs on the diagonal", "matrix", data)
