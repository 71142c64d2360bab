"""Pictures are found by name, in order, without what is hidden."""

from pathlib import Path

import pytest

from wordsight.base.errors import InputError, NotFound, UnreadableFile
from wordsight.images.files import find_images, image_bytes, is_image_name


def test_finds_known_names_in_order_and_passes_over_hidden(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "deep/er/c.webp", "deep/a.tif", ".wordsight/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["a.PNG", "b.jpg", "deep/a.tif", "deep/er/c.webp"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [path.name for path in find_images(tmp_path)] == ["a.jpg"]


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
    with pytest.raises(UnreadableFile, match="cannot be opened: embedded null byte"):
        image_bytes(tmp_path / "a\0.jpg", key="row 7")
    with pytest.raises(UnreadableFile, match="cannot be opened: Is a directory"):
        image_bytes(tmp_path, key="row 7")
