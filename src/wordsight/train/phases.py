"""When the trunk of an image tower learns: `train.alone` and `train.mixed` of a recipe.

    phases = Phases(config.train, towers, average, locked)
    if phases.enter(0.8): ...                        # another phase than before: batches are other ones from now on

At the beginning of a run the trunk stands still until what is new behind it has found its place: a projection of random
weights pulls a good trunk out of shape (Kumar et al. 2022, "LP-FT").  At the end it stands still again, mixed with what
it began as (Wortsman et al. 2022, "WiSE-FT"), and what lies behind it learns to read the mixture.  While it stands,
steps read its pooled features, which are computed once.
"""

import torch

from wordsight.towers.two import TwoTowers
from wordsight.train.config import LearnConfig
from wordsight.train.learned import depths_of, names_of
from wordsight.train.locked import Locked

FIRST, MOVING, LAST = "first", "moving", "last"


class Phases:
    """The phase of one run; `average` are the towers that follow those that learn."""

    def __init__(self, config: LearnConfig, towers: TwoTowers, average: TwoTowers, locked: Locked | None) -> None:
        self._config, self._towers, self._average, self._locked = config, towers, average, locked
        self._names = _trunk_names(towers) if config.alone[1] else []
        state = towers.state_dict()
        self._start = {name: state[name].clone() for name in self._names} if config.mixed else {}
        self.now = MOVING

    def enter(self, share: float) -> bool:
        """Be where a run is after this share of it; return whether that is another phase than before."""
        first, last = self._config.alone
        phase = FIRST if share < first else LAST if last and share >= 1 - last else MOVING
        if phase == self.now:
            return False
        if phase == LAST:
            self._mix()
        self.recall(phase)
        return True

    def recall(self, phase: str) -> None:
        """Be in a phase with the towers as they are: that in which a checkpoint was written."""
        if phase != self.now:
            assert self._locked is not None  # as the recipe was checked for
            self._locked.stand_still(None if phase == MOVING else self._towers)
            self.now = phase

    @torch.no_grad()
    def _mix(self) -> None:
        """Give the trunk the weights of the average, mixed with the start's."""
        towers, average = self._towers.state_dict(), self._average.state_dict()
        for name in self._names:
            if self._start:
                average[name].lerp_(self._start[name], self._config.mixed)
            towers[name].copy_(average[name])


def _trunk_names(towers: TwoTowers) -> list[str]:
    """Return the names of the weights and statistics of an image tower that learn and lie before its projection."""
    still = {name for name, parameter in towers.named_parameters() if not parameter.requires_grad}
    names, state = names_of(towers, "image"), towers.state_dict()
    depths = depths_of(names, towers.spec, "image")
    assert depths is not None, "a family without layers has no last:N"
    before = [name for name in names if name not in still and depths.of[name] != depths.projection]
    return [name for name in before if state[name].is_floating_point()]
