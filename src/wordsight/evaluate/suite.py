"""A suite: models and tasks in one file, `wordsight evaluate --suite FILE`.

    models = ["bundled", "runs/tuned"]          # default: the model of the command
    [defaults]                                  # keys of every task that has them and does not state them
    split = "test"
    [tasks.flowers]
    kind = ["zero-shot", "knn"]                 # one, or several on the same images
    place = "flowers5"

Of several kinds those take a key that know it.  A task that is wrong is reported and the others are read: `problems`
has one error for each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from wordsight.base.config import read_toml, unknown_key
from wordsight.base.errors import ConfigError, WordsightError
from wordsight.base.suggest import suggest
from wordsight.evaluate.tasks import OWN, TASKS, TaskSpec, check_task, kind_module, task_of
from wordsight.weights.find import means_path

KEYS = ("models", "defaults", "tasks")


@dataclass(frozen=True, slots=True)
class Suite:
    """The models by name or path, the tasks that each is measured on, and what is wrong with the others."""

    models: tuple[str, ...]
    tasks: tuple[TaskSpec, ...]
    problems: tuple[WordsightError, ...]


def read_suite(path: Path) -> Suite:
    """Read a suite; relative places and paths of models lie in its folder.  A file without tasks is an error."""
    values = read_toml(path)
    unknown = [key for key in values if key not in KEYS]
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]} in {path}", cure=suggest(unknown[0], KEYS))
    models, tasks = values.get("models", []), values.get("tasks")
    if isinstance(models, str):
        models = [models]
    if not isinstance(models, list) or not all(isinstance(model, str) and model for model in models):
        raise ConfigError(f"models in {path} is no list of names", cure='write models = ["bundled"]')
    if not isinstance(tasks, dict) or not tasks:
        raise ConfigError(f"{path} has no tasks", cure="write a group for each: [tasks.pets] with kind and place")
    defaults = values.get("defaults", {})
    if not isinstance(defaults, dict):
        raise ConfigError(f"defaults in {path} is no group", cure="write [defaults] and keys of tasks below it")
    _check_defaults(defaults, path)
    specs: list[TaskSpec] = []
    problems: list[WordsightError] = []
    for name, task in tasks.items():
        for one in _by_kind(name, task):
            try:
                if isinstance(one, ConfigError):
                    raise one
                specs.append(_spec(name, one, defaults, path.parent))
            except WordsightError as error:
                problem = type(error)(f"{path}: {error.problem}", cure=error.cure)
                if str(problem) not in map(str, problems):  # the same of each of its kinds
                    problems.append(problem)
    return Suite(tuple(_model(model, path.parent) for model in models), tuple(specs), tuple(problems))


def _check_defaults(defaults: Mapping[str, Any], path: Path) -> None:
    """Raise `ConfigError` for a key that no kind of task has; the keys of all kinds are looked at only then."""
    strange = [key for key in defaults if key not in OWN]
    known = OWN.union(*(_keys(kind) for kind in TASKS)) if strange else OWN
    for key in strange:
        if key not in known:
            raise unknown_key(f"defaults.{key} in {path}", key, sorted(known))


def _by_kind(name: str, task: Any) -> Iterator[Any]:
    """Yield the keys of a task once for each of its kinds, without those that others of them take alone.

    A key that none of them takes is one error in place of all.
    """
    kinds = task.get("kind") if isinstance(task, dict) else None
    if not isinstance(kinds, list) or not kinds:
        yield task
        return
    by_kind = {kind: _keys(kind) for kind in kinds if isinstance(kind, str) and kind in TASKS}
    known: set[str] = set().union(*by_kind.values())
    unknown = [key for key in task if key not in known]
    if unknown and by_kind:
        yield unknown_key(f"tasks.{name}.{unknown[0]} of the kinds {', '.join(by_kind)}", unknown[0], sorted(known))
        return
    for kind in kinds:
        own = by_kind.get(kind, known) if isinstance(kind, str) else known
        yield {**{key: value for key, value in task.items() if key in own}, "kind": kind}


def _keys(kind: str) -> set[str]:
    """Return the keys that tasks of a kind take."""
    return OWN | {field.name for field in fields(kind_module(kind).OPTIONS)}


def _spec(name: str, task: Any, defaults: Mapping[str, Any], folder: Path) -> TaskSpec:
    where = f"tasks.{name}."
    if not isinstance(task, dict):
        raise ConfigError(f"tasks.{name} = {task!r} is no group", cure=f"write [tasks.{name}] with kind and place")
    kind = task.get("kind", defaults.get("kind"))
    if not isinstance(kind, str):
        problem = f"{where}kind is missing" if kind is None else f"{where}kind = {kind!r}"
        raise ConfigError(problem, cure=f"use one of {', '.join(map(repr, TASKS))}")
    usual = dict(defaults)
    try:
        check_task(TaskSpec(kind, ""), where=where)
        stated = _keys(kind)
        usual = {key: value for key, value in defaults.items() if key in stated}
        return task_of({"name": name, **usual, **task}, folder=folder, where=where)
    except WordsightError as error:
        for key in usual.keys() - task.keys():
            if error.problem.startswith((f"{where}{key} ", f"{where}{key}[")):
                raise type(error)(f"{error.problem} (from [defaults])", cure=error.cure) from None
        raise


def _model(name: str, folder: Path) -> str:
    """Return a model's name, or its path where it lies beside the suite."""
    return str(folder / name) if means_path(name, folder / name) else name
