"""From a `TaskSpec` to a task: its sources are read, and its kind makes of them what it measures.

    task = build_task(spec, failures=failures)
    task = build_of(TaskSpec("retrieval", "held out", name="held-out"), samples)       # of samples in memory

Does not know models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, InputError
from wordsight.base.nouns import Sample
from wordsight.base.progress import notice
from wordsight.data.evaluation_layout import EvaluationLayout, layout_of
from wordsight.data.kinds import AUTO, without_suffix
from wordsight.data.source import Columns, open_source
from wordsight.evaluate.sample_set import (
    ImageErrors,
    SampleSet,
    decoded,
    decoding_errors,
    in_memory,
    read_samples,
    spread,
    without_broken,
)
from wordsight.evaluate.tasks import TaskSpec, check_task, kind_module, with_options, without_unread
from wordsight.images.spec import PreprocessSpec

DEFAULT_TEMPLATES = "photo"
SetAddress = tuple[str, str | None, Columns, int | None, Any]  # what names a set that was read
NOTHING_STATED = EvaluationLayout()
OR_SKIP = "mend or remove what cannot be read, or measure without it: evaluate has --skip-failed"


@dataclass(frozen=True, slots=True)
class TaskSets:
    """The images of a task: those measured on, and those that are learned from and chosen by, where it names them.

    `shifted` are further sets of the same classes, as the option `shifts` names them.  `layout` is what the set states
    of itself: all its classes, its templates.
    """

    test: SampleSet
    train: SampleSet | None = None
    val: SampleSet | None = None
    shifted: tuple[SampleSet, ...] = ()
    layout: EvaluationLayout = NOTHING_STATED


class SetReader:
    """Reads the sets of tasks; the last few stay in memory, since tasks of one place follow each other.

    Relative places lie in `root`.  With a list of `failures`, entries and images that cannot be read are added to it
    and left out; otherwise they raise `InputError`, since a gallery with holes would be another task.  `errors_of` says
    which images those are: those that `decoding_errors` cannot decode, or that `KeptModel.image_errors` cannot embed.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        failures: list[InputError] | None = None,
        errors_of: ImageErrors = decoding_errors,
        kept: int = 4,
    ) -> None:
        self._root, self._failures, self._errors_of, self._kept = root, failures, errors_of, kept
        self._sets: dict[SetAddress, tuple[SampleSet, list[InputError]]] = {}
        self._missing: dict[SetAddress, int] = {}  # of all sets that were read, also those that are gone

    def sets(self, spec: TaskSpec) -> TaskSets:
        """Return the sets that a task names and its kind reads."""
        spec = without_unread(spec)
        test = self._read(spec, spec.place, spec.split)
        train = val = None
        if spec.train is not None or spec.train_split is not None:
            train = self._read(replace(spec, limit=None), spec.train or spec.place, spec.train_split)
        if spec.val is not None or spec.val_split is not None:
            val = self._read(replace(spec, limit=None), spec.val or spec.place, spec.val_split)
        if val is not None and val is train:
            notice_no_val(spec.name or val.name)
            val = None
        return TaskSets(test, train, val, self.shifted(spec), self._layout(spec))

    def shifted(self, spec: TaskSpec) -> tuple[SampleSet, ...]:
        """Return the sets that the option `shifts` of a task names."""
        shifts: tuple[str, ...] = getattr(with_options(spec).options, "shifts", ())
        return tuple(self._read(spec, location, None) for location in shifts)

    def _layout(self, spec: TaskSpec) -> EvaluationLayout:
        columns = Columns(image=spec.image, captions=spec.captions, label=spec.label, key=spec.key)
        return layout_of(self._root / spec.place if self._root else spec.place, columns=columns)

    def missing(self, spec: TaskSpec) -> int:
        """Return how many of the measured images of a task, just read, are left out because they cannot be read."""
        return self._missing[_address(with_options(spec), spec.place, spec.split)]

    def _read(self, spec: TaskSpec, location: str, split: str | None) -> SampleSet:
        known = _address(with_options(spec), location, split)
        if known in self._sets:
            images, failures = self._sets[known]
        else:
            images, failures = self._open(with_options(spec), location, split)
            if len(self._sets) >= self._kept:
                del self._sets[next(iter(self._sets))]
            self._sets[known], self._missing[known] = (images, failures), len(failures)
        if self._failures is not None:
            self._failures += failures
        return images

    def _open(self, spec: TaskSpec, location: str, split: str | None) -> tuple[SampleSet, list[InputError]]:
        path = self._root / location if self._root else Path(location)
        read = getattr(kind_module(spec.kind), "read_set", read_source)
        images, failures = read(spec, path if self._root else location, split)
        if self._failures is None and failures:
            more = f" (and {len(failures) - 1} more of {images.name})" if len(failures) > 1 else ""
            raise InputError(f"{failures[0].problem}{more}", cure=OR_SKIP)
        if self._failures is not None:
            images = without_broken(images, failures, errors_of=self._errors_of)
        if not len(images):
            why = f" that can be read: {failures[0].problem}" if failures else ""
            raise FormatError(f"{images.name} has no images{why}", cure="check the path and the split")
        return images, failures


