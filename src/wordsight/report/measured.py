"""Who measured what: the results and details of runs, by model, under titles that tell different measurements apart.

    subjects = read_subjects({"first": Path("runs/first"), "second": Path("runs/second")})

A subject is one model as one run measured it.  Two results have the same title when they may stand side by side: the
same name, on the same part of the data, with the same prompts.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
OUTCOME = "outcome"  # the value, interval and count of a result, among what tells it apart
UNSEEN = frozenset({"task", "time", OUTCOME})  # what tells measurements apart only where no setting does


class Title(NamedTuple):
    """What was measured: the data set with its part where there are several, and the measure below it."""

    data_set: str
    measure: str


@dataclass(frozen=True, slots=True)
class Subject:
    """One model as one run measured it: results by title, details in the order of their record.

    `tasks` says under which settings each task was measured, by its key, and when, as the setting "time".
    """

    label: str
    folder: Path
    results: Mapping[Title, Result]
    details: Sequence[tuple[Title, Detail, Any]]
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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
        for result, own in zip(alike, distinctions([_facts(result) for result in alike]), strict=True):
            titled[Title(title.data_set, _noted(title.measure, own, list(own)))] = result
    shown = [(_title(d.name, d.setting, keys), d, value) for d, value in details]
    return Subject(label, folder, titled, shown, _tasks(results))


def _facts(result: Result) -> dict[str, Any]:
    """Return what tells a result from others of its title: its settings, when it was measured, what came out."""
    came_out = (result.value, result.interval, result.count)
    return {**result.setting, "time": result.environment.get("time"), OUTCOME: came_out}


def _tasks(results: Iterable[Result]) -> dict[str, dict[str, Any]]:
    """Return the settings that hold for all results of each task, and when it was measured."""
    tasks: dict[str, dict[str, Any]] = {}
    for result in results:
        if (task := result.setting.get("task")) is None:
            continue
        facts = {**result.setting, "time": result.environment.get("time")}
        known = tasks.setdefault(str(task), facts)
        for key in [key for key, value in known.items() if key != "time" and facts.get(key) != value]:
            del known[key]
    return tasks


def distinctions(facts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return of each measurement the settings that tell it from the others, or its time where none does.

    Where what came out (`OUTCOME`) is the same as well, nothing tells them apart: one says no more than the other.
    """
    keys = dict.fromkeys(key for one in facts for key in one if key not in UNSEEN)
    differing = [key for key in keys if len({str(one.get(key)) for one in facts}) > 1]
    apart = [{key: _brief(key, one.get(key), facts) for key in differing} for one in facts]
    alike: dict[str, list[int]] = defaultdict(list)
    for i, own in enumerate(apart):
        alike[str(own)].append(i)
    for rows in alike.values():
        if len({str(facts[i].get(OUTCOME, i)) for i in rows}) > 1:
            distinct = (by for by in ("time", "task") if len({str(facts[i].get(by)) for i in rows}) == len(rows))
            for by in list(distinct)[:1]:
                for i in rows:
                    apart[i] = {**apart[i], "measured" if by == "time" else by: _clock(facts[i].get(by))}
    return apart


def _brief(key: str, value: Any, facts: Sequence[Mapping[str, Any]]) -> Any:
    """Return a number with three digits that count, where the measurements stay apart by it; else as it is."""
    if not isinstance(value, float):
        return value
    values = {one.get(key) for one in facts if isinstance(one.get(key), float)}
    return float(f"{value:.3g}") if len({f"{one:.3g}" for one in values}) == len(values) else value


def _clock(value: Any) -> str:
    """Return a time as people read it: "2026-03-04 05:06:07"; other texts as they are."""
    text = str(value)
    return text.replace("T", " ").removesuffix("Z") if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", text) else text


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


def bare(measure: str) -> str:
    """Return a measure without what tells it from others: "knn/top-1 (seed 2)" is "knn/top-1"."""
    return re.sub(r"(/top-1) \(.*\)$", r"\1", measure)


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
    return {name: Subject(subject.label, subject.folder, results[name], details[name], subject.tasks) for name in names}


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
