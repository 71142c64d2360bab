"""Zero-shot classification: each class is an embedding made of its name in many prompts, an image gets the nearest.

Results: NAME/zero-shot/top-1, top-5 (where there are more than five classes) and mean-per-class; where asked for, also
top-1/CLASS within each class that has images.  The embedding of a class is the mean of those of all its prompts
(every template with every synonym of its name), made a unit vector again (Radford et al. 2021, section 3.1.4).
Details: accuracy within each class, confusions, the worst mistakes.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wordsight.base.nouns import Result
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, PromptedTask, accuracies, classes_of, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.tasks import NoOptions, TaskSpec

OPTIONS = NoOptions


def build(spec: TaskSpec, sets: TaskSets) -> PromptedTask:
    """Return the task of the images that have a class."""
    classified = classes_of(spec, sets.test)
    return PromptedTask(spec, classified, prompts_for(spec, classified.names))


def captions(task: PromptedTask) -> list[str]:
    """Return the first prompt of each image's class."""
    return [task.prompts[label][0] for label in task.classified.labels]


def run(encoder: Encoder, task: PromptedTask) -> Measured:
    """Return top-1, top-5 and mean per class."""
    measured, name = task.classified, f"{task.spec.name}/zero-shot"
    embeddings = image_embeddings(encoder, task.images.images, name=task.spec.name)
    scores = products(embeddings, prompt_embeddings(encoder, task.prompts))  # (N, C)
    facts = prompt_facts(task.spec, measured.names, task.prompts)
    whole = accuracies(name, measured, scores, facts, top_5=True)
    if not task.spec.per_class:
        return whole
    right = label_ranks(scores, measured.labels) < 1
    return replace(whole, results=[*whole.results, *within_classes(whole.results[0], right, measured)])


def within_classes(whole: Result, right: NDArray[np.bool_], measured: Classified) -> list[Result]:
    """Return top-1 within each class that has images, `whole` being that of all images."""
    results = []
    for number, name in enumerate(measured.names):
        mine = right[measured.labels == number]
        if len(mine):
            one = share(f"{whole.name}/{name}", mine, setting={**whole.setting, "class": name})
            results.append(replace(one, fingerprint=whole.fingerprint))
    return results
