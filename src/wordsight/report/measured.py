"""Who measured what: the results and details of runs, by model, under titles that tell different measurements apart.

    subjects = read_subjects({"first": Path("runs/first"), "second": Path("runs/second")})

A subject is one model as one run measured it.  Two results have the same title when they may stand side by side: the
same name, on the same part of the data, with the same prompts.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.report.bar_charts import Bar
from wordsight.report.canvas import number, percent
from wordsight.report.forms import checked
from wordsight.report.runs import RESULTS, read_details, read_results

DATA_KEYS = ("split", "image", "captions", "label", "limit", "missing")  # settings that make another set of pictures
DIFFERENCE = "difference"  # the unit of results that are a share minus another
TASK_KEYS = ("templates",)  # settings that ask the same pictures otherwise


class Title(NamedTuple):
    """What was measured: the data set with its part where there are several, and the measure below it."""

    data_set: str
    measure: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One model as one run measured it: results by title, details in the order of their record."""

    label: str
    folder: Path
    results: Mapping[Title, Result]
    details: Sequence[tuple[Title, Detail, Any]]


def read_subjects(runs: Mapping[str, Path]) -> list[Subject]:
    """Return the subjects of runs (name -> folder), in the order in which they are recorded."""
    parts: dict[tuple[str, str], tuple[list[Result], list[tuple[Detail, Any]]]] = {}
    for run, folder in runs.items():
        for result in _last(read_results(folder / RESULTS)):
            parts.setdefault((run, _model(result.setting)), ([], []))[0].append(result)
        details = read_details(folder, checked)
        recorded = {_identity(detail, i): (detail, value) for i, (detail, value) in enumerate(details)}
        for detail, value in recorded.values():
            parts.setdefault((run, _model(detail.setting)), ([], []))[1].append((detail, value))
        if not any(key[0] == run for key in parts):
            parts[run, ""] = ([], [])
    keys = _differing(result for results, _ in parts.values() for result in results)
    labels = _labels(list(parts))
    return [_subject(labels[key], runs[key[0]], results, details, keys) for key, (results, details) in parts.items()]


def _last(results: Iterable[Result]) -> list[Result]:
    """Return the results without those that were measured again: of one name, model and task the last one counts."""
    kept: dict[tuple[object, ...], Result] = {}
    for number_of, result in enumerate(results):
        task = result.setting.get("task")
        kept[(result.name, result.fingerprint, number_of if task is None else str(task))] = result
    return list(kept.values())


def _identity(detail: Detail, number_of: int) -> tuple[object, ...]:
    """Return what details of a measurement that was made again have in common: of those the last one counts."""
    task = detail.setting.get("task")
    return (detail.name, detail.title, detail.form, detail.fingerprint, number_of if task is None else str(task))


def _model(setting: Mapping[str, Any]) -> str:
    return str(setting.get("model") or "")


def _labels(parts: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return what each (run, model) is called: its model where that says enough, else its run, else both."""
    models = Counter(model for _, model in parts)
    runs = Counter(run for run, _ in parts)
    labels = {}
    for run, model in parts:
        if model and models[model] == 1:
            labels[run, model] = model
        elif runs[run] == 1 or not model:
            labels[run, model] = run
        else:
            labels[run, model] = f"{model} in {run}"
    return labels


def _differing(results: Iterable[Result]) -> dict[str, list[str]]:
    """Return for each data set the settings in which results of one name differ."""
    values: dict[tuple[str, str], dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for result in results:
        for key in (*DATA_KEYS, *TASK_KEYS):
            values[_first(result.name), result.name][key].add(result.setting.get(key))
    keys: dict[str, list[str]] = {}
    for (data_set, _), of_name in values.items():
        known = keys.setdefault(data_set, [])
        known += [key for key, different in of_name.items() if len(different) > 1 and key not in known]
    return keys


def _first(name: str) -> str:
    return name.partition("/")[0]


def _subject(
    label: str,
    folder: Path,
    results: Sequence[Result],
    details: Sequence[tuple[Detail, Any]],
    keys: Mapping[str, Sequence[str]],
) -> Subject:
    by_title: dict[Title, list[Result]] = defaultdict(list)
    for result in results:
        by_title[_title(result.name, result.setting, keys)].append(result)
    titled = {}
    for title, alike in by_title.items():
        own = [key for key in alike[0].setting if len({str(result.setting.get(key)) for result in alike}) > 1]
        for result in alike:  # measured again under the same settings: the last one counts
            titled[Title(title.data_set, _noted(title.measure, result.setting, own))] = result
    return Subject(label, folder, titled, [(_title(d.name, d.setting, keys), d, value) for d, value in details])


def _title(name: str, setting: Mapping[str, Any], keys: Mapping[str, Sequence[str]]) -> Title:
    data_set, _, measure = name.partition("/")
    differing = keys.get(data_set, [])
    asked = [key for key in differing if key in TASK_KEYS]
    return Title(
        _noted(data_set, setting, [key for key in differing if key in DATA_KEYS]), _noted(measure, setting, asked)
    )


def _noted(name: str, setting: Mapping[str, Any], keys: Sequence[str]) -> str:
    notes = [f"{key} {setting[key]}" for key in keys if setting.get(key) is not None]
    return f"{name} ({', '.join(notes)})" if notes else name


def data_sets(subjects: Sequence[Subject]) -> list[str]:
    """Return the data sets in the order in which they are recorded."""
    titles = [title for subject in subjects for title in subject.results]
    titles += [title for subject in subjects for title, _, _ in subject.details]
    return list(dict.fromkeys(title.data_set for title in titles))


def by_data_set(subject: Subject) -> dict[str, Subject]:
    """Return what a subject measured on each data set."""
    results: dict[str, dict[Title, Result]] = defaultdict(dict)
    details: dict[str, list[tuple[Title, Detail, Any]]] = defaultdict(list)
    for title, result in subject.results.items():
        results[title.data_set][title] = result
    for entry in subject.details:
        details[entry[0].data_set].append(entry)
    names = dict.fromkeys([*results, *details])
    return {name: Subject(subject.label, subject.folder, results[name], details[name]) for name in names}


def is_share(result: Result) -> bool:
    """Say whether a value is a share, shown as percent; others are plain numbers, or differences of shares."""
    return result.setting.get("unit", "share") not in ("number", DIFFERENCE)


def written(result: Result) -> str:
    """Return a value with its unit: "71.2 %", "0.0345", or "+1.4 points" for a difference of shares."""
    if result.setting.get("unit") == DIFFERENCE:
        return f"{_bare(result, result.value)} points"
    return percent(result.value) if is_share(result) else number(result.value)


def written_interval(result: Result) -> str:
    """Return an interval without its unit, or nothing where there is none."""
    return "" if result.interval is None else " to ".join(_bare(result, edge) for edge in result.interval)


def _bare(result: Result, value: float) -> str:
    if not math.isfinite(value) or result.setting.get("unit") == "number":
        return number(value)
    points = round(100 * value, 1)
    return f"{points:+.1f}" if points and result.setting.get("unit") == DIFFERENCE else f"{points or 0.0:.1f}"


def chance_of(result: Result) -> float | None:
    """Return what guessing gives, where it is recorded."""
    chance = result.setting.get("chance")
    return None if chance is None else float(chance)


def bar_of(name: str, result: Result | None) -> Bar | None:
    """Return a result as a bar with a name, None for none."""
    if result is None:
        return None
    return Bar(name, result.value, result.interval, chance_of(result), result.count)