def read_source(
    spec: TaskSpec, location: str | Path, split: str | None, *, kind: str = AUTO, masks: str | None = None
) -> tuple[SampleSet, list[InputError]]:
    """Return the samples of a source, as a task reads them, and what could not be read.

    `kind` is the source's, `masks` says where its label images lie (`Columns`).
    """
    columns = Columns(image=spec.image, captions=spec.captions, label=spec.label, key=spec.key, masks=masks)
    source = open_source(location, split=split, kind=kind, columns=columns)
    path = Path(location)
    name = path.resolve().name if path.is_dir() else source.name.split("/")[0]
    return read_samples(source.samples(), name, limit=spec.limit)


def _address(spec: TaskSpec, location: str, split: str | None) -> SetAddress:
    """Return what names a set: where it is and how it is read, by the options too where the kind reads it itself."""
    columns = Columns(image=spec.image, captions=spec.captions, label=spec.label, key=spec.key)
    own = (spec.kind, spec.options, spec.seed) if hasattr(kind_module(spec.kind), "read_set") else None
    return location, split, columns, spec.limit, own


def build_task(
    spec: TaskSpec,
    *,
    root: Path | None = None,
    failures: list[InputError] | None = None,
    most: int | None = None,
    pixels: PreprocessSpec | None = None,
) -> Any:
    """Return the task of a spec; a relative path lies in `root`.

    With `most` it is a quicker task, of so many of its images (see `spread`); with `pixels` they are decoded now.

    A source with unreadable entries raises `InputError`: a gallery with holes would be another task.  With a list of
    `failures` they are added to it instead, broken images too, and left out.
    """
    check_task(spec)
    sets = SetReader(root, failures=failures).sets(spec)
    test = sets.test if most is None else spread(sets.test, most)
    return build_from(spec, replace(sets, test=test if pixels is None else decoded(test, pixels)))


def build_of(spec: TaskSpec, samples: Sequence[Sample], *, pixels: PreprocessSpec | None = None) -> Any:
    """Return the task that `spec` makes of samples that were read already, decoded where `pixels` says how."""
    test = in_memory(spec.name, samples)
    shifted = SetReader().shifted(spec)
    return build_from(spec, TaskSets(test if pixels is None else decoded(test, pixels), shifted=shifted))


def build_from(spec: TaskSpec, sets: TaskSets) -> Any:
    """Return the task that `spec` makes of its sets."""
    spec = with_options(settled(spec, sets))
    return kind_module(spec.kind).build(spec, sets)


def notice_no_val(name: str) -> None:
    """Say that a val without images of its own is none."""
    notice(f"{name}: val has the images of train: it is left out, and a share of train is held out to choose by")


def settled(spec: TaskSpec, sets: TaskSets) -> TaskSpec:
    """Return the spec with what it leaves to the set: its name, and the classes and templates that the set states.

    The classes are those of its labels' own column; where another is named, those that occur are taken.
    Keys of sets that the kind does not read are left out, and those of a val that is train.
    """
    spec = without_unread(spec)
    if sets.val is None:
        spec = replace(spec, val=None, val_split=None)
    layout = sets.layout
    classes = layout.classes if layout.classes is not None and _covers(layout.classes, sets.test) else None
    return replace(
        spec,
        name=spec.name or without_suffix(sets.test.name),
        classes=spec.classes or classes,
        templates=spec.templates or layout.templates or DEFAULT_TEMPLATES,
        naming=spec.naming or ("exact" if classes and not spec.classes and layout.naming == "exact" else "synonyms"),
    )


def _covers(classes: Sequence[str], images: SampleSet) -> bool:
    """Say whether all classes that occur in the images are among those that a set states."""
    known = set(classes)
    return all(known.issuperset(sample.labels or filter(None, [sample.label])) for sample in images.samples)
