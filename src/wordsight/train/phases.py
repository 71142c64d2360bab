"""When the trunk of an image tower learns: `train.alone` and `train.mixed` of a recipe.

    phases = Phases(config, towers, average, locked)
    if phases.other(0.8):
        phases.enter(0.8)                            # batches are other ones from now on

At the beginning of a run the trunk stands still until what is new behind it has found its place: a projection of random
weights pulls a good trunk out of shape (Kumar et al. 2022, "LP-FT").  At the end it stands still again, mixed with what
it began as (Wortsman et al. 2022, "WiSE-FT"), and what lies behind it learns to read the mixture.  While it stands,
steps read its pooled features, which are computed once: the start's are kept for other runs, those of the end lie in
the run's folder as long as it learns.
"""

import shutil
from pathlib import Path

import torch

from wordsight.base.progress import notice
from wordsight.towers.two import TwoTowers
from wordsight.train.config import TrainConfig
from wordsight.train.learned import before_projection
from wordsight.train.locked import Locked

FIRST, MOVING, LAST = "first", "moving", "last"
POOLED = "pooled"  # of the run's folder: pooled features of the last phase


class Phases:
    """The phase of one run; `average` are the towers that follow those that learn."""

    def __init__(self, config: TrainConfig, towers: TwoTowers, average: TwoTowers, locked: Locked | None) -> None:
        self._config, self._towers, self._average, self._locked = config.train, towers, average, locked
        self._folder = Path(config.out) / POOLED
        learned = {name for name, parameter in towers.named_parameters() if parameter.requires_grad}
        learned |= {name for name, _ in towers.named_buffers()}
        before = before_projection(towers, "image") if config.train.alone[1] else {}
        self._names = [name for name, one in before.items() if name in learned and one.is_floating_point()]
        self._start = {name: before[name].detach().clone() for name in self._names if config.train.mixed}
        self.now = FIRST if config.train.alone[0] else MOVING
        self._entered = self.now == MOVING

    def _at(self, share: float) -> str:
        """Return the phase where a run is after this share of it; it is not in the first a second time."""
        first, last = self._config.alone
        if share < first and self.now == FIRST:
            return FIRST
        return LAST if last and share >= 1 - last else MOVING

    def other(self, share: float) -> bool:
        """Return whether a phase begins after this share of a run, or is gone on with after a stop."""
        return self._at(share) != self.now or not self._entered

    def enter(self, share: float) -> None:
        """Begin the phase of this share of a run."""
        phase = self._at(share)
        if phase == LAST and self.now != LAST:
            self._mix()
        assert self._locked is not None  # as the recipe was checked for
        self._locked.stand_still(None if phase == MOVING else self._towers, self._folder if phase == LAST else None)
        self.now, self._entered = phase, True

    def recall(self, phase: str) -> None:
        """Be in the phase in which a checkpoint was written, with its weights."""
        self.now, self._entered = phase, phase == MOVING

    def end(self) -> None:
        """Remove what only the run needed; say so if it never came to its last phase."""
        if not self._config.alone[1]:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        if self.now != LAST:
            mixed = " and was not mixed with its start" if self._config.mixed else ""
            notice(f"the run ended before its last phase (train.alone): the trunk learned to the end{mixed}")

    @torch.no_grad()
    def _mix(self) -> None:
        """Give the trunk the weights of the average, mixed with the start's."""
        towers, average = self._towers.state_dict(), self._average.state_dict()
        for name in self._names:
            if self._start:
                average[name].lerp_(self._start[name], self._config.mixed)
            towers[name].copy_(average[name])
