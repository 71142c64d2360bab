"""The folder of a run: which run it holds, that one process at a time works in it, what a new run may replace.

A run has begun when config.json is there, which is written when everything else is prepared: what is wrong with the
recipe or the data shows before anything is written, and leaves nothing that stands in the way of the next try.
"""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, FormatError, NotFound, UsageError, WordsightError
from wordsight.base.files import read_json, storage_errors, write_json
from wordsight.base.progress import notice
from wordsight.base.records import WITHOUT_LOCKS, whole_lines
from wordsight.evaluate.space import forget
from wordsight.train.checkpoint import list_checkpoints
from wordsight.train.config import ScheduleConfig, TrainConfig
from wordsight.train.probe_recipe import CLASSES
from wordsight.train.schedule import Prolonged, is_longer, progress_of, rate_of
from wordsight.weights.checkpoint import some
from wordsight.weights.find import MANIFEST
from wordsight.weights.manifest import TOKENIZERS

T = TypeVar("T")
CONFIG = "config.json"
BEGAN = "began.json"
PROLONGED = "prolonged.json"
CLOCK = "clock.jsonl"
LOCK = ".lock"
MODEL = "model"
# what a resumed run may have otherwise than before
FREE = ("name", "checkpoint", "validation", "export", "out", "card")
RESTORE = "restore the file, or set another out="


def check_folder(folder: Path, config: TrainConfig, *, resume: bool) -> None:
    """Raise `UsageError` when this run cannot be the one in `folder`; writes nothing."""
    with storage_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise FileExistsError(errno.EEXIST, "", str(folder))
        begun = (folder / CONFIG).exists()
        probed = (folder / CLASSES).exists()
        others = [] if begun else _others(folder)
    if probed:
        raise UsageError(f"{folder} holds the classes of a probe", cure="set another out=")
    if others:
        raise UsageError(f"{folder} holds {others[0]}, which no run has written", cure="set another out=")
    if begun and not resume and _learned(folder):
        raise UsageError(f"{folder} holds a run already", cure="add --resume to continue it, or set another out=")
    if begun and resume and _learned(folder):
        _check_same(folder / CONFIG, config)
    if not begun and list_checkpoints(folder):
        raise NotFound(f"{folder} has checkpoints, but no {CONFIG}", cure="restore that file, or set another out=")


def _others(folder: Path) -> list[str]:
    """Return the files of a model in a folder, whose vocabulary a run would replace.

    A vocabulary beside a lock is that of a run that was killed before it began.
    """
    names = (MANIFEST,) if (folder / LOCK).exists() else (MANIFEST, *TOKENIZERS.values())
    return [name for name in names if (folder / name).exists()]


def claim(folder: Path, config: TrainConfig, *, resume: bool) -> None:
    """Make room in a locked folder: what a run left that never came to a checkpoint is removed.

    With `resume` it stays where it is of the same recipe: the times of its steps are used again.
    """
    begun = (folder / CONFIG).exists()
    if resume and not begun:
        notice(f"{folder}: there is no run to resume, so one begins")
    if begun and resume and _learned(folder):
        _prolong(folder, config)
        return
    if begun and resume and _is_same(folder / CONFIG, config):
        return
    with storage_errors(folder):
        for name in TOKENIZERS.values():
            (folder / name).unlink(missing_ok=True)
        if begun:
            notice(f"{folder}: the run in it ended before its first checkpoint; beginning anew")
            for name in ("metrics.jsonl", CLOCK, BEGAN, PROLONGED, CONFIG):
                (folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / "tensorboard", ignore_errors=True)
            forget(folder)


def begin(folder: Path, config: TrainConfig, began: Mapping[str, Any]) -> None:
    """Write what the towers began from and the recipe with every value: from now on the folder holds this run."""
    write_json(folder / BEGAN, began)
    write_json(folder / CONFIG, to_dict(config))


def check_began(folder: Path, facts: Mapping[str, Any]) -> None:
    """Raise `UsageError` when the run in a folder began from other files than there are now."""
    if not (folder / BEGAN).is_file() or not (folder / CONFIG).is_file():
        return
    before = _table(_table(read_json(folder / BEGAN), folder / BEGAN).get("from"), folder / BEGAN)
    for part, now in facts.items():
        then = _table(before.get(part, {}), folder / BEGAN)
        changed = [line for key in ("fingerprint", "sha256") for line in differences(key, then.get(key), now.get(key))]
        if changed:
            problem = f"{now['name']} is not the file that the run in {folder} began from ({changed[0]})"
            raise UsageError(problem, cure="restore it, or set another out=")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock `folder`, made if absent, while the block runs; raise `UsageError` when another process has it locked.

    The system gives up the lock when the process ends, however it ends.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 - closing it would give up the lock
    with handle:
        if not _lock(handle):
            raise UsageError(f"another training works in {folder}", cure="wait until it ends, or set another out=")
        yield


