"""The learning rate on the way, and the clock that a time budget is read from.

With a budget the rate depends on the time that has passed, so the time read at each step is recorded;
a resumed run reads the recorded times of the steps it repeats and therefore repeats them exactly.
Time in which the program did not run is not counted.  A finished run can be made longer.  Free of PyTorch.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wordsight.base.files import storage_errors
from wordsight.base.records import whole_lines
from wordsight.train.config import ScheduleConfig

WARMUP_SHARE = 0.25  # of a run is the most that its warm-up takes, as long as the usual cooldown


def rate(schedule: ScheduleConfig, *, step: int, progress: float) -> float:
    """Return the factor of the learning rate, 0 to 1, at `step` (from 0), a share `progress` into the run."""
    warm = _climbed(schedule, steps=step + 1, share=progress)
    return warm * SHAPES[schedule.kind](min(max(progress, 0.0), 1.0), schedule.cooldown)


def _climbed(schedule: ScheduleConfig, *, steps: int, share: float) -> float:
    """Return how much of a warm-up is over after so many steps, which are a share of the run: 1 is all.

    It is over after `schedule.warmup` steps, or after `WARMUP_SHARE` of the run, whichever comes first.
    """
    by_steps = steps / schedule.warmup if schedule.warmup else 1.0
    return min(1.0, max(by_steps, share / WARMUP_SHARE))


@dataclass(frozen=True, slots=True)
class Prolonged:
    """Where a run stood when it was made longer: the step that was next, and the factor of the last one's rate.

    `progress` is the share of the whole new length at that step; 1 where none was noted.
    """

    step: int
    rate: float
    progress: float = 1.0


def rate_of(
    schedule: ScheduleConfig, *, step: int, seconds: float, length: int | None, prolonged: Prolonged | None
) -> float:
    """Return the factor of the learning rate of a step that begins after so many seconds of training.

    The run is `length` steps long, or as long as its budget.  One that was made longer goes on from the rate where it
    stood, back to that of the whole length by another warm-up, of what was left.
    """
    progress = progress_of(schedule, step=step, seconds=seconds, length=length)
    factor = rate(schedule, step=step, progress=progress)
    if prolonged is None:
        return factor
    left = 1.0 - prolonged.progress
    share = (progress - prolonged.progress) / left if left > 0 else 0.0
    climbed = _climbed(schedule, steps=step + 1 - prolonged.step, share=share)
    return min(factor, prolonged.rate + max(climbed, 0.0))


def progress_of(schedule: ScheduleConfig, *, step: int, seconds: float, length: int | None) -> float:
    """Return the share of a run that is over when `step` begins, after so many seconds."""
    return step / length if length else seconds / (schedule.seconds or 1.0)


def is_longer(schedule: ScheduleConfig, before: ScheduleConfig, batch: int) -> bool:
    """Say whether a schedule is another one, of which only the length is larger."""
    lengths = {"steps": schedule.steps, "samples": schedule.samples, "budget": schedule.budget}
    if replace(before, **lengths) != schedule:  # type: ignore[arg-type]
        return False
    sizes = [(one.seconds, one.length(batch)) for one in (before, schedule)]
    return all(then is None or (now is not None and now >= then) for then, now in zip(*sizes, strict=True)) and (
        sizes[0] != sizes[1]
    )


def _cosine(progress: float, cooldown: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def _wsd(progress: float, cooldown: float) -> float:
    return 1.0 if progress <= 1.0 - cooldown else (1.0 - progress) / cooldown


SHAPES: dict[str, Callable[[float, float], float]] = {"cosine": _cosine, "wsd": _wsd}


class TrainingClock:
    """Seconds of training at the beginning of each step, appended to a file of JSON lines.

    A step recorded before has the same time again; the clock of a resumed run goes on from the last record.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._known: dict[int, float] = (
            {line["step"]: line["seconds"] for line in whole_lines(path) if {"step", "seconds"} <= set(line)}
            if path.exists()
            else {}
        )
        self._past: float = max(self._known.values(), default=0.0)
        self._now = now
        self._started: float | None = None
        with storage_errors(path):
            _cut_half_line(path)
            self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - lives as long as the run
        self._path = path

    def at(self, step: int) -> float:
        """Return the seconds at `step`, from the record or now (and then recorded)."""
        if step in self._known:
            return self._known[step]
        if self._started is None:
            self._started = self._now()
        seconds = self._past + self._now() - self._started
        with storage_errors(self._path):
            self._file.write(f'{{"step": {step}, "seconds": {seconds!r}}}\n')
        self._known[step] = seconds
        return seconds

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Do not count the time that passes within."""
        began = self._now()
        yield
        if self._started is not None:
            self._started += self._now() - began

    @property
    def last(self) -> int:
        """The last step whose time is known."""
        return max(self._known, default=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_half_line(path: Path) -> None:
    """Drop what a killed process left of its last line."""
    if not path.exists():
        return
    with open(path, "rb+") as handle:
        content = handle.read()
        handle.truncate(content.rfind(b"\n") + 1)
