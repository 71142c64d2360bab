"""What all the labels give: a linear classifier on every image that is not measured on, or a model that was tuned.

Results: NAME/supervised/top-1 and mean-per-class.  Logistic regression on embeddings, its regularisation chosen on the
val images, then fitted to those too (`wordsight.evaluate.linear`).  With `model` that model is measured instead, by
the names of the classes: it counts as supervised, having been tuned on the labels.
Details: accuracy within each class, confusions, the worst mistakes.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

from wordsight.base.value import Value
from wordsight.embeddings import model as models
from wordsight.embeddings.kept import KeptModel
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import accuracies, check_share, prompt_facts, prompts_for
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.linear import Linear, fit_all
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.splits import EmbeddedSplits, Splits, embedded, splits_of
from wordsight.evaluate.tasks import NAME_OR_MODEL, TaskSpec


@dataclass(frozen=True, slots=True)
class SupervisedOptions:
    """`model`: a tuned one by name or path; `held_out`: the share of images that are measured on, and chosen by."""

    model: str | None = field(default=None, metadata=NAME_OR_MODEL)
    held_out: float = 0.2


OPTIONS = SupervisedOptions
SETS = ("train", "val")


@dataclass(frozen=True)
class LearnedTask:
    """Images to learn classes from and to measure on."""

    spec: TaskSpec
    splits: Splits

    @cached_property
    def images(self) -> SampleSet:
        """The images that are measured on."""
        return self.splits.test.images


def build(spec: TaskSpec, sets: TaskSets) -> LearnedTask:
    """Return the task; a share that leaves nothing is a `ConfigError`."""
    check_share(spec.options.held_out)
    return LearnedTask(spec, splits_of(spec, sets, held_out=spec.options.held_out))


def run(encoder: Encoder, task: LearnedTask) -> Measured:
    """Return the accuracy of the linear classifier on all labels, or of the tuned model."""
    if task.spec.options.model is not None:
        return _tuned(task)
    measured, _ = of_all_labels(task, embedded(encoder, task.splits, name=task.spec.name))
    return measured


def of_all_labels(task: LearnedTask, parts: EmbeddedSplits) -> tuple[Measured, Linear]:
    """Return the accuracy of the linear classifier on all labels of embedded images, and the classifier."""
    linear, strength = fit_all(parts.train, parts.val, classes=len(parts.names))
    scores = linear.scores(parts.test.embeddings)
    facts: dict[str, Value] = {"images": len(parts.train) + len(parts.val), "strength": f"{strength:.3g}"}
    return accuracies(f"{task.spec.name}/supervised", task.splits.test, scores, facts), linear


def _tuned(task: LearnedTask) -> Measured:
    test = task.splits.test
    prompts = prompts_for(task.spec, test.names)
    with KeptModel(models.load(task.spec.options.model)) as tuned:
        embeddings = image_embeddings(tuned, test.images.images, name=task.spec.name)
        scores = products(embeddings, prompt_embeddings(tuned, prompts))
        facts = {**prompt_facts(task.spec, test.names, prompts), "tuned": tuned.name}
        measured = accuracies(f"{task.spec.name}/supervised", test, scores, facts)
        results = [replace(result, fingerprint=tuned.fingerprint) for result in measured.results]
        return replace(measured, results=results)
