"""`wordsight rules`: written, checked, run and taken back from the command line."""

import json

import pytest
from PIL import Image

from wordsight.cli.main import main


@pytest.fixture
def rules(tmp_path, capsys):
    """Call an action on a folder of two pictures; returns the status, standard output and standard error."""
    for name, colour in {"red.png": (220, 30, 30), "blue.png": (40, 70, 210)}.items():
        Image.new("RGB", (24, 16), colour).save(tmp_path / name)

    def calling(action, *arguments):
        status = main(["rules", action, *arguments, "--in", str(tmp_path), "--engine", "fake"])
        out, err = capsys.readouterr()
        return status, out, err

    return calling


def test_a_rule_is_written_run_and_taken_back(rules, tmp_path):
    status, _, err = rules("list")
    assert (status, "write one with wordsight rules add" in err) == (2, True)
    assert rules("add", "warm", "red", "--min-cosine", "0.7", "--tag", "t", "--move", "Out")[0] == 0
    assert rules("list")[1] == "warm              red; cosine >= 0.7; tag t; move Out\n"
    assert rules("check")[1] == "warm              1 of 2 pictures\n"
    assert rules("show", "warm", "--paths-only")[1] == f"{tmp_path}/red.png\n"
    status, out, _ = rules("run", "--dry-run", "--json")
    assert [(one["action"], one["state"], one["target"]) for one in map(json.loads, out.splitlines())] == [
        ("tag", "planned", "t"),
        ("move", "planned", "Out"),
    ]
    assert (tmp_path / "red.png").exists()
    status, out, err = rules("run")
    assert (status, out.splitlines()[1]) == (0, "warm              move   red.png -> Out/red.png")
    assert "1 tagged, 1 moved; wordsight rules undo 1 takes it back" in err
    status, out, _ = rules("undo", "--json")
    assert json.loads(out)["files"] == [f"{tmp_path}/red.png"]
    assert rules("remove", "warm")[0] == 0
    assert rules("list")[0] == 1


def test_a_failure_is_listed_and_a_wrong_call_is_one_line(rules):
    rules("add", "warm", "red", "--min-cosine", "0.7", "--run", "false", "--run", "{path}")
    status, out, err = rules("run")
    assert (status, out) == (1, "")
    assert "failed: red.png: rule warm: false ended with status 1" in err
    assert rules("run", "--dry-run", "--watch")[0] == 2
    assert rules("show", "worm")[2] == "wordsight: no rule 'worm'; did you mean warm?\n"
