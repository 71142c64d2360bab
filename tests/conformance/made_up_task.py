"""A made-up kind of task, as a newcomer would write it: this file is all of it, beside one row of the table.

How often an image and its first caption are on the same side: their cosine is above zero.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.base.nouns import Result
from wordsight.evaluate.encode import image_embeddings, text_embeddings
from wordsight.evaluate.metrics import bootstrap_interval
from wordsight.evaluate.tasks import TaskSpec


@dataclass(frozen=True)
class PairsTask:
    spec: TaskSpec
    samples: tuple


def build(spec, samples):
    captioned = tuple(sample for sample in samples if sample.texts and sample.image is not None)
    if not captioned:
        raise FormatError(f"{spec.name} has no captions", cure="name its caption column")
    return PairsTask(spec, captioned)


def run(encoder, task):
    images = image_embeddings(encoder, [sample.image for sample in task.samples], name=task.spec.name)
    texts = text_embeddings(encoder, [sample.texts[0] for sample in task.samples])
    hits = np.sum(images * texts, axis=1) > 0
    return [
        Result(
            name=f"{task.spec.name}/pairs/positive",
            value=float(hits.mean()),
            interval=bootstrap_interval(hits),
            count=len(hits),
            fingerprint=encoder.fingerprint,
            setting={"chance": 0.5},
        )
    ]
