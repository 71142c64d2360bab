"""A library that lies elsewhere is of one location: another one is refused, one that was moved takes it along."""

import contextlib
import shutil

import pytest

from wordsight.base import progress
from wordsight.base.errors import UsageError
from wordsight.cli.main import main


@pytest.fixture
def aside(photos, opened, tmp_path):
    """A library of the photos that lies elsewhere."""
    with opened(photos, library_dir=tmp_path / "library") as library:
        library.sync()
    return tmp_path / "library"


def test_a_second_location_is_refused_and_nothing_changes(photos, opened, aside, paint, tmp_path):
    other = paint(tmp_path / "other" / "black.png", "black").parent
    second = opened(other, library_dir=aside)
    refusal = f"the library in {aside} is that of {photos}, not of {other}"
    for act in (second.sync, second.rebuild, second.verify, second.absent, lambda: second.search("black")):
        with pytest.raises(UsageError, match=refusal):
            act()
    assert opened(photos, library_dir=aside).in_step()
    with pytest.raises(UsageError, match=refusal.replace("other", "photos/a")):
        opened(photos / "a", library_dir=aside).sync()


def test_the_same_location_by_another_path_is_no_other(photos, opened, aside, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(photos)
    assert not opened(tmp_path / "link", library_dir=aside).sync()
    monkeypatch.chdir(tmp_path)
    assert not opened("photos", library_dir=aside).sync()


def test_a_location_that_was_moved_takes_its_library_along(photos, opened, aside, tmp_path, capsys, encoded):
    moved = photos.rename(tmp_path / "moved")
    library = opened(moved, library_dir=aside)
    assert not library.sync()
    said = f"the library in {aside} was that of {photos}, which is gone: it is that of {moved} now\n"
    assert capsys.readouterr().err == said
    assert library.search("red", k=1)[0].path == moved / "a" / "red.png"
    library.close()
    photos.mkdir()
    assert not opened(moved, library_dir=aside).sync()
    assert capsys.readouterr().err == ""


def test_a_copy_of_a_location_has_the_library_that_was_copied_with_it(photos, opened, tmp_path):
    with opened(photos) as library:
        library.sync()
    copy = shutil.copytree(photos, tmp_path / "copy")
    assert not opened(copy).sync()


def test_the_command_line_says_whose_it_is(photos, aside, paint, tmp_path, capsys):
    other = paint(tmp_path / "other" / "black.png", "black").parent
    for verb in (["index"], ["search", "red", "--in"], ["search", "red", "--no-sync", "--in"], ["doctor"]):
        assert main([*verb, str(other), "--library", str(aside), "--engine", "fake"]) == 2
        assert f"is that of {photos}, not of {other}; give each place a library" in capsys.readouterr().err


def test_advice_inside_a_folder_with_a_library_names_that_library(photos, opened, capsys):
    with opened(photos) as library:
        library.sync()
    for verb, option in (("index", "--absent"), ("index", "--failed"), ("doctor", None)):
        rest = [] if option is None else [option]
        assert main([verb, str(photos / "a"), *rest, "--engine", "fake"]) == 2
        cure = " ".join(["wordsight", verb, str(photos), *rest])
        said = f"wordsight: no library of {photos / 'a'}: that of {photos} has its images; {cure}\n"
        assert capsys.readouterr().err == said


def test_advice_names_the_library_that_lies_elsewhere(photos, aside, tmp_path, capsys):
    command = f"wordsight index {photos} --library {aside} --accept-removal"
    arguments = ["index", str(photos), "--library", str(aside), "--engine", "fake"]
    shutil.rmtree(photos / "b")
    for options in ([], [], ["--absent"]):  # when they are missed, later, and where they are listed
        main([*arguments, *options])
        assert f"{command} removes" in capsys.readouterr().err
    assert main(["index", str(photos), "--library", str(tmp_path / "none"), "--absent", "--engine", "fake"]) == 2
    assert f"make it with wordsight index {photos} --library {tmp_path / 'none'}" in capsys.readouterr().err


def test_what_a_search_excludes_is_said_where_it_is_remembered(photos, capsys, monkeypatch):
    arguments = ["search", "red", "--in", str(photos), "--engine", "fake"]
    main(arguments)
    capsys.readouterr()
    main([*arguments, "--exclude", "a/", "--no-sync"])
    assert "from now on" not in capsys.readouterr().err
    monkeypatch.setattr(progress, "_printed", set())
    main([*arguments, "--exclude", "a/"])
    assert f"{photos}: a/ is left alone from now on; --exclude '' takes it back" in capsys.readouterr().err
    main([*arguments, "--exclude", ""])
    assert f"{photos}: the patterns of --exclude are forgotten from now on" in capsys.readouterr().err


def test_a_search_beside_the_first_sync_says_how_far_that_is(photos, opened, capsys):
    library = opened(photos)
    with library._index.writing() as index:  # as the first save of a sync leaves it
        embedding = library.model.embed_images([photos / "a" / "red.png"])
        index.add(["a/red.png"], embedding, [{"path": "a/red.png", "name": "red.png", "folder": "a", "mtime": "2025"}])
        index.save()
        assert library.is_unfinished()
        with contextlib.closing(library):
            assert main(["search", "red", "--in", str(photos), "--engine", "fake"]) == 0
    captured = capsys.readouterr()
    assert f"the library of {photos} is still being made: 1 of its pictures can be searched so far" in captured.err
    assert "another process is writing" in captured.err and captured.out.endswith("red.png\n")
    library.sync()
    assert not library.is_unfinished()
    assert main(["search", "red", "--in", str(photos), "--engine", "fake"]) == 0
    assert "still being made" not in capsys.readouterr().err
