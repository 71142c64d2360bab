"""From what is typed after `wordsight train` to a `TrainConfig`: a TOML or Python file or a packaged name, and changes.

    config = read_recipe("recipes/wordsight-small.toml", ["budget=20m", "model.image.layers=6"])

In TOML, `model.architecture` names an architecture, `model.init` what the towers begin from
(`wordsight.train.compose`); other keys below `model` change it.  A Python recipe is a file with
`recipe() -> TrainConfig`; it is run, so run only those you trust.  Free of PyTorch.
"""

import contextlib
import difflib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from wordsight.base.config import from_dict, known_keys, override, read_toml, to_dict
from wordsight.base.errors import ConfigError, NotFound, WordsightError
from wordsight.towers.check import check_spec
from wordsight.towers.families import image_choices, text_choices
from wordsight.towers.spec import ModelSpec
from wordsight.train.check import check_config
from wordsight.train.compose import KEYS, compose, move_init, set_aside, sized
from wordsight.train.config import UNNAMED, InitConfig, TrainConfig
from wordsight.train.init import open_starts
from wordsight.train.packaged import FOLDER, recipe_names

SHORT = {  # what may be typed instead of the full path
    "budget": "schedule.budget",
    "steps": "schedule.steps",
    "samples": "schedule.samples",
    "lr": "optimiser.lr",
    "root": "data.root",
    "average": "average.decay",
    **KEYS,
}
INIT = "init"
NAMED = "model.architecture"
LENGTHS = ("steps", "samples", "budget")
NAMES = ("data.sources.", "validation.tasks.", "guard.tasks.")  # below these a new name may be given
_OF_MODEL = re.compile(r"(?<![\w.\"])((image|text|preprocess|tokenizer)\.(?=[a-z])|(scale|bias|loss|width)(?= = ))")


def read_recipe(name_or_path: str, assignments: Sequence[str] = (), *, model: str | None = None) -> TrainConfig:
    """Return the checked config of a recipe with `a.b=c` changes applied.

    `model` is the name or path of a model that both towers begin from, as `model.init` says it too.
    """
    path = find_recipe(name_or_path)
    changes = ([] if model is None else [f"init.model={model}"]) + [_long(assignment) for assignment in assignments]
    values = to_dict(_run(path)) if path.suffix == ".py" else read_toml(path)
    named = values.get("name", UNNAMED) != UNNAMED or any(change.startswith("name=") for change in changes)
    values.setdefault("name", path.stem)
    if isinstance(values.get("average"), int | float):  # the decay, as it was written before
        values["average"] = {"decay": values["average"]}
    values = move_init(values)
    for change in changes:
        if change.partition("=")[0].strip() == NAMED:  # another architecture: nothing of the recipe's own is left
            values["model"] = {"architecture": change.partition("=")[2].strip().strip("\"'")}
            values["init"] = {}
    values = override(set_aside(values, changes), [change for change in changes if change.startswith(f"{INIT}.")])
    starts = open_starts(_init(values, changes), weights=False)
    values["model"] = compose(values, starts)
    for change in changes:
        _of_family(values["model"], change)
    _check_names(changes, values)
    schedule = values.get("schedule", {})
    if isinstance(schedule, dict) and any(c.startswith(f"schedule.{name}=") for name in LENGTHS for c in changes):
        # the length that was typed replaces the recipe's, also one of another kind
        values["schedule"] = {k: v for k, v in schedule.items() if k not in LENGTHS}
    values = override(values, [change for change in changes if change.partition("=")[0].strip() != NAMED])
    config = from_dict(TrainConfig, values)
    if config.out and not named:
        config = replace(config, name=Path(config.out).resolve().name or config.name)
    config = replace(config, out=config.out or f"runs/{config.name}", model=sized(config.model, starts))
    if "side" not in values["data"]:
        config = replace(config, data=replace(config.data, side=_side(config.model.image.size, config.data.side)))
    _check_model(config.model)
    check_config(config)
    return config


