"""What stands for what: measurements made again, zero-shot on other pictures, units, and what is drawn once."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from wordsight.base.details import Detail
from wordsight.base.nouns import Result
from wordsight.report.data_set_parts import classes, few_shot_curves, robustness
from wordsight.report.detail_parts import details
from wordsight.report.forms import SHOWN, shown_image
from wordsight.report.measured import distinctions, read_subjects, written, written_interval
from wordsight.report.tasks_overview import few_shot, supervised, zero_shot

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


def test_robustness_has_its_number_of_pictures_and_bands(tmp_path):
    html = robustness([subject(tmp_path, *robust("clean", "jpeg-1", "jpeg-5"))], "a")
    assert "n 100 pictures at each point. Bands: 95 % intervals." in html and 'class="band"' in html


def test_recorded_lines_and_tables_say_what_they_are_of(tmp_path):
    band = {"points": [[0, 0.5], [1, 0.4]], "band": [[0.4, 0.6], [0.3, 0.5]]}
    lines = {"x": "strength", "series": [{"name": "jpeg", **band}]}
    table = {"head": ["a"], "rows": [["b"]]}
    one = subject(
        tmp_path,
        result("a/robustness/clean/top-1", 0.5, 12, task="t"), result("a/robustness/clean/top-1", 0.6, 99, task="u"),
        detail("a/robustness", "lines", lines, task="t"), detail("a/robustness", "table", table, task="t"),
        detail("a/conformal", "table", table, "Sets"),
    )  # fmt: skip
    html = details([one], "a")
    assert "n 12 pictures at each point. Bands: 95 % intervals. Strength 0" in html
    assert "n 12. Last column: the mean over the strengths" in html
    assert html.count("too few calibration pictures for the promise is put into every set.") == 1


def test_what_was_recorded_to_be_drawn_is_drawn_once(tmp_path):
    lines = {"x": "strength", "percent": True, "series": [{"name": "jpeg", "points": [[0, 0.5], [1, 0.4]]}]}
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    one = subject(
        tmp_path, *robust("clean", "jpeg-1"), result("a/zero-shot/top-1/cat", 0.5),
        detail("a/robustness", "lines", lines), detail("a/zero-shot", "bars", bars),
    )  # fmt: skip
    assert robustness([one], "a") == "" == classes([one], "a")
    assert details([one], "a").count("<h3 ") == 2


def test_details_of_one_title_come_together_and_the_further_ones_are_folded(tmp_path):
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    one = subject(tmp_path, *(detail(f"a/{kind}", "bars", bars, "Classes") for kind in ("zero-shot", "knn", "probe")))
    html = details([one], "a")
    assert html.startswith('<h3 data-kind="zero-shot">Classes <span class="soft">zero-shot</span></h3>')
    assert html.count("<summary>") == 2 and "<summary>Classes: knn</summary>" in html


def test_few_pictures_are_seen_at_once(tmp_path):
    shown = {"pictures": [{"picture": "gone.jpg", "title": "t", "right": False}] * (SHOWN + 3)}
    html = details([subject(tmp_path, detail("a/zero-shot", "pictures", shown))], "a")
    assert "<summary>3 more</summary>" in html and html.count("<figure") == SHOWN + 3


@pytest.mark.parametrize("name", ["\x00.jpg", "a" * 5000 + ".jpg", "../x.jpg"])
def test_names_that_no_file_can_have_are_placeholders(tmp_path, name):
    assert shown_image(tmp_path, name, "t").startswith('<div class="missing">')


def test_a_part_measured_several_times_is_open_once_and_the_others_say_how_they_differ(tmp_path):
    def bars(value):
        return {"rows": [{"name": "cat", "value": value}]}

    def timed(task, hour, **setting):
        made = result("a/zero-shot/top-1", 0.5, task=task, **setting)
        return replace(made, environment={"time": f"2026-03-04T{hour:02}:05:06Z"})

    one = subject(
        tmp_path,
        timed("t1", 5), timed("t2", 7), timed("t3", 6, precision="half"),
        *(detail("a/zero-shot", "bars", bars(value), f"At {value}", task=task) for task, value in (("t1", 0.1), ("t2", 0.2), ("t3", 0.3))),
    )  # fmt: skip
    html = details([one], "a")
    assert html.count("<h3 ") == 1 and html.count("<summary>") == 2
    opened, *folded = html.split("<details ")
    assert "At 0.2" in opened and "measured 2026-03-04 07:05:06" in opened
    assert "At 0.3: zero-shot, precision half" in folded[0]
    assert "At 0.1: zero-shot, without precision, measured 2026-03-04 05:05:06" in folded[1]


def test_two_parts_of_one_task_whose_titles_differ_in_figures_are_both_open(tmp_path):
    bars = {"rows": [{"name": "cat", "value": 0.5}]}
    one = subject(tmp_path, *(detail("a/x", "bars", bars, f"Strength {i}", task="t") for i in (1, 2)))
    html = details([one], "a")
    assert html.count("<h3 ") == 2 and "<summary>" not in html


def test_titles_of_models_that_differ_in_figures_stand_under_what_they_share(tmp_path):
    bins = {"bins": [{"low": 0, "high": 1, "confidence": 0.5, "accuracy": 0.5, "count": 3}]}
    for model, figure in (("m", "2.22"), ("n", "2.04")):
        title = f"Reliability with a temperature, {figure}"
        records.add(tmp_path, Detail("a/calibration", title, "reliability", bins, "f", {"model": model, "task": model}))
    html = details(read_subjects({"run": tmp_path}), "a")
    assert html.startswith(
        '<h3 data-kind="calibration">Reliability with a temperature <span class="soft">calibration</span></h3>'
    )
    assert "<h4>n: Reliability with a temperature, 2.04</h4>" in html and "<summary>" not in html


def test_what_was_measured_again_under_unseen_settings_stands_for_its_kind(tmp_path):
    made = [replace(result("a/supervised/top-1", value, task=task), environment={"time": f"2026-01-0{day}"})
            for value, task, day in ((0.6, "t1", 1), (0.7, "t2", 2), (0.7, "t3", 3))]  # fmt: skip
    one = subject(tmp_path, *made)
    assert supervised(one, "a")[1].value == 0.7
    assert [title.measure for title in one.results] == [
        f"supervised/top-1 (measured 2026-01-0{day})" for day in (1, 2, 3)
    ]  # fmt: skip


def test_the_curve_of_shots_has_lines_of_zero_shot_and_of_all_labels_on_as_many_pictures(tmp_path):
    shots = result("a/few-shot-4/linear/top-1", 0.6), result("a/zero-shot/top-1", 0.5), result("a/probe/top-1", 0.7)
    html = few_shot_curves([subject(tmp_path / "same", *shots)], "a").replace("\u00a0", " ")
    assert "zero-shot (0 shots) 50.0 %" in html and "probe (all labels) 70.0 %" in html
    others = subject(tmp_path / "others", *shots, result("a/supervised/top-1", 0.8, 30))
    assert "all labels) " not in few_shot_curves([others], "a")


def test_what_tells_measurements_apart_has_three_digits_where_these_do():
    chances = [{"chance": 0.30461538461538457}, {"chance": 0.2}, {"chance": None}]
    assert [one["chance"] for one in distinctions(chances)] == [0.305, 0.2, None]
    near = [{"scale": 0.30461}, {"scale": 0.30462}]
    assert distinctions(near) == near
