"""The page of runs: curves and results of one or several folders."""

import json

import pytest

from wordsight.base.errors import NotFound
from wordsight.base.nouns import Result
from wordsight.base.records import append_line
from wordsight.cli.main import main
from wordsight.report.run_page import flat, write_run_page


def make_run(folder, *, loss, right):
    for step in (10, 20, 30):
        append_line(folder / "metrics.jsonl", {"step": step, "loss": loss / step, "lr": 0.001})
    result = Result("pets/zero-shot/top-1", right, (right - 0.1, right + 0.1), 200, "f00d", {"chance": 0.05})
    append_line(folder / "results.jsonl", json.loads(result.to_json()))
    (folder / "config.json").write_text(json.dumps({"batch": 64, "optimiser": {"lr": 0.001}}))
    return folder


def test_two_runs_stand_beside_each_other(tmp_path):
    runs = [make_run(tmp_path / "first", loss=40.0, right=0.5), make_run(tmp_path / "second", loss=30.0, right=0.625)]
    text = write_run_page(runs, tmp_path / "page.html").read_text()
    assert "first and second" in text
    assert "50.0 % (40.0 to 60.0; 200)" in text
    assert "62.5 % (52.5 to 72.5; 200)" in text
    assert "5.0 %" in text
    assert text.count("<polyline") == 4  # loss and lr of both
    assert "optimiser.lr" in text


def test_a_young_run_has_a_page_without_results(tmp_path):
    append_line(tmp_path / "metrics.jsonl", {"step": 10, "loss": 3.0})
    text = write_run_page([tmp_path], tmp_path / "report.html").read_text()
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
        write_run_page([tmp_path / name], tmp_path / "report.html")


def test_settings_are_told_flat():
    assert flat({"a": 1, "b": {"c": [2], "d": {"e": "x"}}}) == [("a", "1"), ("b.c", "[2]"), ("b.d.e", "x")]
