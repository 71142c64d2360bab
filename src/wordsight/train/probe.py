"""A classifier from labelled images, on embeddings computed once: `learn_probe(model, config)`.

out/classes.json     the linear classifier, for `wordsight classify --classes-file`
out/results.jsonl    the names alone, few images and all of them, on the same measured images
out/details.jsonl    what there is to draw, for `wordsight report`, its pictures in out/pictures
out/config.json      the recipe

The measurements are the tasks few-shot and supervised of `wordsight evaluate`.  Nothing of the model changes, and
PyTorch is not needed.  The embeddings are kept in the cache; a probe that is stopped goes on where it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.base.config import to_dict
from wordsight.base.details import DETAILS
from wordsight.base.errors import InputError
from wordsight.base.failures import list_failures
from wordsight.base.files import atomic_write, write_json
from wordsight.base.nouns import Result
from wordsight.base.records import write_results
from wordsight.data.source_files import split_named_by
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import TaskSets, read_source
from wordsight.evaluate.classes_file import LearnedClasses, write_classes
from wordsight.evaluate.classified import prompts_for
from wordsight.evaluate.kinds.few_shot import FewShotOptions, FewShotTask, by_shots
from wordsight.evaluate.kinds.supervised import LearnedTask, SupervisedOptions, of_all_labels
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import RESULTS, write_images
from wordsight.evaluate.running import with_settings
from wordsight.evaluate.sample_set import SampleSet, without_broken
from wordsight.evaluate.splits import Splits, embedded, splits_of
from wordsight.evaluate.tasks import TaskSpec
from wordsight.train.probe_recipe import CLASSES, CONFIG, ProbeConfig, check_out

FAILURES = "failures.txt"


@dataclass(frozen=True, slots=True)
class Probe:
    """What came out: the file of classes, and the results in the order of the table."""

    classes: Path
    results: list[Result]


@dataclass(frozen=True, slots=True)
class LabelledImages:
    """The images of a probe, split, as the task that `spec` says.

    `failures` are those that are left out; so many of them, `missing`, where images are measured.
    """

    spec: TaskSpec
    splits: Splits
    failures: tuple[InputError, ...]
    missing: int


def learn_probe(model: Model, config: ProbeConfig) -> Probe:
    """Measure names alone, few images and all of them on the same images, and save the linear classifier."""
    out = Path(config.out)
    check_out(out)
    with KeptModel(model) as encoder:
        images = labelled_images(encoder, config)
        list_failures([str(failure) for failure in images.failures], out / FAILURES)
        spec, splits = images.spec, images.splits
        parts = embedded(encoder, splits, name=spec.name)
        few = FewShotTask(spec, splits, prompts_for(spec, splits.names))
        whole, linear = of_all_labels(LearnedTask(_supervised(spec), splits), parts)
        measured = with_settings(by_shots(encoder, few, parts), encoder, spec, missing=images.missing).and_also(
            with_settings(whole, encoder, _supervised(spec), missing=images.missing)
        )
    write_classes(out / CLASSES, LearnedClasses(splits.names, linear, model.fingerprint))
    write_json(out / CONFIG, to_dict(config))
    return Probe(out / CLASSES, _recorded(out, measured, model.fingerprint))


def labelled_images(encoder: KeptModel, config: ProbeConfig) -> LabelledImages:
    """Read and embed the images of a probe, leave out those that cannot be, and split the others."""
    data, spec = config.data, _few_shot(config)
    apart = spec.train is not None
    failures: list[InputError] = []

    def read(location: str, split: str | None) -> SampleSet:
        samples, broken = read_source(spec, location, split, kind=data.kind)
        failures.extend(broken)
        return without_broken(samples, failures, errors_of=encoder.image_errors)

    with split_named_by("data.split="):
        learned = read(data.root, data.split)
    before = len(failures) if apart else 0
    with split_named_by("data.test_split="):
        sets = TaskSets(read(spec.place, spec.split), learned) if apart else TaskSets(learned)
    spec = replace(spec, name=learned.name)
    splits = splits_of(spec, sets, held_out=data.held_out)
    return LabelledImages(spec, splits, tuple(failures), len(failures) - before)


def _few_shot(config: ProbeConfig) -> TaskSpec:
    data = config.data
    apart = data.test is not None or data.test_split is not None
    return TaskSpec(
        "few-shot",
        data.root if data.test is None else data.test,
        split=data.test_split if apart else data.split,
        train=data.root if apart else None,
        train_split=data.split if apart else None,
        templates=config.probe.templates,
        naming="synonyms",
        seed=config.seed,
        image=data.image,
        label=data.label,
        key=data.key,
        options=FewShotOptions(config.shots, draws=config.probe.draws, held_out=data.held_out),
    )


def _supervised(spec: TaskSpec) -> TaskSpec:
    return replace(spec, kind="supervised", options=SupervisedOptions(held_out=spec.options.held_out))


def _recorded(out: Path, measured: Measured, fingerprint: str) -> list[Result]:
    """Write results, details and pictures, in the place of those of the last time; return the results."""
    write_images(out, measured.pictures)
    with atomic_write(out / DETAILS, "w") as handle:
        handle.writelines(f"{detail.to_json()}\n" for detail in measured.details)
    return write_results(out / RESULTS, measured.results, fingerprint=fingerprint)
