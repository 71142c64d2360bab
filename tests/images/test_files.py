"""Pictures are found by name, in order, without what is hidden."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from wordsight.base.errors import InputError, NotFound, StorageError, UnreadableFile
from wordsight.images.files import (
    PassedOver,
    find_images,
    image_bytes,
    image_hash,
    is_image_name,
    unchanged,
    walk_images,
)


def test_finds_known_names_in_order_and_passes_over_hidden(tmp_path: Path) -> None:
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        ".hidden.jpg",
        "deep/er/c.webp",
        "deep/a.tif",
        "deep/zz.jpg",
        "deeper/a.jpg",
        "deep-/a.jpg",
        "z.jpg",
        ".wordsight/d.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == [
        "a.PNG",
        "b.jpg",
        "z.jpg",
        "deep/a.tif",
        "deep/zz.jpg",
        "deep/er/c.webp",
        "deep-/a.jpg",
        "deeper/a.jpg",
    ]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg"]


def test_links_to_files_are_images_and_what_is_no_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "c.jpg").symlink_to("nowhere")
    (tmp_path / "d.jpg").mkdir()
    (tmp_path / "d.jpg" / "in.jpg").write_bytes(b"x")
    (tmp_path / "e.jpg").symlink_to("d.jpg")
    os.mkfifo(tmp_path / "f.jpg")
    (tmp_path / "g.jpg").symlink_to("f.jpg")
    assert sorted(path for path, _ in walk_images(tmp_path)) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg/in.jpg"]


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOENT, errno.ENOTDIR])
def test_a_folder_that_may_not_be_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    for name in ("a.jpg", "deep/b.jpg", "later/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    fail_at(monkeypatch, "deep", error)
    assert sorted(path for path, _ in walk_images(tmp_path)) == ["a.jpg", "later/c.jpg"]


def test_a_failing_disk_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    fail_at(monkeypatch, "deep", errno.EIO)
    with pytest.raises(StorageError, match="deep cannot be read: Input/output error; check the disk"):
        list(find_images(tmp_path))


def fail_at(monkeypatch: pytest.MonkeyPatch, name: str, error: int) -> None:
    true = os.scandir

    def scandir(folder: str) -> Any:
        if folder.endswith(name):
            raise OSError(error, os.strerror(error))
        return true(folder)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        list(find_images(tmp_path / "absent"))


def test_names() -> None:
    assert is_image_name("x/Y.JPEG")
    assert not is_image_name("jpg")
    assert not is_image_name("a.jpg.part")


def test_bytes_are_those_given_or_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"file")
    assert image_bytes(b"given", key="a") == b"given"
    assert image_bytes(tmp_path / "a.jpg", key="a") == b"file"


def test_an_image_without_bytes_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 7 has no picture; give it one, or leave it out"):
        image_bytes(None, key="row 7")
    with pytest.raises(UnreadableFile, match=r"absent\.jpg cannot be opened: No such file or directory; check"):
        image_bytes(tmp_path / "absent.jpg", key="row 7")
    with pytest.raises(
        InputError, match=r"cannot be opened: its name cannot be one of a file \(embedded null byte\); leave it out"
    ):
        image_bytes(tmp_path / "a\0.jpg", key="row 7")
    with pytest.raises(UnreadableFile, match="cannot be opened: it is a folder"):
        image_bytes(tmp_path, key="row 7")


def test_what_is_not_read_is_counted_by_kind(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.mp4", "c.MOV", "d.svg", "e.SVG", "f.pdf", "g.txt", ".h.mp4", "deep/i.webm", "mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "live.jpg")
    (tmp_path / "endless.png").symlink_to("/dev/zero")
    (tmp_path / "folder.jpg").symlink_to("deep")
    passed = PassedOver()
    assert [path.name for path in find_images(tmp_path, passed)] == ["a.jpg"]
    assert passed.text() == "3 videos, 2 .svg, 2 pipes and devices and 1 .pdf not read"
    assert PassedOver().text() == ""
    (tmp_path / "endless.png").unlink()
    passed = PassedOver()
    passed.note("b.mp4")
    assert passed.text() == "1 video not read"


def test_a_folder_that_cannot_be_listed_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    fail_at(monkeypatch, "deep", errno.EACCES)
    passed = PassedOver()
    assert list(find_images(tmp_path, passed)) == []
    assert passed.unreadable == ["deep"]


def test_a_path_longer_than_the_system_takes_costs_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            os.mkdir("n" * 250)
            os.chdir("n" * 250)
        Path("b.jpg").write_bytes(b"x")
    finally:
        os.fchdir(here)
        os.close(here)
    passed = PassedOver()
    assert [path.name for path in find_images(tmp_path, passed)] == ["a.jpg"]
    assert len(passed.unreadable) == 1 and set(passed.unreadable[0]) == {"n", "/"}


def test_a_file_that_changes_while_it_is_read_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"one")
    with unchanged(path), unchanged(b"bytes"), unchanged(tmp_path / "absent.jpg"):
        assert image_hash(path, key="a") == image_hash(b"one", key="a")
    with pytest.raises(UnreadableFile, match=r"a\.jpg was changed while it was read; try it again"), unchanged(path):
        path.write_bytes(b"more")


def test_a_file_of_gigabytes_is_refused_for_good(tmp_path: Path) -> None:
    with open(tmp_path / "a.jpg", "wb") as handle:
        handle.truncate(2_000_000_000)
    for read in (image_bytes, image_hash):
        with pytest.raises(
            InputError, match=r"it holds 2\.0 GB, and 512 MB is the most that is read; leave it out"
        ) as caught:
            read(tmp_path / "a.jpg", key="a")
        assert not isinstance(caught.value, UnreadableFile)
