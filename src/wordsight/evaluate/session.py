"""Many tasks on one model: what is known is not measured again, what fails does not stop the others.

    for outcome in measure(Measurement(model="bundled", out=Path("results")), specs):
        outcome.measured or outcome.error

Embeddings are kept (`wordsight.embeddings.kept`), so the tasks of one place share them.
"""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from multiprocessing import get_context
from pathlib import Path

from wordsight.base.errors import InputError, StorageError, WordsightError
from wordsight.base.files import sha256_bytes
from wordsight.base.processor import cores
from wordsight.base.progress import is_quiet, set_quiet
from wordsight.base.reading import sha256_file
from wordsight.base.records import environment
from wordsight.embeddings import model as models
from wordsight.embeddings.kept import KeptModel
from wordsight.evaluate.building import OR_SKIP, SetReader, TaskSets, build_from, settled
from wordsight.evaluate.measured import Measured
from wordsight.evaluate.recorder import Recorder, stated
from wordsight.evaluate.running import run_task
from wordsight.evaluate.tasks import PLACES, TaskSpec, with_options
from wordsight.images.transform import Quality

RUN_MODEL = "model"  # the folder of the model in that of a training run, which names it better
PROTOCOL = 1  # version of how tasks are measured: of another one, what was recorded is measured again
USUAL = {"engine": "auto", "precision": "auto", "pixels": "fast"}  # what results state where it is asked otherwise
THREADS = "OMP_NUM_THREADS"  # of a worker process's engine


@dataclass(frozen=True, slots=True)
class Measurement:
    """How tasks are measured: the model and its engine, the folder for what comes of it, and what is left out.

    `engine`, `device`, `precision` and `pixels` are those of `wordsight.embeddings.model.load`.  With `skip_failed`
    entries and images that cannot be read are left out of the sets; with `again` what `out` has already is measured
    anew.
    """

    model: str | None = None
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    pixels: Quality = "fast"
    out: Path | None = None
    skip_failed: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: `measured`, or the `error` why not, or why it is not recorded; `failures` were left out.

    `known` says that it was measured before.
    """

    spec: TaskSpec
    measured: Measured | None = None
    error: WordsightError | None = None
    failures: list[InputError] = field(default_factory=list)
    known: bool = False


def measure(order: Measurement, specs: Sequence[TaskSpec]) -> Iterator[Outcome]:
    """Measure the tasks in order, one outcome each.  A model that cannot be loaded raises what `load` does."""
    recorder = Recorder(order.out) if order.out else None
    facts = environment()
    failures: list[InputError] = []
    model = models.load(
        order.model, engine=order.engine, device=order.device, precision=order.precision, pixels=order.pixels
    )
    with KeptModel(model) as encoder:
        reader = SetReader(failures=failures if order.skip_failed else None, errors_of=encoder.image_errors)
        for spec in specs:
            failures.clear()
            try:
                outcome = _outcome(order, encoder, spec, reader, recorder, facts)
            except InputError as error:
                cure = error.cure if order.skip_failed else OR_SKIP
                outcome = Outcome(spec, error=InputError(error.problem, cure=cure))
            except WordsightError as error:
                outcome = Outcome(spec, error=error)
            yield replace(outcome, failures=list(failures))


def _outcome(
    order: Measurement,
    encoder: KeptModel,
    spec: TaskSpec,
    reader: SetReader,
    recorder: Recorder | None,
    facts: dict[str, str | int],
) -> Outcome:
    sets = reader.sets(spec)
    spec = with_options(settled(spec, sets))
    label = _label(order.model, encoder)
    key = task_key(encoder, spec, sets, label)
    if recorder and not order.again and (known := recorder.known(key)):
        return Outcome(spec, known, known=True)
    measured = run_task(encoder, build_from(spec, sets), missing=reader.missing(spec))
    asked = {name: value for name, usual in USUAL.items() if (value := getattr(order, name)) != usual}
    measured = stated(measured, task=key, model=label, environment={**facts, **encoder.computed_by}, **asked)
    try:
        if recorder:
            measured = recorder.keep(key, measured, again=order.again)
    except StorageError as error:  # what was measured is told all the same
        return Outcome(spec, measured, error)
    return Outcome(spec, measured)


def _label(name: str | None, encoder: KeptModel) -> str:
    """Return what the model is called in results: as it was typed; a file or folder by its name, or by its run's."""
    if name is None:
        return encoder.name
    path = Path(os.path.abspath(name))
    return (path.parent.name if path.name == RUN_MODEL else path.name) if os.path.exists(name) else name


def task_key(encoder: KeptModel, spec: TaskSpec, sets: TaskSets, label: str) -> str:
    """Return 16 hexadecimal digits of a measurement: the task, the content of its sets, the model and its engine."""
    own = {key: value for key, value in asdict(replace(spec, options=None)).items() if key not in PLACES}
    if isinstance(spec.templates, str):
        del own["templates"]  # a file counts by its content, wherever it lies
    own["options"] = {one.name: getattr(spec.options, one.name) for one in fields(spec.options) if not one.metadata}
    own |= {"shifts": [one.name for one in sets.shifted]} if sets.shifted else {}  # their results stand under these
    everything = (sets.test, sets.train, sets.val, *sets.shifted)
    contents = [one.digest(encoder.image_digest) if one else None for one in everything]
    whole = [PROTOCOL, own, contents, encoder.kept_as, label, _named(spec)]
    return sha256_bytes(json.dumps(whole, default=str, sort_keys=True).encode())[:16]


def _named(spec: TaskSpec) -> list[str]:
    """Return what names the content of what a task names besides its sets: lists or files, another model."""
    texts = [spec.templates, getattr(spec.options, "pool", None)]
    content = [sha256_file(text) if os.path.isfile(text) else text for text in texts if isinstance(text, str)]
    other = getattr(spec.options, "model", None)
    return [*content, *([models.load(other).fingerprint] if other else [])]


def measure_apart(orders: Sequence[Measurement], specs: Sequence[TaskSpec], *, processes: int) -> Iterator[Outcome]:
    """Measure every task on the model of every order, in several processes; outcomes come in order.

    Tasks of one place stay in one process, where they share its images.
    """
    groups: dict[tuple[str, str | None], list[TaskSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.place, spec.split), []).append(spec)
    units = [(order, group) for order in orders for group in groups.values()]
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(max(1, cores() // processes))
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for outcomes in pool.map(_unit, units, [is_quiet()] * len(units)):
                yield from outcomes
    finally:
        if before is None:
            del os.environ[THREADS]


def _unit(unit: tuple[Measurement, list[TaskSpec]], quiet: bool) -> list[Outcome]:
    set_quiet(quiet)
    order, specs = unit
    try:
        return list(measure(order, specs))
    except WordsightError as error:  # of the model
        return [Outcome(spec, error=error) for spec in specs]
