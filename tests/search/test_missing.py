"""Absent or gone: the decision, and what it is made from."""

import os

import pytest

from wordsight.search.missing import Disk, Seen, Whereabouts, judge, list_names, too_many

GONE, ABSENT, UNREAD = Whereabouts.GONE, Whereabouts.ABSENT, Whereabouts.UNREAD


def seen(*names, refused=False):
    return Seen(frozenset(names), refused)


@pytest.mark.parametrize(
    ("folder", "is_there", "verdict"),
    [
        (seen("b.png"), False, GONE),
        (seen("about.txt"), False, GONE),
        (seen(), False, ABSENT),  # empty, or not there
        (seen(".DS_Store", ".wordsight"), False, ABSENT),
        (seen("a.png", "b.png"), False, ABSENT),  # a link to nothing
        (seen("a.png"), True, UNREAD),
        (seen("b.png", refused=True), False, UNREAD),
        (seen(refused=True), False, UNREAD),
    ],
)
def test_only_its_own_folder_proves_that_a_file_is_gone(folder, is_there, verdict):
    assert judge("a.png", folder, is_there=is_there) == verdict


@pytest.mark.parametrize(
    ("removed", "known", "too"),
    [(0, 0, False), (1, 1, False), (1, 4, False), (2, 20, False), (2, 19, True), (10, 100, False), (11, 100, True)],
)
def test_more_than_a_tenth_and_more_than_one_is_too_much(removed, known, too):
    assert too_many(removed, known) is too


@pytest.fixture
def folders(tmp_path):
    for folder in ("full", "empty", "hidden"):
        (tmp_path / folder).mkdir()
    (tmp_path / "full" / "b.png").touch()
    (tmp_path / "hidden" / ".x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "full")
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    (tmp_path / "full" / "dangling.png").symlink_to(tmp_path / "none.png")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("full/a.png", GONE),
        ("full/b.png", UNREAD),
        ("full/dangling.png", ABSENT),
        ("empty/a.png", ABSENT),
        ("hidden/a.png", ABSENT),
        ("none/a.png", ABSENT),
        ("none/deep/a.png", ABSENT),
        ("file/a.png", ABSENT),
        ("nowhere/a.png", ABSENT),
        ("link/a.png", GONE),
        ("a.png", GONE),
        ("full/a\0.png", GONE),
    ],
)
def test_what_became_of_a_file(folders, path, verdict):
    assert Disk(folders).judge(path) == verdict
    assert Disk(folders / "empty").judge(str(folders / path)) == verdict


def test_a_folder_that_has_become_a_link_proves_nothing_of_its_images(folders):
    assert Disk(folders).judge("link/a.png", through_links=False) == ABSENT
    assert Disk(folders).judge("full/a.png", through_links=False) == GONE
    assert Disk(folders / "link").judge("a.png", through_links=False) == GONE  # the location itself may be one


def test_a_folder_that_cannot_be_listed_is_refused_and_each_is_listed_once(folders, monkeypatch):
    listed = []
    real = os.scandir

    def scandir(path):
        listed.append(path)
        if str(path).endswith("full"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list_names(str(folders / "full")) == Seen(refused=True)
    listed.clear()
    disk = Disk(folders)
    assert [disk.judge(f"full/{n}.png") for n in range(3)] == [UNREAD] * 3
    assert len(listed) == 1
