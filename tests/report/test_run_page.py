"""The page of runs: curves and results of one or several folders."""

import json
import re

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.nouns import Result
from wordsight.base.records import append_line
from wordsight.cli.main import main
from wordsight.report.evaluation_page import write_evaluation_page
from wordsight.report.run_page import flat, learning_curves, points
from wordsight.report.runs import read_metrics, read_results


def make_run(folder, *, loss, right):
    for step in (10, 20, 30):
        append_line(folder / "metrics.jsonl", {"step": step, "loss": loss / step, "lr": 0.001})
    result = Result("pets/zero-shot/top-1", right, (right - 0.1, right + 0.1), 200, "f00d", {"chance": 0.05})
    append_line(folder / "results.jsonl", json.loads(result.to_json()))
    (folder / "config.json").write_text(json.dumps({"batch": 64, "optimiser": {"lr": 0.001}}))
    return folder


def test_two_runs_stand_beside_each_other(tmp_path):
    runs = [make_run(tmp_path / "first", loss=40.0, right=0.5), make_run(tmp_path / "second", loss=30.0, right=0.625)]
    text = write_evaluation_page(runs, tmp_path / "page.html").read_text()
    assert "first and second" in text
    assert "50.0 % <small>(40.0 to 60.0; 200)</small>" in text
    assert "62.5 % <small>(52.5 to 72.5; 200)</small>" in text
    assert "5.0 %" in text
    assert text.count("<polyline") == 8  # loss and lr of both, each drawn wide and narrow
    assert "optimiser.lr" in text


def test_a_young_run_has_a_page_without_results(tmp_path):
    append_line(tmp_path / "metrics.jsonl", {"step": 10, "loss": 3.0})
    text = write_evaluation_page([tmp_path], tmp_path / "report.html").read_text()
    assert "No results are recorded yet." in text


def test_the_verb_writes_beside_the_first_run_and_prints_where(tmp_path, capsys):
    run = make_run(tmp_path / "one", loss=40.0, right=0.5)
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert (run / "report.html").exists()


@pytest.mark.parametrize("name", ["gone", "empty"])
def test_a_folder_without_records_is_an_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=name):
        write_evaluation_page([tmp_path / name], tmp_path / "report.html")


def test_settings_are_told_flat():
    assert flat({"a": 1, "b": {"c": [2], "d": {"e": "x"}}}) == [("a", "1"), ("b.c", "[2]"), ("b.d.e", "x")]


def test_runs_in_folders_of_one_name_are_told_apart_by_their_path(tmp_path):
    runs = [make_run(tmp_path / side / "run", loss=40.0, right=right) for side, right in (("a", 0.5), ("b", 0.625))]
    text = write_evaluation_page([*runs, tmp_path / "a" / "." / "run"], tmp_path / "page.html").read_text()
    assert "50.0 % <small>(40.0 to 60.0; 200)</small>" in text and "62.5 % <small>(52.5 to 72.5; 200)" in text
    assert f"<h1>{runs[0]} and {runs[1]}</h1>" in text
    assert text.count("Settings of ") == 2  # the same folder twice is one run


def test_measurements_of_one_name_are_told_apart_by_what_was_cut(tmp_path):
    for split, value in (("val", 0.5), ("test", 0.25), (None, 0.125)):
        result = Result("pets/zero-shot/top-1", value, None, 100, setting={"templates": "photo", "split": split})
        append_line(tmp_path / "results.jsonl", json.loads(result.to_json()))
    text = write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()
    for title, value in ((" (split val)", "50.0"), (" (split test)", "25.0"), ("", "12.5")):
        assert f"<h3>pets{title}</h3>" in text
        rows = text.split(f"<h3>pets{title}</h3>")[1]
        assert f'<td>zero-shot/top-1</td><td class="chances-of"></td><td class="figure">{value} %' in rows


def test_three_runs_are_counted_in_the_title(tmp_path):
    runs = [make_run(tmp_path / name, loss=40.0, right=0.5) for name in "abc"]
    assert "<h1>3 runs</h1>" in write_evaluation_page(runs, tmp_path / "page.html").read_text()


def test_results_stand_in_the_columns_of_their_runs(tmp_path):
    first = make_run(tmp_path / "first", loss=40.0, right=0.5)
    second = make_run(tmp_path / "second", loss=40.0, right=0.25)
    bare = Result("cars/R@1", 0.125, None, 1200)
    append_line(second / "results.jsonl", json.loads(bare.to_json()))
    text = write_evaluation_page([first, second], tmp_path / "page.html").read_text()
    assert "<tr><th>measure</th><th>chance</th><th>first</th><th>second</th><th>settings</th></tr>" in text
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    plain = [re.sub(r"\|+", "|", row) for row in rows]
    assert "|zero-shot/top-1|5.0 %|first |50.0 % |(40.0 to 60.0; 200)|second |25.0 % |(15.0 to 35.0; 200)|" in plain
    assert "|R@1|first |–|second |12.5 % |(1,200)|" in plain


