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
from wordsight.base.suggest import suggest
from wordsight.base.threads import ordered_map
from wordsight.base.value import Value
from wordsight.data.source import Columns, open_source
from wordsight.evaluate.encode import Encoder
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels

TASKS = {  # kind: the module with its `build` and `run`
    "retrieval": "wordsight.evaluate.retrieval",
    "zero-shot": "wordsight.evaluate.zero_shot",
}
CUT = (
    "split",
    "image",
    "captions",
    "label",
    "limit",
)  # keys that make another measurement of the same name: every result states them


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task; `kind` is a row of `TASKS`.

    `place` and `split` are those of `wordsight.data.source.open_source`; a relative place is looked for
    in the folder of the task's file.  `name` heads its results (default: the name of the place).  `image`, `captions`,
    `label` and `key` are columns of a table, or JSON keys, that are not known by their names.
    For zero-shot: `label` is the column with the class (default: the source's class), `templates` a named
    list of prompts or a file, `classes` the names to choose from (default: those that occur, sorted).
    `limit` takes the first images only; `per_class` adds the accuracy within each class.
    """

    kind: str
    place: str
    name: str = ""
    split: str | None = None
    label: str | None = None
    templates: str = "photo"
    classes: tuple[str, ...] | None = None
    limit: int | None = None
    per_class: bool = False
    image: str | None = None
    captions: str | None = None
    key: str | None = None


def read_task(text: str) -> TaskSpec:
    """Read a task from a TOML file, or from "KIND:PLACE" with "?key=value&key=value" for the other keys."""
    kind, colon, rest = text.partition(":")
    if colon and kind in TASKS:
        return _from_text(kind, rest)
    if text.endswith(".toml"):
        return _from_file(Path(text))
    near = suggest(kind, TASKS) if colon else ""
    known = f"give a .toml file, or {' or '.join(f'{k}:PLACE' for k in TASKS)}"
    raise UsageError(f"{text!r} is no task", cure=near if near.startswith("did") else known)


def check_task(spec: TaskSpec, *, where: str = "") -> None:
    """Raise `ConfigError` for a kind that is not in the table; `where` is put before the key."""
    if spec.kind not in TASKS:
        raise ConfigError(f"{where}kind = {spec.kind!r}", cure=f"use one of {', '.join(map(repr, TASKS))}")


def _from_text(kind: str, rest: str) -> TaskSpec:
    path, _, query = rest.partition("?")
    if not path:
        raise UsageError(f"{kind}: names no images", cure=f"give a folder, a table or shards: {kind}:PLACE")
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    for key in ("kind", "place"):
        if key in values:
            raise UsageError(f"{key}={values[key]} behind the ?", cure=f"{key} stands before it: KIND:PLACE?key=value")
    if "limit" in values:
        values["limit"] = _whole(values["limit"])
    if "classes" in values:
        values["classes"] = [name.strip() for name in values["classes"].split(",")]
    if "per_class" in values:
        values["per_class"] = _truth("per_class", values["per_class"])
    return from_dict(TaskSpec, {"kind": kind, "place": path, **values})


def _truth(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise UsageError(f"{name}={text!r}", cure="give true or false")
    return text == "true"


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"limit={text!r}", cure="give a whole number")
    return int(text)


def _from_file(path: Path) -> TaskSpec:
    spec = from_dict(TaskSpec, {"name": path.stem, **read_toml(path)})
    check_task(spec)
    return replace(spec, place=str(path.parent / spec.place))


def build_task(
    spec: TaskSpec, *, root: Path | None = None, failures: list[InputError] | None = None, most: int | None = None
) -> Any:
    """Read the images of a task into memory, still encoded; a relative path lies in `root`.

    With `most` it is a quicker task, of so many of its images (see `spread`).

    A source with unreadable entries raises `InputError`: a gallery with holes would be another task.  With a list of
    `failures` they are added to it instead, broken images too, and left out.
    """
    check_task(spec)
    if spec.limit is not None and spec.limit < 1:
        raise UsageError(f"limit = {spec.limit}", cure="give 1 or more, or leave it out")
    location = root / spec.place if root else Path(spec.place)
    columns = Columns(image=spec.image, captions=spec.captions, label=spec.label, key=spec.key)
    source = open_source(location if root else spec.place, split=spec.split, columns=columns)
    samples, failed = _read(source.samples(), spec.limit)
    if failures is None and failed:
        more = f" (and {len(failed) - 1} more of {source.name})" if len(failed) > 1 else ""
        raise InputError(f"{failed[0].problem}{more}", cure=OR_SKIP)
    if failures is not None:
        failures += failed
        samples = _whole_images(samples, failures)
    if not samples:
        raise FormatError(f"{source.name} has no images", cure="check the path and the split")
    name = location.resolve().name if location.is_dir() else source.name.split("/")[0]
    return build_of(replace(spec, name=spec.name or name), samples if most is None else spread(samples, most))


OR_SKIP = "mend or remove what cannot be read, or measure without it: evaluate has --skip-failed"


def build_of(spec: TaskSpec, samples: Sequence[Sample]) -> Any:
    """Return the task that `spec` makes of samples that were read already."""
    return _module(spec.kind, "build")(spec, samples)


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Return at most so many samples, evenly spread, since sources are often sorted; each with its first text alone."""
    rows = range(len(samples)) if len(samples) <= most else [i * len(samples) // most for i in range(most)]
    return [replace(samples[row], texts=samples[row].texts[:1]) for row in rows]


def run_task(encoder: Encoder, task: Any, *, missing: int = 0) -> list[Result]:
    """Measure `encoder` on a built task; `missing` is the number of images that could not be read."""
    spec: TaskSpec = task.spec
    cut: dict[str, Value] = {key: getattr(spec, key) for key in CUT if getattr(spec, key) is not None}
    if missing:
        cut["missing"] = missing
    results: list[Result] = _module(spec.kind, "run")(encoder, task)
    return [replace(result, setting={**result.setting, **cut}) for result in results]


def _module(kind: str, function: str) -> Any:
    return resolve(f"{TASKS[kind]}:{function}")


def _read(walk: Any, limit: int | None) -> tuple[list[Sample], list[InputError]]:
    samples = []
    for sample in walk:
        samples.append(sample)
        if len(samples) == limit:
            break
    return samples, walk.failures


def _whole_images(samples: Sequence[Sample], failures: list[InputError]) -> list[Sample]:
    """Return the samples whose images can be decoded, and add to `failures` why the others cannot."""

    def check(sample: Sample) -> InputError | None:
        try:
            load_pixels(sample.image, PreprocessSpec(), name=sample.key)
        except InputError as error:
            return error
        return None

    checked = list(zip(samples, ordered_map(check, samples), strict=True))
    failures += [error for _, error in checked if error is not None]
    return [sample for sample, error in checked if error is None]
