"""The guard against ruin: a run that begins from a model is stopped, or slowed, where the model loses what it could do.

    guard = Guard(config.guard, watched, Weights(towers, average, optimiser), encoder)
    if guard.due(step, before, now): guard.look(step)
    guard.factor, guard.stopped                      # of the learning rate; whether the run ends here

What is watched are the weights that would be saved; `wordsight.train.watched` says which figures.  The best weights are
those within what is allowed whose held-out images do best, at first the ones begun from.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wordsight.base.files import write_json
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.evaluate.encode import Encoder
from wordsight.train.average import Average, copy_weights
from wordsight.train.guard_config import GuardConfig
from wordsight.train.watched import AGREEMENT, Look, Watched

GUARD = "guard.json"
LOOKS = (0.05, *(tenth / 10 for tenth in range(1, 11)))  # shares of the run at which is looked, by default
LOWER = 0.1  # of the learning rate is left by "lower"
CERTAIN = 1.96  # standard errors: a fall that few images show by chance is none


@dataclass(frozen=True, slots=True)
class Weights:
    """What the guard puts back: the towers that learn, their average, and the optimiser whose moments are then old."""

    towers: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer


class Guard:
    """Watches one run; without `watched` it does nothing."""

    def __init__(self, config: GuardConfig, watched: Watched | None, weights: Weights, encoder: Encoder) -> None:
        self._config, self._watched, self._weights, self._encoder = config, watched, weights, encoder
        self.factor, self.stopped = 1.0, False
        self.best: nn.Module | None = None
        self._fallen: list[str] = []
        self._events: list[str] = []
        self._start = Look({}, None)
        if watched is not None:
            self._start = watched.measure(encoder)
            if config.action in ("stop", "lower"):
                self.best = Average(weights.towers, 0.0).towers
        self._now = self._best = self._start.values()
        self._best_step = 0

    def due(self, step: int, before: float, now: float) -> bool:
        """Return whether to look after `step`, which led from one share of the run to another; always at the end."""
        if self._watched is None:
            return False
        if self._config.every and now < 1:
            return step % self._config.every == 0
        return any(before < share <= now for share in LOOKS) or now >= 1

    def look(self, step: int) -> dict[str, float]:
        """Measure; say what fell, and do what the recipe says of it.  Return the figures as measured."""
        assert self._watched is not None
        self._now = now = self._watched.measure(self._encoder, self._start).values()
        fallen = [name for name in now if self._fell(name)]
        low = [] if fallen else self._warn(step)
        if not fallen and self._score(now) >= self._score(self._best):
            self._keep(step)
        if set(fallen) - set(self._fallen):
            self._say(f"{'; '.join(self._stated(name) for name in fallen)} at step {step}: {self._act()}")
        self._fallen = [*([] if self._config.action == "lower" else fallen), *low]
        return now

    def _fell(self, name: str) -> bool:
        """Say whether a figure is lower than allowed, and lower than its number of images shows by chance."""
        start = self._start.figures[name]
        if name == AGREEMENT:
            return False
        share = (start.value * start.count + 2) / (start.count + 4)  # Agresti and Coull: also where all are right
        chance = CERTAIN * math.sqrt(share * (1 - share) / max(start.count, 1))
        return not self._now[name] >= start.value - max(self._config.fall, chance)

    def _warn(self, step: int) -> list[str]:
        """Say once that many answers have changed: in a domain far from ImageNet's that may be what is wanted."""
        now = self._now[AGREEMENT]
        if now >= self._config.agreement:
            return []
        if AGREEMENT not in self._fallen:
            self._say(
                f"the agreement with the start over ImageNet's names is {now:.2f} at step {step}: much of what your "
                "data does not show may be lost; a lower lr or a larger average.start keeps more"
            )
        return [AGREEMENT]

    def _score(self, values: dict[str, float]) -> float:
        """Return what the best weights are chosen by: the mean of the figures of held-out images."""
        assert self._watched is not None
        own = [v for name, v in values.items() if name.startswith(tuple(f"{one}/" for one in self._watched.own))]
        return sum(own) / len(own) if own else 0.0

    def _keep(self, step: int) -> None:
        self._best, self._best_step = self._now, step
        if self.best is not None:
            copy_weights(self._weights.average, self.best)

    def _stated(self, name: str) -> str:
        return f"{name} fell from {100 * self._start.figures[name].value:.1f} to {100 * self._now[name]:.1f}"

    def _act(self) -> str:
        """Do what the recipe says of a fall, and return it in words."""
        if self.best is None:
            return 'the run goes on (guard.action = "tell")'
        copy_weights(self.best, self._weights.average)
        self._now = self._best
        kept = f"the weights of step {self._best_step}" if self._best_step else "the weights begun from"
        if self._config.action == "stop":
            self.stopped = True
            return f"the run is stopped, {kept} are kept"
        copy_weights(self.best, self._weights.towers)
        for moments in self._weights.optimiser.state.values():
            for tensor in moments.values():
                tensor.zero_()
        self.factor *= LOWER
        return f"back to {kept}, with {self.factor:.2g} of the learning rate"

    def _say(self, event: str) -> None:
        self._events.append(event)
        notice(f"guard: {event}")

    def memory(self) -> dict[str, Any]:
        """Return what a checkpoint remembers of the guard beside the best weights."""
        return {
            "factor": self.factor,
            "stopped": self.stopped,
            "fallen": self._fallen,
            "events": self._events,
            "now": self._now,
            "best": self._best,
            "best_step": self._best_step,
        }

    def recall(self, memory: dict[str, Any]) -> None:
        """Go on with what a checkpoint remembers."""
        if self._watched is None or not memory:
            return
        self.factor, self.stopped = memory["factor"], memory["stopped"]
        self._fallen, self._events = list(memory["fallen"]), list(memory["events"])
        self._now, self._best, self._best_step = memory["now"], memory["best"], memory["best_step"]
        if self.stopped:
            notice("guard: the run was stopped here, so it ends; to go on, set another out= with a lower lr")

    def results(self) -> list[Result]:
        """Return the figures of the weights that are saved, each beside the start's."""
        return [
            replace(
                start,
                name=f"guard/{name}",
                value=self._now[name],
                interval=None,
                setting={**start.setting, "start": start.value},
            )
            for name, start in self._start.figures.items()
        ]

    def write(self, folder: Path) -> None:
        """Record what was watched, at the start and now, and what was said of it."""
        if self._watched is not None:
            watched = {name: [start.value, self._now[name]] for name, start in self._start.figures.items()}
            write_json(folder / GUARD, {"watched": watched, "events": self._events})
