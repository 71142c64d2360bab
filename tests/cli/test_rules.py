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
    assert (status, "write one with wordsight rules add" in err) == (0, True)
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
    call = f"wordsight rules undo 1 --in {tmp_path} --engine fake"
    assert f"1 tagged, 1 moved; {call} takes it back" in err
    (tmp_path / ".wordsight" / "rules.toml").rename(tmp_path / "away.toml")
    status, out, err = rules("undo", "--json")
    assert "run 1: 1 moved back, 1 pictures lost the tags" in err
    (tmp_path / "away.toml").rename(tmp_path / ".wordsight" / "rules.toml")
    assert json.loads(out)["files"] == [f"{tmp_path}/red.png"]
    assert rules("remove", "warm")[0] == 0
    assert rules("list")[:2] == (0, "")


def test_copies_that_are_taken_back_are_forgotten(rules, tmp_path, capsys):
    rules("add", "warm", "red", "--min-cosine", "0.7", "--tag", "t", "--copy", "Best")
    assert rules("run")[0] == 0
    status, out, err = rules("undo")
    assert (status, out) == (0, f"deleted  {tmp_path}/Best/red.png\n")
    assert "run 1: 1 copies deleted, 1 pictures lost the tags" in err
    main(["search", "red", "--in", str(tmp_path), "--absent", "--paths-only", "--engine", "fake"])
    assert sorted(capsys.readouterr().out.split()) == [f"{tmp_path}/blue.png", f"{tmp_path}/red.png"]


def test_tags_are_taken_from_the_images_that_got_them(rules, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "same.png").write_bytes((tmp_path / "red.png").read_bytes())
    rules("add", "one", "red", "--min-cosine", "0.7", "--tag", "t", "--where", "folder = other")
    assert rules("run")[0] == 0
    rules("remove", "one")
    rules("add", "two", "red", "--min-cosine", "0.7", "--tag", "t", "--where", "folder != other")
    assert rules("run")[0] == 0
    assert "run 2: 1 pictures lost the tags" in rules("undo")[2]


def test_a_location_that_is_not_there_has_no_rules(rules, tmp_path, capsys):
    gone = tmp_path / "nosuch"
    for action in (["add", "x", "a dog"], ["list"], ["check"]):
        assert main(["rules", *action, "--in", str(gone), "--engine", "fake"]) == 2
        assert f"nothing at {gone}" in capsys.readouterr().err
    assert not list(tmp_path.glob("nosuch*"))
    away = tmp_path / "away"
    away.mkdir()
    Image.new("RGB", (24, 16)).save(away / "black.png")
    call = ["--in", str(away), "--library", str(tmp_path / "library"), "--engine", "fake"]
    assert main(["index", str(away), *call[2:]]) == 0
    away.rename(tmp_path / "unplugged")
    assert main(["rules", "add", "x", "a dog", *call]) == 0
    assert main(["rules", "list", *call]) == 0


def test_a_failure_is_listed_and_a_wrong_call_is_one_line(rules):
    rules("add", "warm", "red", "--min-cosine", "0.7", "--run", "false", "--run", "{path}")
    status, out, err = rules("run")
    assert (status, out) == (1, "")
    assert "failed: red.png: rule warm: false ended with status 1" in err
    assert rules("run", "--dry-run", "--watch")[0] == 2
    assert rules("show", "worm")[2] == "wordsight: no rule 'worm'; did you mean warm?\n"
