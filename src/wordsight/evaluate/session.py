"""Many tasks on one model: what is known is not measured again, what fails does not stop the others.

    for outcome in measure(Measurement(model="bundled", out=Path("results")), specs):
        outcome.measured or outcome.error

Embeddings are kept (`wordsight.embeddings.kept`), so the tasks of one place share them.
"""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, fields, replace
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
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
USUAL = {"engine": "auto", "precision": "auto", "pixels": "fast"}  # what results state where it is asked otherwise
PROTOCOL = 2  # version of how tasks are measured: of another one, what was recorded is measured again
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
    """What came of a task: `measured`, or the `error` why not, or what of it was not written; `failures` were left out.

    `known` says that it was measured before.
    """

    spec: TaskSpec
    measured: Measured | None = None
    error: WordsightError | None = None
    failures: list[InputError] = field(default_factory=list)
    known: bool = False


NAMED = 5  # tasks that an error names
Unit = tuple[Measurement, Sequence[TaskSpec]]  # what one process measures at a time


class Lost(WordsightError):
    """A process of several was stopped from outside, and what it measured is lost."""

    exit_status = 1


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
    missing = reader.missing(spec)
    key = task_key(encoder, spec, sets, label, missing=missing)
    if recorder and not order.again and (known := recorder.known(key)):
        return Outcome(spec, known, known=True)
    measured = run_task(encoder, build_from(spec, sets), missing=missing)
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


def task_key(encoder: KeptModel, spec: TaskSpec, sets: TaskSets, label: str, *, missing: int = 0) -> str:
    """Return 16 hexadecimal digits of a measurement: the task, the content of its sets, the model and its engine.

    `missing` is how many of the measured images were left out, which results state.
    """
    own = {key: value for key, value in asdict(replace(spec, options=None)).items() if key not in PLACES}
    if isinstance(spec.templates, str):
        del own["templates"]  # a file counts by its content, wherever it lies
    own["options"] = {one.name: getattr(spec.options, one.name) for one in fields(spec.options) if not one.metadata}
    if missing:
        own["missing"] = missing
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

    Tasks of one place stay in one process, where they share its images.  When the system stops one of the processes,
    what was not done yet has a `Lost` as its error.  The processes end with this one, and when nobody goes on asking.
    """
    groups: dict[tuple[str, str | None], list[TaskSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.place, spec.split), []).append(spec)
    units = [(order, group) for order in orders for group in groups.values()]
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(is_quiet(),))
    others, workers = set(active_children()), set()
    try:
        with _threads(processes), _without_interrupts():  # which the processes inherit
            futures = [_submitted(pool, unit) for unit in units]
            workers = set(active_children()) - others
        yield from _outcomes_of(units, futures)
    except BaseException:
        for worker in workers:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, unit: Unit) -> Future[list[Outcome]]:
    try:
        return pool.submit(_unit, unit)
    except BrokenProcessPool as error:  # a process was stopped as early as this
        future: Future[list[Outcome]] = Future()
        future.set_exception(error)
        return future


def _outcomes_of(units: Sequence[Unit], futures: Sequence[Future[list[Outcome]]]) -> Iterator[Outcome]:
    """Yield what comes of each unit; one line for all that are lost."""
    lost: Lost | None = None
    for (_, specs), future in zip(units, futures, strict=True):
        try:
            yield from future.result()
        except BrokenProcessPool:
            if lost is None:
                lost = _lost([unit for unit, one in zip(units, futures, strict=True) if _is_lost(one)])
            yield from (Outcome(spec, error=lost) for spec in specs)


def _is_lost(future: Future[list[Outcome]]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _lost(units: Sequence[Unit]) -> Lost:
    names = [f"{spec.kind}:{spec.place}" for _, specs in units for spec in specs]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    problem = "a process was stopped by the system, perhaps out of memory, and nothing came back of"
    return Lost(f"{problem} {', '.join(names[:NAMED])}{more}", cure="measure with fewer --processes")


def _unit(unit: Unit) -> list[Outcome]:
    """Measure tasks on one model in a process of its own; what fails once all are done is told with the last."""
    order, specs = unit
    outcomes: list[Outcome] = []
    try:
        for outcome in measure(order, specs):
            outcomes.append(outcome)  # noqa: PERF402 - those before an error stay
    except WordsightError as error:
        if len(outcomes) < len(specs):  # of the model
            return outcomes + [Outcome(spec, error=error) for spec in specs[len(outcomes) :]]
        for number in [n for n, one in enumerate(outcomes) if one.error is None][-1:]:
            outcomes[number] = replace(outcomes[number], error=error)
    return outcomes


def _begin(quiet: bool) -> None:
    """Begin a process that measures: it ends with its parent, which alone is told of Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_quiet(quiet)
    if (parent := parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # whatever it does: nobody would take what comes of it


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait while the block runs; processes that it starts are never told of it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _threads(processes: int) -> Iterator[None]:
    """State how many threads each of the processes has that the block starts."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(max(1, cores() // processes))
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]
