"""A folder without a library of its own is answered for by the library above it that holds its images."""

import json

import pytest

from wordsight.cli.main import main
from wordsight.search.nearest import nearest


@pytest.fixture
def search(capsys):
    """Search with the command; return (paths, keys) and what was said on standard error."""

    def searching(place, *options):
        main(["search", "red", "--in", str(place), "--engine", "fake", "--json", *options])
        told = capsys.readouterr()
        hits = [json.loads(line) for line in told.out.splitlines()]
        return sorted(hit["key"] for hit in hits), sorted(hit["path"] for hit in hits), told.err

    return searching


def test_a_folder_below_is_answered_from_the_library_above(photos, opened, paint, search, monkeypatch):
    paint(photos / "a0" / "red.png", "red", 3)  # beside "a" in every order of names
    paint(photos / "a" / "deep" / "red.png", "red", 5)
    opened(photos).sync()
    keys, paths, told = search(photos / "a")
    assert keys == ["blue.png", "deep/red.png", "red.png"]
    assert paths == [str(photos / "a" / key) for key in keys]
    assert f"{photos / 'a'}: answering from the library of {photos}" in told
    assert not (photos / "a" / ".wordsight").exists()
    assert search(photos / "a" / "deep", "--where", "width = 24 and path contains 'deep'")[0] == ["red.png"]
    paint(photos / "a" / "new.png", "red", 7)
    assert "new.png" not in search(photos / "a", "--no-sync")[0]
    assert "new.png" in search(photos / "a")[0]
    monkeypatch.chdir(photos)
    assert search("a")[1][0] == "a/blue.png"


def test_its_own_library_comes_first(photos, opened, search):
    opened(photos).sync()
    opened(photos / "a").sync()
    assert "answering" not in search(photos / "a")[2]
    assert "answering" not in search(photos)[2]


def test_a_table_that_has_a_column_path_changes_nothing(photos, opened, search):
    (photos / "metadata.csv").write_text("file,path\na/red.png,/elsewhere/x.png\ntop.png,a/top.png\n")
    opened(photos).sync()
    assert search(photos / "a")[0] == ["blue.png", "red.png"]
    assert opened(photos).search("red", k=1, where="source_path like '/else%'")[0].meta["path"] == "a/red.png"


@pytest.mark.parametrize("why", ["hidden", "excluded", "ignored", "another model", "no images"])
def test_a_library_that_does_not_hold_the_folder_is_not_asked(photos, opened, paint, search, why):
    folder = photos / (".b" if why == "hidden" else "b")
    (photos / "b").rename(folder)
    if why == "ignored":
        (photos / ".wordsightignore").write_text("b/")
    library = opened(photos, exclude=["b"] if why == "excluded" else [])
    library.sync()
    library.close()
    if why == "another model":
        library.folder.joinpath("library.db").write_bytes(b"not a database")
    if why == "no images":
        (folder / "shard-0000.tar").write_bytes(b"")
        for image in folder.glob("*.png"):
            image.unlink()
    assert nearest(opened(folder)).prefix == ""


def test_a_library_far_above_is_found_but_not_one_beside(photos, opened, paint, tmp_path):
    paint(tmp_path / "other" / "red.png", "red")
    opened(photos).sync()
    deep = paint(photos / "a" / "b" / "c" / "red.png", "red").parent
    assert nearest(opened(deep)).prefix == "a/b/c/"
    assert nearest(opened(tmp_path / "other")).prefix == ""
    link = tmp_path / "link"
    link.symlink_to(photos / "a")
    assert nearest(opened(link)).prefix == "a/"
