"""Tasks: what is measured, on which images.

    spec = read_task("retrieval:flickr8k?split=val")            # or a TOML file with the keys of `TaskSpec`
    measured = run_task(model, build_task(spec))

A new kind of task is one file in `kinds/` with `OPTIONS`, `build(spec, sets)` and `run(encoder, task)`, and one row in
`TASKS`.  It may have `captions(task)`: a text that fits each image; and `SETS`: which of "train" and "val" it reads
(without it: neither), with `FIRST_SET_ALONE` only the first of them that a task names.
"""

import importlib
import inspect
import math
import os
import re
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from wordsight.base.config import from_dict, read_toml, unknown_key
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.suggest import suggest
from wordsight.weights.find import means_path

TASKS = {  # kind: the module with its `OPTIONS`, `build` and `run`
    "zero-shot": "wordsight.evaluate.kinds.zero_shot",
    "multi-label": "wordsight.evaluate.kinds.multi_label",
    "retrieval": "wordsight.evaluate.kinds.retrieval",
    "few-shot": "wordsight.evaluate.kinds.few_shot",
    "supervised": "wordsight.evaluate.kinds.supervised",
    "probe": "wordsight.evaluate.kinds.probe",
    "knn": "wordsight.evaluate.kinds.knn",
    "prompts": "wordsight.evaluate.kinds.prompts",
    "selection": "wordsight.evaluate.kinds.selection",
    "clip-score": "wordsight.evaluate.kinds.clip_score",
    "calibration": "wordsight.evaluate.kinds.calibration",
    "robustness": "wordsight.evaluate.kinds.robustness",
    "typographic": "wordsight.evaluate.kinds.typographic",
    "adversarial": "wordsight.evaluate.kinds.adversarial",
    "texture": "wordsight.evaluate.kinds.texture",
    "bias": "wordsight.evaluate.kinds.bias",
    "segmentation": "wordsight.evaluate.kinds.segmentation",
    "pointing": "wordsight.evaluate.kinds.pointing",
}


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of a kind that has none of its own."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task; `kind` is a row of `TASKS`.

    `place` and `split` are those of `wordsight.data.source.open_source`; a relative place is looked for
    in the folder of the task's file.  `name` heads its results (default: the name of the place).  `image`, `captions`,
    `label` and `key` are columns of a table, or JSON keys, that are not known by their names.
    `train` with `train_split`, and `val` with `val_split`, are the images that kinds learn from and choose by (default
    place: `place`); without them a share of the measured images is held out, and other kinds leave them unread.
    With classes: `label` is the column with the class (default: the source's class), `templates` a named
    list of prompts, a file (JSON: prompts for each class) or the prompts themselves (default: what the set states, else
    "photo"), `classes` the names to choose from (default: what the set states, else those that occur, sorted).
    `naming` "exact" takes them as they are; with "synonyms" commas part names (default: as the set states, else so).
    `limit` takes the first images only; `per_class` adds the accuracy within each class.  `seed` settles what is drawn.
    `options` are those of the kind: its `OPTIONS`, or a dict of them.
    """

    kind: str
    place: str
    name: str = ""
    split: str | None = None
    train: str | None = None
    train_split: str | None = None
    val: str | None = None
    val_split: str | None = None
    templates: str | tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    naming: Literal["synonyms", "exact"] | None = None
    limit: int | None = None
    per_class: bool = False
    seed: int = 0
    image: str | None = None
    captions: str | None = None
    label: str | None = None
    key: str | None = None
    options: Any = None


PLACES = ("place", "train", "val")  # keys that are relative to the folder of the file that states them
FURTHER = ("train", "val")  # sets beside the measured one
PLACE = {"relative": "always"}  # metadata of an option of a kind, which is relative in the same way
NAME_OR_FILE = {"relative": "a file"}  # of one that is a name, unless a file of that name is there
NAME_OR_MODEL = {"relative": "a model"}  # the same for a model, which may be a folder
WHOLE = re.compile("[+-]?[0-9]{1,19}")  # numbers in the text of a task: plain digits
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
OWN = {field.name for field in fields(TaskSpec)} - {"options"}


def read_task(text: str) -> TaskSpec:
    """Read a task from a TOML file, or from "KIND:PLACE" with "?key=value&key=value" for the other keys."""
    kind, colon, rest = text.partition(":")
    if colon and kind in TASKS:
        return _from_text(kind, rest)
    if text.endswith(".toml"):
        path = Path(text)
        return task_of({"name": path.stem, **read_toml(path)}, folder=path.parent)
    near = suggest(kind, TASKS) if colon else ""
    known = f"give a .toml file, or KIND:PLACE with one of {', '.join(TASKS)}"
    raise UsageError(f"{text!r} is no task", cure=near if near.startswith("did") else known)


def task_of(values: Mapping[str, Any], *, folder: Path | None = None, where: str = "") -> TaskSpec:
    """Return the task of plain keys, those of `TaskSpec` and of its kind's `OPTIONS` side by side.

    Relative places lie in `folder`; `where` is put before the keys that errors name.
    """
    for key, value in values.items():
        if value in ("", []):
            raise ConfigError(f"{where}{key} is empty", cure="give a value, or leave it out")
        if isinstance(value, str) and not value.isprintable():
            raise ConfigError(f"{where}{key} = {value!r}", cure="leave out what cannot be printed")
    own = {key: value for key, value in values.items() if key in OWN}
    rest = {key: value for key, value in values.items() if key not in OWN}
    options = _options(own["kind"], rest, where=where) if own.get("kind") in TASKS else None
    spec = from_dict(TaskSpec, own, where=where)
    check_task(spec, where=where)
    spec = replace(spec, options=options)
    return spec if folder is None else _moved(spec, folder, values)


def _moved(spec: TaskSpec, folder: Path, given: Collection[str]) -> TaskSpec:
    """Return the task whose relative places lie in a folder, those of keys that are given."""
    own: dict[str, Any] = {key: str(folder / value) for key in PLACES if (value := getattr(spec, key)) is not None}
    if isinstance(spec.templates, str) and os.path.isfile(folder / spec.templates):
        own["templates"] = str(folder / spec.templates)
    options: dict[str, Any] = {}
    for field in fields(spec.options):
        value, how = getattr(spec.options, field.name), field.metadata.get("relative")
        if how is None or field.name not in given or value is None:
            continue
        if isinstance(value, tuple):
            options[field.name] = tuple(str(folder / one) for one in value)
        elif _is_there[how](value, folder / value):
            options[field.name] = str(folder / value)
    return replace(spec, options=replace(spec.options, **options), **own)


_is_there: Mapping[str, Callable[[str, Path], bool]] = {  # how a name may be relative: whether it is a path
    PLACE["relative"]: lambda name, path: True,
    NAME_OR_FILE["relative"]: lambda name, path: os.path.isfile(path),
    NAME_OR_MODEL["relative"]: means_path,
}


def with_options(spec: TaskSpec, *, where: str = "") -> TaskSpec:
    """Return the task with the `OPTIONS` of its kind in the place of a dict of them, or of None."""
    if spec.options is None or isinstance(spec.options, dict):
        return replace(spec, options=_options(spec.kind, dict(spec.options or {}), where=where))
    return spec


def without_unread(spec: TaskSpec) -> TaskSpec:
    """Return the task without the keys of further sets that its kind does not read: they make no other measurement."""
    module = kind_module(spec.kind)
    read = [name for name in getattr(module, "SETS", ()) if any(getattr(spec, key) is not None for key in _of(name))]
    if getattr(module, "FIRST_SET_ALONE", False):
        read = read[:1]
    unread: dict[str, Any] = {key: None for name in FURTHER if name not in read for key in _of(name)}
    return replace(spec, **unread)


def _of(name: str) -> tuple[str, str]:
    """Return the keys that name a further set."""
    return name, f"{name}_split"


def check_task(spec: TaskSpec, *, where: str = "") -> None:
    """Raise `ConfigError` for a kind that is not in the table; `where` is put before the key."""
    if spec.kind not in TASKS:
        near = suggest(spec.kind, TASKS)
        cure = near if near.startswith("did") else f"use one of {', '.join(map(repr, TASKS))}"
        raise ConfigError(f"{where}kind = {spec.kind!r}", cure=cure)
    if spec.limit is not None and spec.limit < 1:
        raise UsageError(f"{where}limit = {spec.limit}", cure="give 1 or more, or leave it out")
    if spec.seed < 0:
        raise UsageError(f"{where}seed = {spec.seed}", cure="give 0 or more")


def captions_of(task: Any) -> Sequence[str]:
    """Return a text that fits each image of a built task, none where its kind has no texts."""
    module = kind_module(task.spec.kind)
    captions: Sequence[str] = module.captions(task) if hasattr(module, "captions") else ()
    return captions


def kind_module(kind: str) -> Any:
    """Return what the row of a kind names: a module with `OPTIONS`, `build` and `run`."""
    return importlib.import_module(TASKS[kind])


def _options(kind: str, values: dict[str, Any], *, where: str = "") -> Any:
    options = kind_module(kind).OPTIONS
    names = {field.name for field in fields(options)}
    unknown = [key for key in values if key not in names]
    if unknown:
        raise unknown_key(f"{where}{unknown[0]}", unknown[0], sorted(OWN | names))
    return from_dict(options, values, where=where)


def keys_of(kind: str) -> list[str]:
    """Return what a kind measures and its own keys with what they are where they are left out, as lines to read."""
    check_task(TaskSpec(kind, ""))
    module = kind_module(kind)
    own = [f"  {field.name}={_written(field.default)}" for field in fields(module.OPTIONS)]
    head = f"{kind}:PLACE?key=value&key=value; keys of its own, and what they are where they are left out:"
    text = inspect.cleandoc(module.OPTIONS.__doc__) if own else ""
    every = ", ".join(sorted(OWN - {"kind", "place"}))
    lines = [inspect.cleandoc(module.__doc__), "", *([head, *own, "", text, ""] if own else [])]
    return [line for part in [*lines, f"Keys of every task: {every}"] for line in part.split("\n")]


def _written(value: Any) -> str:
    """Return a value as it is written behind a key."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str("" if value is None else value)


def _from_text(kind: str, rest: str) -> TaskSpec:
    path, _, query = rest.partition("?")
    if not path:
        raise UsageError(f"{kind}: names no images", cure=f"give a folder, a table or shards: {kind}:PLACE")
    given: dict[str, str] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key in given:
            raise UsageError(f"{key} is given twice: {key}={given[key]} and {key}={text}", cure="give it once")
        given[key] = text
    for key in ("kind", "place"):
        if key in given:
            raise UsageError(f"{key}={given[key]} behind the ?", cure=f"{key} stands before it: KIND:PLACE?key=value")
    hints = {**get_type_hints(kind_module(kind).OPTIONS), **get_type_hints(TaskSpec)}
    values = {key: _typed(hints.get(key, str), text) for key, text in given.items()}
    return task_of({"kind": kind, "place": path, **values})


def _typed(hint: Any, text: str) -> Any:
    """Return a text as the value that a field of this type takes; one that fits none stays text, for the error."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        if str in kinds:  # a list of texts is written in a file
            return text
        values = (_typed(kind, text) for kind in kinds)
        return next((value for value in values if not isinstance(value, str)), text)
    if origin is Literal:
        return text
    if origin is tuple:
        return [_typed(get_args(hint)[0], part.strip()) for part in text.split(",")]
    if hint is bool:
        return {"true": True, "false": False}.get(text, text)
    if hint is int and WHOLE.fullmatch(text):
        return int(text)
    if hint is float and NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