def find_recipe(name_or_path: str) -> Path:
    """Return the file of a packaged recipe's name or of a path; what is neither raises `NotFound`."""
    path = Path(name_or_path)
    if path.suffix in (".toml", ".py"):
        if path.is_file():
            return path
    elif name_or_path in recipe_names():
        return FOLDER / f"{name_or_path}.toml"
    near = difflib.get_close_matches(path.stem, recipe_names(), n=2, cutoff=0.5)
    known = f"the recipes that come with the package are {', '.join(recipe_names())}; a file ends in .toml or .py"
    asked = f"did you mean {' or '.join(near)}? " if near else ""
    raise NotFound(f"no recipe {name_or_path}", cure=f"{asked}{known}")


def _long(assignment: str) -> str:
    key, equals, value = assignment.partition("=")
    return f"{SHORT.get(key.strip(), key.strip())}{equals}{value}"


def _side(size: int, usual: int) -> int:
    """Return the side of cached images where the recipe names none: an eighth more than the towers read."""
    return max(usual, round(size * 9 / 8))


def _init(values: dict[str, Any], changes: Sequence[str]) -> InitConfig:
    """Return what a recipe's towers begin from; errors name the keys as they are typed."""
    typed = {kept: key for key, kept in KEYS.items()}
    for change in changes:
        key, _, name = (part.strip() for part in change.partition("="))
        if key in typed and not key.endswith("sha256") and not name.strip("\"' "):
            raise ConfigError(f'{typed[key]} = ""', cure="give the name, file or folder of a model, or leave it out")
    try:
        return from_dict(InitConfig, values.get(INIT, {}), where=f"{INIT}.")
    except ConfigError as error:
        key = next((key for key in sorted(typed, key=len, reverse=True) if error.problem.startswith(f"{key} ")), "")
        raise ConfigError(error.problem.replace(key, typed.get(key, ""), 1), cure=error.cure) from None


def _of_family(model: dict[str, Any], change: str) -> None:
    """Where a change names another family for a tower, drop the keys of the tower that the family has not."""
    key, _, kind = (part.strip().strip("\"'") for part in change.partition("="))
    for part, choices in {"image": image_choices(), "text": text_choices()}.items():
        tower = model.get(part, {})
        if not isinstance(tower, dict):
            continue
        if key == f"model.{part}.kind" and kind in choices and kind != tower.get("kind", next(iter(choices))):
            own = {field.name for field in fields(choices[kind].dataclass)} - {"kind"}
            model[part] = {name: value for name, value in tower.items() if name in own}


def _check_names(changes: Sequence[str], values: dict[str, Any]) -> None:
    """Raise `ConfigError` for a key that does not exist where a longer or near one does."""
    known = known_keys(TrainConfig, values)
    ends = {name.rpartition(".")[2] for name in known}
    for change in changes:
        key = change.partition("=")[0].strip()
        if key == NAMED or key.startswith(NAMES) or any(f"{name}.".startswith(f"{key}.") for name in known):
            continue
        near = [name for name in known if name.endswith(f".{key}")]
        close = difflib.get_close_matches(key.rpartition(".")[2], ends, n=2, cutoff=0.6)
        near = near or [name for name in known if name.rpartition(".")[2] in close]
        if near:
            raise ConfigError(f"unknown key {key}", cure=f"did you mean {' or '.join(near[:6])}?")


def _check_model(spec: ModelSpec) -> None:
    """Check the model, and name its keys as they stand in a recipe."""
    try:
        check_spec(spec)
    except ConfigError as error:
        problem, cure = (_OF_MODEL.sub(r"model.\g<0>", text) for text in (error.problem, error.cure))
        raise ConfigError(problem, cure=cure) from error


def _run(path: Path) -> TrainConfig:
    spec = importlib.util.spec_from_file_location(f"wordsight_recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _errors_in(path):
        spec.loader.exec_module(module)
    function = getattr(module, "recipe", None)
    if not callable(function):
        raise ConfigError(f"{path} has no function recipe()", cure="define recipe() -> TrainConfig")
    with _errors_in(path):
        config = function()
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"recipe() of {path} returned {type(config).__name__}", cure="return a TrainConfig")
    return config


@contextlib.contextmanager
def _errors_in(path: Path) -> Iterator[None]:
    """Turn whatever a Python recipe raises into a `ConfigError` that names the line."""
    try:
        yield
    except WordsightError:
        raise
    except Exception as error:
        own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else own[-1] if own else None
        problem = f"{path}, line {line}: {type(error).__name__}: {error.args[0] if error.args else error}"
        raise ConfigError(problem, cure="correct the recipe") from error
