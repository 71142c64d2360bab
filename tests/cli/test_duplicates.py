"""`wordsight duplicates` as its users call it."""

import json
import shutil

import pytest
from PIL import Image

from wordsight.cli.main import main


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for name, colour in {"a": "red", "b": "blue"}.items():
        Image.new("RGB", (24, 16), colour).save(place / f"{name}.png")
    shutil.copy(place / "a.png", place / "copy of a.png")
    return place


def test_groups_plan_apply_undo(folder, tmp_path, capsys):
    plan, html = tmp_path / "plan.jsonl", tmp_path / "page.html"
    assert main(["duplicates", str(folder), "--plan", str(plan), "--html", str(html)]) == 0
    out, err = capsys.readouterr()
    assert "group 1: 2 exact" in out
    assert f"--apply {plan}" in err
    assert html.read_text().count("<li>") == 2
    assert main(["duplicates", str(folder), "--apply", str(plan)]) == 0
    out, err = capsys.readouterr()
    assert out == "moved copy of a.png\n"
    assert "--undo" in err
    assert not (folder / "copy of a.png").exists()
    assert main(["duplicates", str(folder)]) == 1
    assert main(["duplicates", str(folder), "--undo", str(plan)]) == 0
    assert (folder / "copy of a.png").exists()
    capsys.readouterr()
    assert main(["duplicates", str(folder), "--json", "--protect", "."]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["group"], record["kind"]) == (1, "exact")


def test_a_failure_is_listed_and_gives_status_1(folder, tmp_path, capsys):
    plan = tmp_path / "plan.jsonl"
    main(["duplicates", str(folder), "--plan", str(plan)])
    (folder / "a.png").unlink()
    assert main(["duplicates", str(folder), "--apply", str(plan)]) == 1
    assert "failed: copy of a.png: stays" in capsys.readouterr().err
    assert (folder / "copy of a.png").exists()


@pytest.mark.parametrize(
    "options",
    [["--plan", "a", "--apply", "b"], ["--trash", "x"], ["--kinds", "same"], ["--keep", "best"], ["--where", "no = 1"]],
)
def test_calls_that_are_wrong(folder, options):
    assert main(["duplicates", str(folder), *options]) == 2
