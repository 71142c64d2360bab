"""Prompt search that is honest: templates chosen on val images, reported on the measured ones, with the number tried.

Results: NAME/prompts/chosen/top-1, NAME/prompts/all/top-1 (every template of the list) and NAME/prompts/gain, what the
chosen ones have more than all, on the measured images.  The setting states how many sets were tried and the accuracy
on the images that they were chosen by, which flatters.
Details: the accuracy on both by the number of templates chosen, and every single template.
"""

from dataclasses import dataclass, field

from wordsight.base.arrays import Embeddings
from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.base.value import Value
from wordsight.evaluate.building import TaskSets
from wordsight.evaluate.classified import Classified, check_share, prompt_facts
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.linear import Labelled
from wordsight.evaluate.measured import Measured, share
from wordsight.evaluate.metrics import label_ranks
from wordsight.evaluate.prompt_search import combine_templates, judge_templates, search_templates
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.splits import notice_seen, val_and_test
from wordsight.evaluate.tasks import NAME_OR_FILE, TaskSpec
from wordsight.text.prompts import class_prompts, templates


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """`pool`: the list or file of templates to choose from; `most`: how many at most; `held_out`: as elsewhere."""

    pool: str = field(default="clip", metadata=NAME_OR_FILE)
    most: int = 7
    held_out: float = 0.2


OPTIONS = PromptOptions
SETS = ("val", "train")
FIRST_SET_ALONE = True


@dataclass(frozen=True, slots=True)
class PromptTask:
    """The images to choose by and those to report on; `patterns` (T) are the templates to choose from."""

    spec: TaskSpec
    val: Classified
    test: Classified
    patterns: tuple[str, ...]

    @property
    def images(self) -> SampleSet:
        """The images that are reported on."""
        return self.test.images


def build(spec: TaskSpec, sets: TaskSets) -> PromptTask:
    """Return the task: everything that is not measured on may be chosen by."""
    check_share(spec.options.held_out)
    val, test = val_and_test(spec, sets, held_out=spec.options.held_out)
    return PromptTask(spec, val, test, tuple(templates(spec.options.pool)))


def run(encoder: Encoder, task: PromptTask) -> Measured:
    """Return what the chosen templates and all of them reach on images that did not choose."""
    names, name = task.test.names, f"{task.spec.name}/prompts"
    val, test = (
        Labelled(image_embeddings(encoder, part.images.images, name=task.spec.name), part.labels)
        for part in (task.val, task.test)
    )
    notice_seen(val.embeddings, test.embeddings, task.spec.name, way="chosen by")
    filled = [[tuple(class_prompts(one, [pattern])) for one in names] for pattern in task.patterns]
    flat = prompt_embeddings(encoder, [texts for of_template in filled for texts in of_template])
    per_template = flat.reshape(len(task.patterns), len(names), -1)  # (T, C, E)
    search = search_templates(per_template, val, most=task.spec.options.most)
    report = judge_templates(per_template, search.chosen, validation=val, test=test)
    facts: dict[str, Value] = {
        **prompt_facts(task.spec, names, [texts for of_template in filled for texts in of_template]),
        "templates": task.spec.options.pool,
        "tried": search.tried,
    }

    def of(chosen: list[int], which: str, validation: float) -> Result:
        ranks = label_ranks(products(test.embeddings, combine_templates(per_template, chosen)), test.labels)
        stated = {**facts, "validation": validation, "validation_images": len(val)}
        return share(f"{name}/{which}/top-1", ranks < 1, setting=stated)

    results = [
        of(list(search.chosen), "chosen", report.chosen.validation),
        of(list(range(len(task.patterns))), "all", report.all.validation),
    ]
    gained = results[0].value - results[1].value
    difference = {key: value for key, value in facts.items() if key != "chance"} | {"unit": "difference"}
    results.append(Result(f"{name}/gain", gained, report.gain, len(test), setting=difference))
    steps = [
        [number + 1, float(accuracy), _top_1(test, combine_templates(per_template, search.chosen[: number + 1]))]
        for number, accuracy in enumerate(search.accuracies)
    ]
    lines = {
        "x": "templates chosen",
        "y": "top-1",
        "percent": True,
        "series": [
            {"name": "images that chose", "points": [[x, chosen] for x, chosen, _ in steps], "band": None},
            {"name": "other images", "points": [[x, other] for x, _, other in steps], "band": None},
        ],
    }
    singles = [
        [task.patterns[i], f"{100 * report.singles[i].validation:.1f} %", f"{100 * report.singles[i].test:.1f} %"]
        for i in sorted(range(len(task.patterns)), key=lambda i: -report.singles[i].validation)
    ]
    chosen = [[task.patterns[i], f"{100 * a:.1f} %"] for i, a in zip(search.chosen, search.accuracies, strict=True)]
    return Measured(
        results,
        [
            Detail(name, "Chosen templates, in the order of their choice", "table", _table("with it", chosen)),
            Detail(name, "What they are worth on the images that chose, and on others", "lines", lines),
            Detail(name, "Every template alone", "table", {"head": ["template", "val", "measured"], "rows": singles}),
        ],
    )


def _top_1(images: Labelled, classes: Embeddings) -> float:
    return float((label_ranks(products(images.embeddings, classes), images.labels) < 1).mean())


def _table(value: str, rows: list[list[str]]) -> dict[str, object]:
    return {"head": ["template", value], "rows": rows}
