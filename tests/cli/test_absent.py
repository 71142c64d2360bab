"""Absent pictures as one meets them at the command line: listed, counted, left out, searched, removed."""

import pytest
from PIL import Image

from wordsight.cli.main import main
from wordsight.engines.fake import COLOURS


@pytest.fixture
def photos(tmp_path):
    for name in ("red", "sub/blue", "sub/green"):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), COLOURS[path.stem]).save(path)
    return tmp_path / "photos"


def say(capsys, *arguments):
    """Run the program and return its status, output and notices."""
    status = main([*map(str, arguments), "--engine", "fake"])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def keys(text):
    return sorted(line.split()[-1].partition("photos/")[2] for line in text.splitlines())


def test_absent_pictures_are_said_once_listed_and_left_out(photos, tmp_path, capsys):
    say(capsys, "index", photos)
    assert say(capsys, "index", photos, "--absent") == (0, "", "")
    (photos / "sub").rename(tmp_path / "sub")
    status, out, err = say(capsys, "search", "blue", "--in", photos)
    assert (status, keys(out)) == (0, ["red.png"])
    assert err.splitlines() == [
        f"{photos}: 2 pictures are not there, and nothing proves that they are gone; they are kept as absent: "
        f"wordsight index {photos} --accept-removal removes them",
        f"{photos}: 2 absent",
    ]
    assert say(capsys, "search", "blue", "--in", photos)[2] == ""
    cure = (
        f"{photos}: what is absent comes back when it is there again; "
        f"wordsight index {photos} --accept-removal removes it\n"
    )
    assert say(capsys, "index", photos, "--absent") == (1, "sub/blue.png\nsub/green.png\n", cure)
    stated = f"3 pictures in {photos / '.wordsight'}, 2 of them absent: nothing new\n"
    assert say(capsys, "index", photos) == (0, stated, cure)
    for option in ("--absent", "--no-sync"):
        status, out, _ = say(capsys, "search", "blue", "--in", photos, option)
        assert keys(out) == ["red.png", "sub/blue.png", "sub/green.png"]
    (tmp_path / "sub").rename(photos / "sub")
    status, out, err = say(capsys, "search", "blue", "--in", photos)
    assert (len(out.splitlines()), err) == (3, f"{photos}: 2 back\n")
    assert say(capsys, "index", photos, "--absent") == (0, "", "")


def test_removal_is_accepted(photos, tmp_path, capsys):
    say(capsys, "index", photos)
    (photos / "sub").rename(tmp_path / "sub")
    assert say(capsys, "index", photos)[1].endswith(", 2 of them absent: 2 absent\n")
    status, out, err = say(capsys, "index", photos, "--accept-removal")
    assert (status, out) == (0, f"1 pictures in {photos / '.wordsight'}: 2 removed\n")
    assert err == f"{photos}: 2 removed\n"


@pytest.mark.parametrize("left", [True, False])
def test_an_unplugged_drive_is_searched_where_its_library_lies_elsewhere(photos, tmp_path, capsys, left):
    library = ("--library", tmp_path / "library")
    say(capsys, "index", photos, *library)
    photos.rename(tmp_path / "drive")
    if left:
        photos.mkdir()
    status, out, err = say(capsys, "search", "blue", "--in", photos, *library, "--no-sync", "-k", 1)
    assert (status, keys(out), err) == (0, ["sub/blue.png"], "")
    status, out, err = say(capsys, "search", "blue", "--in", photos, *library)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        f"{photos}: none of 3 pictures is there any more; nothing is removed, they are kept as absent: "
        f"wordsight index {photos} --library {tmp_path / 'library'} --accept-removal removes them",
        f"{photos}: 3 absent",
        f"nothing in {photos} matches; 3 pictures are absent (--absent answers with them)",
    ]
    assert say(capsys, "index", photos, *library, "--absent")[1] == "red.png\nsub/blue.png\nsub/green.png\n"
    if left:
        photos.rmdir()
    (tmp_path / "drive").rename(photos)
    status, out, err = say(capsys, "search", "blue", "--in", photos, *library)
    assert (status, len(out.splitlines()), err) == (0, 3, f"{photos}: 3 back\n")


def test_an_answer_with_absent_pictures_does_not_advise_them(photos, capsys):
    say(capsys, "index", photos)
    (photos / "red.png").rename(photos.parent / "red.png")
    say(capsys, "index", photos)
    status, _, err = say(capsys, "search", "red", "--in", photos, "--absent", "--where", "width > 99999")
    assert (status, "are absent (" in err) == (1, False)