def check_unlocked(folder: Path) -> None:
    """Raise `UsageError` when another process works in `folder` now; writes nothing."""
    if (folder / LOCK).exists():
        with alone_in(folder):
            pass


def _lock(handle: IO[str]) -> bool:
    """Return whether the file is locked for this process, without waiting."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing is locked there
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        notice(f"{handle.name} cannot be locked on this disk: see to it that nothing else trains there")
    return True


def _learned(folder: Path) -> bool:
    return bool(list_checkpoints(folder)) or (folder / MODEL).exists()


def _check_same(path: Path, config: TrainConfig) -> None:
    before, wanted = _table(read_json(path), path), to_dict(config)
    changed = [key for key in wanted if key not in FREE and wanted[key] != before.get(key)]
    if "schedule" in changed and is_longer(config.schedule, _schedule(before, path), config.batch):
        changed.remove("schedule")
    if changed:
        differing = [line for key in changed for line in differences(key, before.get(key), wanted[key])]
        raise UsageError(
            f"the recipe is not the one that the run in {path.parent} began with ({some(differing)})",
            cure="resume with the same recipe and --set; of the schedule, only steps, samples or budget may be larger",
        )


def prolonged(folder: Path) -> Prolonged | None:
    """Return where the run in a folder stood when it was last made longer, None when it never was."""
    if not (folder / PROLONGED).is_file():
        return None
    path = folder / PROLONGED
    return _as_written(Prolonged, _table(read_json(path), path), path)


def _prolong(folder: Path, config: TrainConfig) -> None:
    """Where the recipe makes the run longer, note the rate that it stood at, before its config.json is replaced."""
    before = _schedule(_table(read_json(folder / CONFIG), folder / CONFIG), folder / CONFIG)
    checkpoints = list_checkpoints(folder)
    if not checkpoints or not is_longer(config.schedule, before, config.batch):
        return
    step = int(checkpoints[-1].name.rpartition("-")[2])
    lines = whole_lines(folder / CLOCK) if (folder / CLOCK).exists() else ()
    clock = {line.get("step"): float(line.get("seconds", 0.0)) for line in lines}
    stood = rate_of(
        before,
        step=max(step - 1, 0),
        seconds=clock.get(step - 1, 0.0),
        length=before.length(config.batch),
        prolonged=prolonged(folder),
    )
    length = config.schedule.length(config.batch)
    progress = progress_of(config.schedule, step=step, seconds=clock.get(step, 0.0), length=length)
    write_json(folder / PROLONGED, to_dict(Prolonged(step, stood, progress)))
    lengths = "; ".join(differences("schedule", to_dict(before), to_dict(config.schedule)))
    notice(
        f"{folder} goes on for longer after step {step} ({lengths}): its learning rate climbs from {stood:.2f} of "
        f"optimiser.lr to that of the whole length within {config.schedule.warmup} steps, or a quarter of what is left"
    )


def _schedule(before: Mapping[str, Any], path: Path) -> ScheduleConfig:
    return _as_written(ScheduleConfig, _table(before.get("schedule"), path), path)


def _table(value: Any, path: Path) -> dict[str, Any]:
    """Return a part of a file that is an object; another is a `FormatError`."""
    if not isinstance(value, dict):
        raise FormatError(f"{path} is not what was written", cure=RESTORE)
    return value


def _as_written(kind: type[T], values: dict[str, Any], path: Path) -> T:
    try:
        return from_dict(kind, values)
    except ConfigError as error:
        raise FormatError(f"{path} is not what was written: {error.problem}", cure=RESTORE) from None


def _is_same(path: Path, config: TrainConfig) -> bool:
    try:
        _check_same(path, config)
    except WordsightError:
        return False
    return True


def differences(name: str, before: object, wanted: object) -> list[str]:
    """Return a line "a.b: before -> wanted" for each value below a dotted key that differs."""
    if before == wanted:
        return []
    if isinstance(before, dict) and isinstance(wanted, dict):
        keys = {**before, **wanted}
        return [line for key in keys for line in differences(f"{name}.{key}", before.get(key), wanted.get(key))]
    return [f"{name}: {_stated(before)} -> {_stated(wanted)}"]


def _stated(value: object) -> str:
    return "unset" if value is None else str(value)
