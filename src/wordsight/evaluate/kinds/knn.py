"""Classes from the nearest labelled images: what an embedding is worth without learning anything.

Results: NAME/knn/top-1, top-5 and mean-per-class, by `k` neighbours weighted by exp(cosine / temperature), as DINO's
evaluation does (Caron et al. 2021); `k=0` chooses it on the val images: the setting then
has `k_chosen`.
Details: accuracy within each class, confusions, the worst mistakes.
"""

from dataclasses import dataclass

from wordsight.base.errors import ConfigError
from wordsight.base.progress import notice
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import accuracies
from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.kinds import supervised
from wordsight.evaluate.kinds.supervised import LearnedTask
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.neighbours import NEIGHBOURS, TEMPERATURE, choose_k, vote
from wordsight.evaluate.splits import embedded
from wordsight.evaluate.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class KnnOptions:
    """`k`: how many neighbours, 0: as the val images choose; `temperature`; `held_out`: as elsewhere."""

    k: int = NEIGHBOURS
    temperature: float = TEMPERATURE
    held_out: float = 0.2


OPTIONS = KnnOptions
SETS = ("train", "val")


def build(spec: TaskSpec, sets: TaskSets) -> LearnedTask:
    """Return the task; options that cannot be are `ConfigError`s."""
    if spec.options.k < 0:
        raise ConfigError(f"k = {spec.options.k}", cure="give 1 or more, or 0: as val images choose")
    if not spec.options.temperature > 0:
        raise ConfigError(f"temperature = {spec.options.temperature}", cure="give a number above 0, such as 0.07")
    return supervised.build(spec, sets)


def run(encoder: Encoder, task: LearnedTask) -> Measured:
    """Return the accuracy of the neighbours' votes."""
    parts = embedded(encoder, task.splits, name=task.spec.name)
    classes, temperature = len(parts.names), task.spec.options.temperature
    k = task.spec.options.k or choose_k(parts.train, parts.val, classes=classes, temperature=temperature)
    learned = parts.train.also(parts.val)
    if k > len(learned):
        notice(f"{task.spec.name}: k = {k:,} of {len(learned):,} images: all of them are neighbours")
        k = len(learned)
    votes = vote(learned, parts.test.embeddings, classes=classes, k=k, temperature=temperature)
    facts: dict[str, Value] = {"images": len(learned), "k": k}
    if not task.spec.options.k:
        facts["k_chosen"] = True
    return accuracies(f"{task.spec.name}/knn", task.splits.test, votes, facts, top_5=True)
