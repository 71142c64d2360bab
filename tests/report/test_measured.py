"""What stands for what: measurements made again, zero-shot on other pictures, units, and what is drawn once."""

import importlib.util
from pathlib import Path

import pytest

from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.report.data_set_parts import classes, details, few_shot_curves, robustness
from wordsight.report.forms import SHOWN, shown_image
from wordsight.report.measured import read_subjects, written, written_interval
from wordsight.report.tasks_overview import few_shot, zero_shot

_SPEC = importlib.util.spec_from_file_location("evaluations", Path(__file__).parent / "evaluation_records.py")
records = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(records)


def result(name, value, count=100, **setting):
    return Result(name, value, (value - 0.1, value + 0.1), count, "f00d", {"model": "m", **setting})


def detail(name, form, data, title="Title", **setting):
    return Detail(name, title, form, data, "f00d", {"model": "m", **setting})


def subject(folder, *lines):
    records.add(folder, *lines)
    (only,) = read_subjects({"run": folder})
    return only


def test_a_measurement_made_again_counts_once_and_the_last_time(tmp_path):
    again = ((0.5, "t1"), (0.25, "t2"), (0.75, "t1"))
    one = subject(
        tmp_path,
        *(result("a/zero-shot/top-1", value, task=task, templates=task) for value, task in again),
        *(detail("a/zero-shot", "bars", {"rows": [{"name": "cat", "value": v}]}, task=task) for v, task in again),
    )
    assert sorted(result.value for result in one.results.values()) == [0.25, 0.75]
    assert sorted(bars[0].value for _, _, (bars, _) in one.details) == [0.25, 0.75]


def test_names_alone_stand_for_zero_shot_where_the_pictures_differ(tmp_path):
    one = subject(
        tmp_path,
        result("a/zero-shot/top-1", 0.5, 300), result("a/few-shot-0/names/top-1", 0.4), result("a/few-shot-4/linear/top-1", 0.6),
        result("b/zero-shot/top-1", 0.5), result("b/few-shot-0/names/top-1", 0.45), result("b/few-shot-4/linear/top-1", 0.6),
        result("c/few-shot-0/names/top-1", 0.3),
    )  # fmt: skip
    assert [zero_shot(one, name)[1].value for name in "abc"] == [0.4, 0.5, 0.3]
    assert [zero_shot(one, name)[0] == "zero-shot" for name in "abc"] == [False, True, False]
    assert few_shot(one, "a")[0] == "4 shots, linear" and few_shot(one, "c") is None
    assert ">names<" not in few_shot_curves([one], "a") and "zero-shot (0 shots) 40.0" in few_shot_curves([one], "a")


@pytest.mark.parametrize(
    ("value", "interval", "unit", "words"),
    [
        (0.5, (0.4, 0.6), None, ("50.0 %", "40.0 to 60.0")),
        (0.0134, (-0.0204, 0.0), "difference", ("+1.3 points", "-2.0 to 0.0")),
        (-0.0001, None, "difference", ("0.0 points", "")),
        (0.03456, (0.03, 0.04), "number", ("0.0346", "0.03 to 0.04")),
    ],
)
def test_values_are_written_with_their_unit(value, interval, unit, words):
    made = Result("a/b", value, interval, setting={} if unit is None else {"unit": unit})
    assert (written(made).replace("\u00a0", " "), written_interval(made)) == words


def robust(*names):
    return [result(f"a/robustness/{name}/top-1", 0.5 - i / 10) for i, name in enumerate(names)]


def test_robustness_begins_with_the_same_pictures_unchanged(tmp_path):
    one = subject(tmp_path, result("a/zero-shot/top-1", 0.9), *robust("clean", "jpeg-1", "jpeg-5"))
    html = robustness([one], "a")
    assert "jpeg: 50.0" in html.replace("\u00a0", " ") and "jpeg: 90.0" not in html


def test_what_was_recorded_to_be_drawn_is_drawn_once(tmp_path):
    lines = {"x": "strength", "percent": True, "series": [{"name": "jpeg", "points": [[0, 0.5], [1, 0.4]]}]}
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    one = subject(
        tmp_path, *robust("clean", "jpeg-1"), result("a/zero-shot/top-1/cat", 0.5),
        detail("a/robustness", "lines", lines), detail("a/zero-shot", "bars", bars),
    )  # fmt: skip
    assert robustness([one], "a") == "" == classes([one], "a")
    assert details([one], "a").count("<h3>") == 2


def test_details_of_one_title_come_together_and_the_further_ones_are_folded(tmp_path):
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    one = subject(tmp_path, *(detail(f"a/{kind}", "bars", bars, "Classes") for kind in ("zero-shot", "knn", "probe")))
    html = details([one], "a")
    assert html.startswith('<h3>Classes <span class="soft">zero-shot</span></h3>')
    assert html.count("<summary>") == 2 and "<summary>Classes: knn</summary>" in html


def test_few_pictures_are_seen_at_once(tmp_path):
    shown = {"pictures": [{"picture": "gone.jpg", "title": "t", "right": False}] * (SHOWN + 3)}
    html = details([subject(tmp_path, detail("a/zero-shot", "pictures", shown))], "a")
    assert "<summary>3 more</summary>" in html and html.count("<figure") == SHOWN + 3


@pytest.mark.parametrize("name", ["\x00.jpg", "a" * 5000 + ".jpg", "../x.jpg"])
def test_names_that_no_file_can_have_are_placeholders(tmp_path, name):
    assert shown_image(tmp_path, name, "t").startswith('<div class="missing">')
