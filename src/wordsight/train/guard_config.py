"""The table `guard` of a recipe: what is watched of a run that begins from a model.  Free of PyTorch."""

from dataclasses import dataclass, field
from typing import Literal

from wordsight.evaluate.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """What is watched of a run that begins from a model, so that tuning does not ruin what the model could do.

    Watched are `images` of those validated with, and `tasks` (of `evaluate`), every `every` steps (0: at 5 % and each
    tenth of the run), with the weights that would be saved.  A figure has fallen when it is more than `fall` below the
    start's, and lower than chance would show it among so few images.
    `agreement`: of the answers over ImageNet's names with the start's; less is warned of, and ends nothing.
    `action` where a figure has fallen: "stop" with the best weights so far, "lower": go on from them with a tenth of
    the rate, "tell"; "off": nothing is watched.
    """

    action: Literal["stop", "lower", "tell", "off"] = "stop"
    fall: float = 0.05
    agreement: float = 0.5
    every: int = 0
    images: int = 256
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
