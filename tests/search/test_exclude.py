"""Images that the user wants left alone: they go from the library, and it remembers why."""

import pickle

import pytest

from wordsight.base.errors import UsageError
from wordsight.cli.main import main
from wordsight.search.origin import excluded_of


def keys(library):
    return sorted(hit.key for hit in library.search("red", k=100))


def test_what_is_excluded_goes_and_comes_back(photos, opened, encoded):
    library = opened(photos)
    library.sync()
    (photos / ".wordsightignore").write_text("a/\n")
    assert not library.in_step()
    assert sorted(library.sync().removed) == ["a/blue.png", "a/red.png"]
    assert keys(library) == ["b/green.png", "b/white.png", "top.png"]
    assert library.passed_over() == "1 folder ignored"
    (photos / ".wordsightignore").unlink()
    assert len(library.sync().added) == 2


def test_a_library_remembers_what_it_excludes(photos, opened, model):
    library = opened(photos, exclude=["a/", "", "TOP.*"])
    assert len(library.sync().added) == 2
    assert keys(pickle.loads(pickle.dumps(library))) == ["b/green.png", "b/white.png"]
    again = opened(photos)
    assert again.in_step() and not again.sync()
    again.forget()
    assert len(again.sync().added) == 2
    assert len(opened(photos, exclude=["nothing"]).sync().added) == 3
    assert opened(photos).in_step() and excluded_of(opened(photos)._index.facts()) == ["nothing"]
    opened(photos, exclude=[]).sync()
    assert excluded_of(opened(photos)._index.facts()) == []


def test_patterns_are_a_list_and_for_folders(photos, opened, tmp_path):
    with pytest.raises(UsageError, match="pattern"):
        opened(photos, exclude="*.png")
    (tmp_path / "table.csv").write_text("path,price\nphotos/top.png,3\n")
    with pytest.raises(UsageError, match=r"exclude \*.png of .*table.csv; only images of a folder can be excluded"):
        opened(tmp_path / "table.csv", exclude=["*.png"]).sync()


def test_exclude_from_the_command_line(photos, capsys):
    assert main(["index", str(photos), "--engine", "fake", "--exclude", "a/", "--exclude", "top*"]) == 0
    told = capsys.readouterr()
    assert "2 pictures in" in told.out and "1 image and 1 folder ignored" in told.err
    assert main(["search", "red", "--in", str(photos), "--engine", "fake", "--exclude", "", "--paths-only"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["search", "red", "--in", str(photos), "--engine", "fake", "--paths-only"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
