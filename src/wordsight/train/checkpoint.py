"""Checkpoints: everything a run needs to continue bit for bit, as one folder of safetensors and JSON.

checkpoints/step-00001200/state.safetensors   weights, average, optimiser, sums since the last line of metrics
checkpoints/step-00001200/state.json          the step, the sources' fingerprints

The order of the data, the augmentation and dropout are functions of (seed, step), so the step is their
whole state.  A folder appears whole, by renaming.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wordsight.base.errors import FormatError
from wordsight.base.files import atomic_folder, atomic_write, read_json, storage_errors, write_json
from wordsight.train.optimiser import named_parameters

FOLDER = "checkpoints"
TENSORS = "state.safetensors"
FACTS = "state.json"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The parts of a running training.  `learned` are what the optimiser changes, `sums` the open window."""

    learned: dict[str, nn.Module]
    average: nn.Module
    optimiser: torch.optim.Optimizer
    sums: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name; those of the optimiser by the parameter they belong to."""
        state = {"sums": self.sums}
        for part, module in {**self.learned, "average": self.average}.items():
            state |= {f"{part}/{name}": tensor for name, tensor in module.state_dict().items()}
        for name, parameter in named_parameters(self.learned).items():
            for kind, tensor in self.optimiser.state[parameter].items():
                state[f"optimiser/{kind}/{name}"] = tensor
        return state

    def restore(self, tensors: Mapping[str, Tensor], where: Path) -> None:
        """Put every tensor back; a missing or left-over one raises `FormatError`."""
        for parameter in named_parameters(self.learned).values():
            self.optimiser.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        targets = self.tensors()
        different = sorted(set(targets) ^ set(tensors))
        wrong = different or [name for name in targets if targets[name].shape != tensors[name].shape]
        if wrong:
            raise FormatError(f"{where} does not fit this recipe: {wrong[0]}", cure="resume with its own recipe")
        with torch.no_grad():
            for name, target in targets.items():
                target.copy_(tensors[name])


def write_checkpoint(run: Path, state: TrainingState, facts: dict[str, Any], *, keep: int) -> Path:
    """Write the checkpoint of `facts["step"]` and remove all but the last `keep`."""
    final = run / FOLDER / f"step-{facts['step']:08d}"
    with atomic_folder(final) as draft:
        content = save({name: t.detach().cpu().contiguous() for name, t in state.tensors().items()})
        with atomic_write(draft / TENSORS) as handle:
            handle.write(content)
        write_json(draft / FACTS, facts)
    with storage_errors(final):
        for old in list_checkpoints(run)[:-keep]:
            shutil.rmtree(old)
    return final


def list_checkpoints(run: Path) -> list[Path]:
    """Return the folders of a run's checkpoints, oldest first."""
    return sorted((run / FOLDER).glob("step-*"))


def read_checkpoint(folder: Path, state: TrainingState) -> dict[str, Any]:
    """Restore `state` from a checkpoint and return its facts."""
    facts: dict[str, Any] = read_json(folder / FACTS)
    state.restore(load_file(folder / TENSORS), folder)
    return facts
