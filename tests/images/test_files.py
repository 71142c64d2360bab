"""Pictures are found by name, in order, without what is hidden."""

from pathlib import Path

import pytest

from wordsight.base.errors import NotFound
from wordsight.images.files import find_images, is_image_name


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
