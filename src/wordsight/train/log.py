"""What is shown and recorded of a run while it goes on: metrics.jsonl, TensorBoard, the progress bar.

A line of metrics.jsonl holds nothing that depends on the clock, so a resumed run writes the same lines;
the times are in clock.jsonl.
"""

import importlib.util
import json
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wordsight.base.files import atomic_write
from wordsight.base.progress import SPOKEN, bar, notice
from wordsight.base.records import append_line, whole_lines

METRICS = "metrics.jsonl"
WINDOW = 100  # the speed shown is that of the last so many steps
DRAWN = 0.1  # seconds between two states of the bar


class MetricsLog:
    """Writes the metrics of a run that stands at `step`; lines of later steps, from before a crash, are dropped.

    At step 0 all are, also those of the validation before the first step: it is measured again.
    """

    def __init__(self, run: Path, *, step: int) -> None:
        self._path = run / METRICS
        if self._path.exists():
            kept = [line for line in whole_lines(self._path) if step and line.get("step", step + 1) <= step]
            with atomic_write(self._path, "w") as handle:
                handle.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
        self._board = _open_board(run / "tensorboard", step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add one line of values after `step` steps."""
        append_line(self._path, {"step": step, **values})
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close what is open."""
        if self._board is not None:
            self._board.close()


def _open_board(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        notice("no TensorBoard log: pip install tensorboard", once=True)
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1)


class Progress:
    """The bar: loss, pairs a second, time left.  Without a terminal, a line at the first step and every half minute."""

    def __init__(self, *, length: int | None, seconds: float | None, batch: int) -> None:
        self._length = length
        self._seconds = seconds
        self._batch = batch
        self._bar = bar(100, unit="%", desc="learning")
        self._bar.bar_format = "{percentage:3.0f}%|{bar}| {desc}"
        self._seen: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._spoken: float | None = None

    def show(self, step: int, elapsed: float, measured: Tensor) -> None:
        """Print where the run is: `step` steps done, `elapsed` seconds counted, of the last step what was measured."""
        now = time.monotonic()
        self._seen.append((step, now))
        if self._spoken is not None and now - self._spoken < (SPOKEN if self._bar.disable else DRAWN):
            return
        self._spoken = now
        text = f"step {step} · loss {float(measured[0]):.3f}{self._speed(step, elapsed)}"
        if self._bar.disable:
            notice(text)
        else:
            done = elapsed / self._seconds if self._seconds else step / max(self._length or 1, 1)
            self._bar.n = min(100, 100 * done)
            self._bar.set_description_str(text)

    def _speed(self, step: int, elapsed: float) -> str:
        """Return pairs a second and the time left, from the second step on."""
        (first, started), (_, now) = self._seen[0], self._seen[-1]
        if step == first:
            return ""
        speed = (step - first) / max(now - started, 1e-9)  # steps a second
        left = self._seconds - elapsed if self._seconds else ((self._length or 0) - step) / speed
        return f" · {speed * self._batch:.0f} pairs/s · {_clock(left)} left"

    def close(self) -> None:
        """Leave the bar."""
        self._bar.close()


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole % 60:02d}s"
