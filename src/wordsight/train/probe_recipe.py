"""The recipe of a probe as typed values: what is learned on the features of a model that stays as it is.

    config = read_probe("probe", ["root=photos", "probe.shots=16"])

A recipe is one when it has a table `probe`.  Free of PyTorch; every key is explained here.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict, override, read_toml
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.files import storage_errors
from wordsight.data.kinds import AUTO
from wordsight.train.recipe import find_recipe

SHORT = {"root": "data.root"}
CONFIG, CLASSES = "config.json", "classes.json"  # what a probe leaves in its folder


@dataclass(frozen=True, slots=True)
class ProbeData:
    """Where images with classes come from: `root` with `split`, `kind` and columns as `open_source` reads them.

    Tested is on `test` (a path like root) or on `test_split` of root; without both, on the share `held_out` of each
    class.  The same share of the others is what strengths and blends are chosen by; it is learned from in the end.
    """

    root: str = "."
    split: str | None = None
    kind: str = AUTO
    image: str | None = None
    label: str | None = None
    key: str | None = None
    test: str | None = None
    test_split: str | None = None
    held_out: float = 0.2


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """`shots`: how many images of each class the adapter is given, a number or several; `draws` of them are averaged.

    `templates` are the prompts of the class names: a named list or a file.
    """

    shots: int | tuple[int, ...] = (1, 2, 4, 8, 16)
    draws: int = 3
    templates: str = "photo"


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """A probe; `out` is its folder, `seed` chooses the few images."""

    probe: ProbeSpec
    data: ProbeData = field(default_factory=ProbeData)
    name: str = "probe"
    out: str = ""
    seed: int = 0

    @property
    def shots(self) -> tuple[int, ...]:
        """The numbers of images a class, as a tuple."""
        given = self.probe.shots
        return (given,) if isinstance(given, int) else given


def is_probe(name_or_path: str) -> bool:
    """Say whether a recipe is that of a probe; one that is not there raises `NotFound`."""
    path = find_recipe(name_or_path)
    return path.suffix == ".toml" and "probe" in read_toml(path)


def read_probe(name_or_path: str, assignments: Sequence[str] = ()) -> ProbeConfig:
    """Return the checked config of a probe's recipe with `a.b=c` changes applied."""
    path = find_recipe(name_or_path)
    changes = []
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        changes.append(f"{SHORT.get(key.strip(), key.strip())}{equals}{value}")
    values: dict[str, Any] = override({"name": path.stem, **read_toml(path)}, changes)
    config = from_dict(ProbeConfig, values)
    _check(config)
    return replace(config, out=config.out or str(Path("runs") / config.name))


def check_out(out: Path) -> None:
    """Raise `UsageError` for a folder that holds a training run, whose recipe and results a probe would replace."""
    with storage_errors(out):
        if out.exists() and not out.is_dir():
            raise FileExistsError(errno.EEXIST, "", str(out))
        begun = (out / CONFIG).exists() and not (out / CLASSES).exists()
    if begun:
        raise UsageError(f"{out} holds the run of another recipe", cure="set another out=")


def _check(config: ProbeConfig) -> None:
    if not config.shots or min(config.shots) < 1:
        raise ConfigError(f"probe.shots = {config.probe.shots}", cure="give 1 or more, or several: [1, 4, 16]")
    if not 1 <= config.probe.draws <= 100:
        raise ConfigError(f"probe.draws = {config.probe.draws}", cure="give 1 to 100")
    if not 0.05 <= config.data.held_out <= 0.5:
        raise ConfigError(f"data.held_out = {config.data.held_out}", cure="give 0.05 to 0.5")
    if config.seed < 0:
        raise ConfigError(f"seed = {config.seed}", cure="give 0 or more")
