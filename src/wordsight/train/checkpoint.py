"""Checkpoints: everything a run needs to continue bit for bit, as one folder of safetensors and JSON.

checkpoints/step-00001200/state.safetensors   weights, average, optimiser, sums since the last line of metrics
checkpoints/step-00001200/state.json          the step, the sources' fingerprints, the hashes of both files

The order of the data, the augmentation and dropout are functions of (seed, step), so the step is their
whole state.  A folder appears whole, by renaming.  What disks and copies do to it later is found by the hashes, and the
checkpoint before it is used instead.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from wordsight.base.errors import FormatError, StorageError, WordsightError
from wordsight.base.files import (
    atomic_folder,
    atomic_write,
    read_json,
    sha256_bytes,
    storage_errors,
    write_json,
)
from wordsight.base.progress import notice
from wordsight.base.reading import sha256_file
from wordsight.train.optimiser import named_parameters

FOLDER = "checkpoints"
TENSORS = "state.safetensors"
FACTS = "state.json"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The parts of a running training.  `learned` are what the optimiser changes, `sums` the open window.

    `best` are the weights that a guard keeps.
    """

    learned: dict[str, nn.Module]
    average: nn.Module
    optimiser: torch.optim.Optimizer
    sums: Tensor
    best: nn.Module | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Return by name all tensors but what does not learn; the optimiser's by the parameter they belong to."""
        state = {"sums": self.sums}
        still = {id(p) for module in self.learned.values() for p in module.parameters() if not p.requires_grad}
        kept = {} if self.best is None else {"best": self.best}
        for part, module in {**self.learned, "average": self.average, **kept}.items():
            named = module.state_dict(keep_vars=True).items()
            state |= {f"{part}/{name}": tensor.detach() for name, tensor in named if id(tensor) not in still}
        for name, parameter in named_parameters(self.learned).items():
            for kind, tensor in self.optimiser.state[parameter].items():
                state[f"optimiser/{kind}/{name}"] = tensor
        return state

    def restore(self, tensors: Mapping[str, Tensor], where: Path) -> None:
        """Put every tensor back; a missing or left-over one raises `FormatError`."""
        for name, parameter in named_parameters(self.learned).items():
            if f"optimiser/step/{name}" not in tensors:  # it has not learned yet
                self.optimiser.state.pop(parameter, None)
                continue
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


class DamagedCheckpoint(FormatError):
    """A checkpoint that is not what was written."""


def write_checkpoint(run: Path, state: TrainingState, facts: dict[str, Any], *, keep: int) -> Path:
    """Write the checkpoint of `facts["step"]`; of it and those before it the last `keep` stay."""
    final = run / FOLDER / f"step-{facts['step']:08d}"
    content = save({name: t.detach().cpu().contiguous() for name, t in state.tensors().items()})
    try:
        with atomic_folder(final) as draft:
            with atomic_write(draft / TENSORS) as handle:
                handle.write(content)
            sealed = {**facts, "tensors": sha256_bytes(content)}
            write_json(draft / FACTS, {**sealed, "sha256": _hash_of(sealed)})
    except StorageError as error:
        raise _not_written(final, len(content), error) from error
    with storage_errors(final):
        for old in [folder for folder in list_checkpoints(run) if folder.name <= final.name][:-keep]:
            shutil.rmtree(old)
    return final


def _not_written(final: Path, size: int, error: StorageError) -> StorageError:
    """Return what is said of a checkpoint that the disk did not take, with what `--resume` goes on from."""
    why = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error.problem
    kept = list_checkpoints(final.parents[1])
    goes_on = f"--resume goes on after step {int(kept[-1].name.removeprefix('step-'))}" if kept else "begin again"
    return StorageError(f"{why}: {final}, {size / 1e6:.1f} MB, was not written", cure=f"free room, then {goes_on}")


def list_checkpoints(run: Path) -> list[Path]:
    """Return the folders of a run's checkpoints, oldest first."""
    return sorted((run / FOLDER).glob("step-" + "[0-9]" * 8))


def restore_newest(run: Path, state: TrainingState) -> dict[str, Any] | None:
    """Restore the newest checkpoint that is whole and return its facts; None when the run has no checkpoint.

    Damaged ones are named in a notice.  When all of them are, raises `FormatError`.
    """
    checkpoints = list_checkpoints(run)
    for folder in reversed(checkpoints):
        try:
            return read_checkpoint(folder, state)
        except DamagedCheckpoint as error:
            notice(f"{error.problem}; trying the checkpoint before it")
    if checkpoints:
        raise FormatError(
            f"all checkpoints in {run / FOLDER} are damaged", cure="restore one from a copy, or train anew with out="
        )
    return None


def read_checkpoint(folder: Path, state: TrainingState) -> dict[str, Any]:
    """Restore `state` from a checkpoint and return its facts; raises `DamagedCheckpoint` before anything is changed."""
    try:
        facts = _checked_facts(folder)
        tensors = load_file(folder / TENSORS)
    except (OSError, WordsightError, SafetensorError) as error:
        reason = error.problem if isinstance(error, WordsightError) else str(error)
        raise DamagedCheckpoint(f"{folder} is damaged: {reason}") from error
    broken = not_finite(tensors)
    if broken:
        raise DamagedCheckpoint(f"{folder} is damaged: {broken} holds a value that is no number")
    state.restore(tensors, folder)
    return facts


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of a tensor that holds NaN or infinity, or None."""
    return next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)


def _checked_facts(folder: Path) -> dict[str, Any]:
    """Return what state.json holds, both files compared with their hashes."""
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or facts.pop("sha256", "") != _hash_of(facts):
        raise FormatError(f"{FACTS} is not what was written")
    if facts["tensors"] != sha256_file(folder / TENSORS):
        raise FormatError(f"{TENSORS} is not what was written")
    if folder.name != f"step-{facts['step']:08d}":
        raise FormatError(f"it is the checkpoint of step {facts['step']}")
    return facts


def _hash_of(facts: dict[str, Any]) -> str:
    return sha256_bytes(json.dumps(facts, sort_keys=True).encode())
