"""A made-up kind of task, as a newcomer would write it: this file is all of it, beside one row of the table.

How often an image and its first caption are on the same side: their cosine is above zero.
"""

from dataclasses import dataclass

import numpy as np

from wordsight.base.errors import FormatError
from wordsight.evaluate.encode import image_embeddings, text_embeddings
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import NoOptions, TaskSpec

OPTIONS = NoOptions


@dataclass(frozen=True)
class PairsTask:
    spec: TaskSpec
    images: SampleSet


def build(spec, sets):
    captioned = sets.test.of(row for row, sample in enumerate(sets.test.samples) if sample.texts)
    if not len(captioned):
        raise FormatError(f"{spec.name} has no captions", cure="name its caption column")
    return PairsTask(spec, captioned)


def run(encoder, task):
    images = image_embeddings(encoder, task.images.images, name=task.spec.name)
    texts = text_embeddings(encoder, [sample.texts[0] for sample in task.images.samples])
    hits = np.sum(images * texts, axis=1) > 0
    return Measured([share(f"{task.spec.name}/pairs/positive", hits, setting={"chance": 0.5})])