def test_shares_have_a_percent_axis_and_other_metrics_have_not(tmp_path):
    for step, value in ((0, 0.25), (10, 1.0)):
        record = {"step": step, "a/R@1": value, "a/<big>": 3 * value, "loss": value, "gone": None}
        append_line(tmp_path / "metrics.jsonl", record)
    text = write_evaluation_page([tmp_path], tmp_path / "page.html").read_text()
    charts = {part.split("</h3>")[0]: part for part in text.split("<h3>")[1:]}
    assert list(charts) == ["a/R@1", "a/&lt;big&gt;", "loss"]
    assert "100 %" in charts["a/R@1"]
    assert "100 %" not in charts["a/&lt;big&gt;"] and "100 %" not in charts["loss"]
    assert "step" in charts["loss"]


def test_metrics_are_read_in_order_of_their_step(tmp_path):
    for step in (30, 10, 20):
        append_line(tmp_path / "metrics.jsonl", {"step": step, "loss": float(step)})
    assert [line["step"] for line in read_metrics(tmp_path)] == [10, 20, 30]
    assert points(read_metrics(tmp_path), "loss") == [(10.0, 10.0), (20.0, 20.0), (30.0, 30.0)]
    assert points(read_metrics(tmp_path), "none") == []
    assert read_metrics(tmp_path / "none") == [] and read_results(tmp_path / "none.jsonl") == []


def test_learning_curves_show_the_losses_that_were_used(tmp_path):
    lines = [{"step": s, "contrastive": 4.0 - s, "words": 0.0, "a/top-1": 0.25 * s} for s in range(3)]
    assert learning_curves([], accuracies={}) == ""
    html = learning_curves(lines, accuracies={"a/top-1": "right", "b": "none"}, chance=0.125)
    loss, right = html.split('<div class="box">')[1:]
    assert "contrastive loss" in loss and "bag-of-words loss" not in loss and "loss over steps" in loss
    assert "accuracy over steps" in right and ">right<" in right and "none" not in right and ">chance<" in right
    assert "100 %" in right
    both = learning_curves([{**line, "words": 1.0} for line in lines], accuracies={})
    assert "bag-of-words loss" in both and both.count('<div class="box">') == 1


def test_the_foot_names_the_versions_that_measured(tmp_path):
    run = make_run(tmp_path / "one", loss=40.0, right=0.5)
    assert "<footer></footer>" in write_evaluation_page([run], tmp_path / "page.html").read_text()
    for version in ("0.2.0", "0.1.0", "0.2.0"):
        result = Result(f"x/{version}", 0.5, environment={"wordsight": version})
        append_line(run / "results.jsonl", json.loads(result.to_json()))
    text = write_evaluation_page([run], tmp_path / "page.html").read_text()
    assert "<footer>Measured with wordsight 0.1.0, wordsight 0.2.0.</footer>" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json\n", "results.jsonl line 1 is not JSON: "),
        ('{"name": "x"}\n', "results.jsonl line 1 cannot be read: "),
        ('{"name": "x", "value": 1, "interval": null, "odd": 1}\n', "results.jsonl line 1 cannot be read: "),
    ],
)
def test_a_damaged_record_is_named_with_the_cure(tmp_path, content, message):
    (tmp_path / "results.jsonl").write_text(content)
    with pytest.raises(FormatError, match=message):
        write_evaluation_page([tmp_path], tmp_path / "page.html")


def test_a_line_that_is_still_being_written_is_passed_over(tmp_path):
    run = make_run(tmp_path / "one", loss=40.0, right=0.5)
    with open(run / "metrics.jsonl", "a") as handle:
        handle.write('{"step": 40, "los')
    assert len(read_metrics(run)) == 3


def test_missing_folders_and_records_are_named_with_the_cure(tmp_path):
    with pytest.raises(NotFound) as caught:
        write_evaluation_page([tmp_path / "gone"], tmp_path / "page.html")
    assert str(caught.value) == f"no folder {tmp_path / 'gone'}; give the folder of a training run or of an evaluation"
    with pytest.raises(NotFound) as caught:
        write_evaluation_page([tmp_path], tmp_path / "page.html")
    assert str(caught.value) == (f"{tmp_path} holds neither metrics.jsonl nor results.jsonl; give the folder of a run")
