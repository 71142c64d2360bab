"""Patterns of what is left alone, and the walk that heeds them."""

from pathlib import Path

import pytest

from wordsight.base.errors import UnreadableFile
from wordsight.images.files import PassedOver, find_images
from wordsight.images.ignore import OF_PROGRAMS, Rules


@pytest.mark.parametrize(
    ("pattern", "ignored", "kept"),
    [
        ("*.png", ["a.png", "b/c/a.png", "A.PNG"], ["a.png.jpg", "apng"]),
        ("b.jpg", ["b.jpg", "x/b.jpg"], ["ab.jpg", "b.jpg/c.jpg"]),
        ("/b.jpg", ["b.jpg"], ["x/b.jpg"]),
        ("x/*.jpg", ["x/b.jpg"], ["b.jpg", "x/y/b.jpg", "y/x/b.jpg"]),
        ("**/x/b.jpg", ["x/b.jpg", "y/x/b.jpg", "y/z/x/b.jpg"], ["ax/b.jpg"]),
        ("x/**/b.jpg", ["x/b.jpg", "x/y/z/b.jpg"], ["b.jpg", "y/x/b.jpg"]),
        ("x/**", ["x/b.jpg", "x/y/b.jpg"], ["x", "y/x/b.jpg"]),
        ("/**", ["a", "x/b.jpg"], []),
        ("a**b", ["ab", "axyb"], ["a/b"]),
        ("b?.jpg", ["b1.jpg", "x/bb.jpg"], ["b.jpg", "b12.jpg", "b/.jpg"]),
        ("[a-c]1.jpg", ["b1.jpg"], ["d1.jpg"]),
        ("[!a-c]1.jpg", ["d1.jpg"], ["b1.jpg"]),
        ("[]x].jpg", ["].jpg", "x.jpg"], ["[.jpg"]),
        ("[draft.jpg", ["[draft.jpg"], ["d.jpg"]),
        ("a.b", ["a.b"], ["axb"]),
        (r"\#1.jpg", ["#1.jpg"], [r"\#1.jpg"]),
        (r"\!1.jpg", ["!1.jpg"], ["1.jpg"]),
        ("a b.jpg  ", ["a b.jpg"], ["a b.jpg  "]),
        (r"a\ ", ["a "], ["a"]),
        ("# all", [], ["# all", "all"]),
        ("x//", [], ["x"]),
        ("", [], ["x", ""]),
    ],
)
def test_one_pattern(pattern: str, ignored: list[str], kept: list[str]) -> None:
    rules = Rules([pattern])
    assert [path for path in [*ignored, *kept] if rules.ignores(path, folder=False)] == ignored


def test_a_slash_behind_means_folders() -> None:
    rules = Rules(["drafts/"])
    assert rules.ignores("drafts", folder=True) and rules.ignores("x/drafts", folder=True)
    assert not rules.ignores("drafts", folder=False)
    assert not rules.for_files and Rules(["drafts"]).for_files


def test_the_last_that_fits_decides_and_nearer_files_come_last() -> None:
    rules = Rules(["*.png", "!keep.png", "keep.png"]).below("!keep.png\n*.jpg", "a/")
    assert rules.ignores("keep.png", folder=False) and not rules.ignores("a/keep.png", folder=False)
    assert rules.ignores("a/x.jpg", folder=False) and not rules.ignores("x.jpg", folder=False)
    assert Rules().below("/x.jpg", "a/").ignores("a/x.jpg", folder=False)
    assert not Rules().below("/x.jpg", "a/").ignores("a/b/x.jpg", folder=False)
    assert not Rules().below("x", "[a]/").ignores("a/x", folder=False)  # the folder's own name is no pattern


def test_folders_of_programs_are_left_alone_unless_they_are_wanted() -> None:
    for name in OF_PROGRAMS:
        assert Rules().ignores(f"x/{name}", folder=True) and not Rules().ignores(f"x/{name}", folder=False)
    assert not Rules(["!node_modules/"]).ignores("node_modules", folder=True)
    assert not Rules().ignores("Node_modules", folder=True)  # only patterns ignore the case


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_the_walk_counts_what_it_leaves_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "a.png", "x/b.jpg", "x/keep.png", "x/y/c.png", "drafts/d.jpg", "@eaDir/t.jpg", "a.txt")
    (tmp_path / ".wordsightignore").write_text("*.png\ndrafts/\n*.txt\n")
    (tmp_path / "x" / ".wordsightignore").write_text("!keep.png\n")
    passed = PassedOver()
    kept = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path, passed)]
    assert kept == ["a.jpg", "x/b.jpg", "x/keep.png"]
    assert sorted(passed.ignored) == ["@eaDir/", "a.png", "drafts/", "x/y/c.png"]
    assert passed.text() == "2 images and 2 folders ignored"
    assert [passed.ignores(path) for path in ("a.png", "drafts/d.jpg", "a.jpg", "drafts.jpg")] == [
        True,
        True,
        False,
        False,
    ]


def test_an_ignore_file_that_cannot_be_read_is_no_reason_to_take_everything(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg")
    (tmp_path / ".wordsightignore").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UnreadableFile, match=r"\.wordsightignore cannot be read: it is not UTF-8; mend it or take it"):
        list(find_images(tmp_path))
    (tmp_path / ".wordsightignore").unlink()
    (tmp_path / ".wordsightignore").mkdir()
    with pytest.raises(UnreadableFile, match=r"\.wordsightignore cannot be read: it is a folder; mend it"):
        list(find_images(tmp_path))
