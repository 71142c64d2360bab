"""Tasks: what is measured, on which images.

    spec = read_task("retrieval:flickr8k?split=val")            # or a TOML file with the keys of `TaskSpec`
    results = run_task(model, build_task(spec))

A new kind of task is one file with `build(spec, samples)` and `run(encoder, task)`, and one row in `TASKS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from wordsight.base.config import from_dict, read_toml
from wordsight.base.errors import ConfigError, FormatError, InputError, UsageError
from wordsight.base.nouns import Result, Sample
from wordsight.base.optional import resolve
from wordsight.data.source import open_source
from wordsight.evaluate.encode import Encoder

TASKS = {  # kind: the module with its `build` and `run`
    "retrieval": "wordsight.evaluate.retrieval",
    "zero-shot": "wordsight.evaluate.zero_shot",
}


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task; `kind` is a row of `TASKS`.

    `place` and `split` are those of `wordsight.data.source.open_source`; a relative place is looked for
    in the folder of the task's file.  `name` heads its results (default: the name of the place).
    For zero-shot: `label` is the column with the class (default: the source's class), `templates` a named
    list of prompts or a file, `classes` the names to choose from (default: those that occur, sorted).
    `limit` takes the first images only.
    """

    kind: str
    place: str
    name: str = ""
    split: str | None = None
    label: str | None = None
    templates: str = "photo"
    classes: tuple[str, ...] | None = None
    limit: int | None = None


def read_task(text: str) -> TaskSpec:
    """Read a task from a TOML file, or from "KIND:PLACE" with "?key=value&key=value" for the other keys."""
    kind, colon, rest = text.partition(":")
    if colon and kind in TASKS:
        return _from_text(kind, rest)
    if text.endswith(".toml"):
        return _from_file(Path(text))
    raise UsageError(f"{text!r} is no task", cure=f"give a .toml file, or {' or '.join(f'{k}:PLACE' for k in TASKS)}")


def check_task(spec: TaskSpec, *, where: str = "") -> None:
    """Raise `ConfigError` for a kind that is not in the table; `where` is put before the key."""
    if spec.kind not in TASKS:
        raise ConfigError(f"{where}kind = {spec.kind!r}", cure=f"use one of {', '.join(map(repr, TASKS))}")


def _from_text(kind: str, rest: str) -> TaskSpec:
    path, _, query = rest.partition("?")
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if "limit" in values:
        values["limit"] = _whole(values["limit"])
    if "classes" in values:
        values["classes"] = [name.strip() for name in values["classes"].split(",")]
    return from_dict(TaskSpec, {"kind": kind, "place": path, **values})


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"limit={text!r}", cure="give a whole number")
    return int(text)


def _from_file(path: Path) -> TaskSpec:
    spec = from_dict(TaskSpec, {"name": path.stem, **read_toml(path)})
    check_task(spec)
    return replace(spec, place=str(path.parent / spec.place))


def build_task(spec: TaskSpec, *, root: Path | None = None) -> Any:
    """Read the images of a task into memory, still encoded; a relative path lies in `root`.

    A source with unreadable entries raises the first of them: a gallery with holes would be another task.
    """
    check_task(spec)
    if spec.limit is not None and spec.limit < 1:
        raise UsageError(f"limit = {spec.limit}", cure="give 1 or more, or leave it out")
    source = open_source(root / spec.place if root else spec.place, split=spec.split)
    samples = _read(source.samples(), spec.limit)
    if not samples:
        raise FormatError(f"{source.name} has no pictures", cure="check the path and the split")
    return build_of(replace(spec, name=spec.name or source.name.split("/")[0]), samples)


def build_of(spec: TaskSpec, samples: Sequence[Sample]) -> Any:
    """Return the task that `spec` makes of samples that were read already."""
    return _module(spec.kind, "build")(spec, samples)


def run_task(encoder: Encoder, task: Any) -> list[Result]:
    """Measure `encoder` on a built task."""
    results: list[Result] = _module(task.spec.kind, "run")(encoder, task)
    return results


def _module(kind: str, function: str) -> Any:
    return resolve(f"{TASKS[kind]}:{function}")


def _read(walk: Any, limit: int | None) -> Sequence[Sample]:
    samples = []
    for sample in walk:
        samples.append(sample)
        if len(samples) == limit:
            break
    if walk.failures:
        first: InputError = walk.failures[0]
        raise first
    return samples
