"""A library stays in step: new, changed, moved, removed and broken pictures."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wordsight.base.errors import FingerprintMismatch, NotFound, StorageError
from wordsight.data.listing import list_folder
from wordsight.images.memory import decoding_memory, limit_decoding
from wordsight.index.lock import LibraryBusy, writing
from wordsight.search import sync as sync_module


def keys(library):
    return sorted(hit.key for hit in library.search("red", k=1000))


def best(library, query):
    return library.search(query, k=1)[0].key


def test_first_sync_finds_all_and_the_second_nothing(opened, photos):
    library = opened(photos)
    assert not library.exists()
    assert len(library) == 0
    report = library.sync()
    assert sorted(report.added) == ["a/blue.png", "a/red.png", "b/green.png", "b/white.png", "top.png"]
    assert (report.changed, report.moved, report.removed, report.failed) == ([], [], [], [])
    assert not library.sync()
    assert library.in_step()
    assert len(library) == 5
    assert best(library, "blue") == "a/blue.png"
    assert (photos / ".wordsight" / "library.db").is_file()


def test_new_changed_and_removed(opened, photos, paint, model, monkeypatch, encoded):
    library = opened(photos)
    library.sync()
    counted = encoded(model)
    paint(photos / "new.png", "orange")
    paint(photos / "a" / "red.png", "yellow", size=(30, 30))
    (photos / "b" / "green.png").unlink()
    report = library.sync()
    assert (report.added, report.changed, report.removed) == (["new.png"], ["a/red.png"], ["b/green.png"])
    assert sum(counted) == 2
    assert best(library, "yellow") == "a/red.png"
    assert best(library, "orange") == "new.png"
    assert "b/green.png" not in keys(library)


@pytest.mark.parametrize("form", ["folder", "table"])
def test_what_failed_is_tried_again_when_more_can_be_read(opened, photos, paint, form):
    paint(photos / "large.png", "orange", size=(1200, 1000))
    location = photos
    if form == "table":
        location = photos.parent / "t.csv"
        location.write_text("image\n" + "".join(f"photos/{name}.png\n" for name in ("top", "large")))
    before = decoding_memory().total
    library = opened(location)
    try:
        limit_decoding(5_000_000)
        report = library.sync()
        assert ["set WORDSIGHT_DECODE_MEMORY=" in reason for _, reason in report.failed] == [True]
        assert not library.sync()
        limit_decoding(before)
        report = library.sync()
        assert (len(report.changed), report.added, report.failed) == (1, [], [])
        assert not library.sync()
    finally:
        limit_decoding(before)


def test_a_link_to_nothing_is_a_failure_until_it_is_mended(opened, photos, paint, tmp_path):
    (photos / "link.png").symlink_to(tmp_path / "gone.png")
    library = opened(photos)
    (failure,) = library.sync().failed
    assert "link.png cannot be opened: No such file or directory; mend the link, or take it away" in failure[1]
    assert not library.sync()
    paint(tmp_path / "gone.png", "orange")
    assert library.sync().added == ["link.png"]
    assert best(library, "orange") == "link.png"


def test_a_broken_picture_is_told_once_and_tried_again_when_it_changes(opened, photos, paint):
    (photos / "bad.jpg").write_bytes(b"no picture")
    library = opened(photos)
    report = library.sync()
    assert [key for key, _ in report.failed] == ["bad.jpg"]
    assert "bad.jpg" in report.failed[0][1]
    assert len(report.added) == 5
    assert not library.sync()
    assert list(library.failures()) == ["bad.jpg"]
    paint(photos / "good.png", "black").replace(photos / "bad.jpg")
    assert library.sync().changed == ["bad.jpg"]
    assert library.failures() == {}
    (photos / "bad.jpg").write_bytes(b"broken again")
    assert [key for key, _ in library.sync().failed] == ["bad.jpg"]
    assert "bad.jpg" not in keys(library)
    (photos / "bad.jpg").unlink()
    assert not library.sync()
    assert library.failures() == {}


def test_a_file_that_cannot_be_opened_now_is_tried_next_time(opened, photos, monkeypatch):
    library = opened(photos)
    with monkeypatch.context() as patched:
        refuse(patched, "top.png")
        assert [key for key, _ in library.sync().failed] == ["top.png"]
    assert library.sync().added == ["top.png"]


def test_the_table_beside_gives_columns(opened, photos):
    (photos / "metadata.csv").write_text("file,price,colour\na/red.png,49.5,dark red\n./top.png,7,\nnowhere.png,1,x\n")
    library = opened(photos)
    library.sync()
    assert [hit.key for hit in library.search("red", where="price > 10")] == ["a/red.png"]
    assert library.search("red", where="colour is not null")[0].meta["colour"] == "dark red"
    (photos / "metadata.csv").write_text("file,price\na/blue.png,3\na/red.png,49.5\n")
    assert sorted(library.sync().changed) == ["a/blue.png", "a/red.png", "top.png"]
    assert sorted(hit.key for hit in library.search("red", where="price > 0")) == ["a/blue.png", "a/red.png"]
    (photos / "metadata.csv").unlink()
    library.sync()
    assert library.search("red", where="price > 0") == []
    (photos / "metadata.csv").write_text("name,price\nx,5\n")
    assert ["metadata.csv has no image column" in reason for _, reason in library.sync().failed] == [True]


def test_a_table_with_pictures_is_a_library_too(opened, photos, model, monkeypatch, tmp_path, encoded):
    table = tmp_path / "t.csv"
    table.write_text("id,image,caption,price,class\n1,photos/a/red.png,a red one,5,x\n2,photos/a/blue.png,blue,50,y\n")
    library = opened(table)
    assert sorted(library.sync().added) == ["1", "2"]
    assert library.folder == tmp_path / "t.csv.wordsight"
    hit = library.search("red", where="price < 10 and class = x")[0]
    assert (hit.key, hit.meta["text"], hit.path.name) == ("1", "a red one", "red.png")
    assert not library.sync()
    counted = encoded(model)
    table.write_text(
        "id,image,caption,price,class\n1,photos/a/red.png,a red one,6,x\n3,photos/top.png,pink,1,y\n,nope.png,,,\n"
    )
    report = library.sync()
    assert (report.added, report.changed, report.removed) == (["3"], ["1"], ["2"])
    assert ["nope.png" in reason for _, reason in report.failed] == [True]
    assert sum(counted) == 1
    assert library.search("red", k=1)[0].meta["price"] == 6


def test_shards_are_a_library_too(opened, photos, tmp_path):
    import tarfile

    shards = tmp_path / "shards"
    shards.mkdir()
    for number, names in enumerate((["a/red.png", "a/blue.png"], ["top.png"])):
        with tarfile.open(shards / f"train-{number}.tar", "w") as tar:
            for name in names:
                tar.add(photos / name, name.rpartition("/")[2])
    library = opened(shards)
    assert sorted(library.sync().added) == ["blue", "red", "top"]
    hit = library.search("pink", k=1)[0]
    assert (hit.key, hit.path, hit.meta["width"]) == ("top", None, 24)


def test_hidden_linked_and_odd_names(opened, photos, paint, tmp_path):
    paint(photos / ".hidden.png", "red")
    paint(photos / ".cache" / "x.png", "red")
    paint(tmp_path / "elsewhere" / "x.png", "red")
    (photos / "link").symlink_to(tmp_path / "elsewhere")
    (photos / "linked.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (photos / "nowhere.png").symlink_to(tmp_path / "gone")
    (photos / "folder.png").mkdir()
    odd = photos / os.fsdecode(b"caf\xe9 \xff\n.png")
    paint(photos / "plain.png", "brown").rename(odd)
    library = opened(photos)
    added = library.sync().added
    assert len(added) == 7
    assert {"linked.png", os.fsdecode(b"caf\xe9 \xff\n.png")} < set(added)
    assert library.search("brown", k=1)[0].path == odd
    assert not library.sync()


def test_the_listing_agrees_with_find_images(photos, paint):
    from wordsight.images.files import find_images

    paint(photos / "B.PNG", "red")
    (photos / "no.txt").write_text("")
    images = list_folder(photos).images
    assert sorted(images) == sorted(path.relative_to(photos).as_posix() for path in find_images(photos))
    assert images["B.PNG"][0] == (photos / "B.PNG").stat().st_size


def test_a_place_without_pictures_leaves_nothing_behind_and_spares_the_library(opened, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="no images"):
        opened(tmp_path / "empty").sync()
    assert list((tmp_path / "empty").iterdir()) == []
    with pytest.raises(NotFound, match="nothing at"):
        opened(tmp_path / "none")
    library = opened(photos)
    library.sync()
    for name in ("a", "b", "top.png"):
        (photos / name).rename(tmp_path / name)
    assert len(library.sync().absent) == len(library) == 5  # an unmounted disk, say


def test_another_model_is_refused_until_rebuilt(opened, photos):
    from wordsight.embeddings.model import Model
    from wordsight.engines.fake import FakeEngine

    opened(photos).sync()
    other = FakeEngine()
    other.fingerprint = "0123456789abcdef"
    library = opened(photos, model=Model(other))
    with pytest.raises(
        FingerprintMismatch, match=r"made by the model fake \([0-9a-f]{16}\), not by fake \(0123456789abcdef.*--rebuild"
    ):
        library.sync()
    with pytest.raises(FingerprintMismatch):
        library.search("red")
    library.forget()
    assert len(library.sync().added) == 5
    assert len(library) == 5


def test_a_library_elsewhere_and_one_that_cannot_be_written(opened, photos, tmp_path, monkeypatch):
    library = opened(photos, library_dir=tmp_path / "deep" / "library")
    library.sync()
    assert not (photos / ".wordsight").exists()
    assert len(library) == 5

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(sync_module.Path, "mkdir", refuse)
        with pytest.raises(StorageError, match="--library DIR"):
            opened(photos).sync()


def test_two_writers(opened, photos, paint):
    library = opened(photos)
    library.sync()
    paint(photos / "new.png", "orange")
    with writing(library.folder), pytest.raises(LibraryBusy, match="another process"):
        library.sync()
    with writing(library.folder), pytest.raises(LibraryBusy, match="another process"):
        library.forget()
    assert best(library, "red") == "a/red.png"
    assert library.sync().added == ["new.png"]


def test_a_full_disk_ends_the_run_and_keeps_the_last_save(opened, photos, paint, monkeypatch):
    library = opened(photos)
    library.sync()
    paint(photos / "new.png", "orange")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("wordsight.base.disk.os.fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            library.sync()
    assert len(library) == 5
    assert library.sync().added == ["new.png"]


INDEXING = """
import sys, time
from wordsight.embeddings.model import load
from wordsight.search import sync
from wordsight.search.library import open_library
sync.SAVE_SECONDS, sync.GROUP = 0.0, 4
model = load(engine="fake")
embed = model.engine.embed_images
def slowly(pixels):
    time.sleep(0.2)
    return embed(pixels)
model.engine.embed_images = slowly
open_library(sys.argv[1], model=model).sync()
"""


def test_killed_while_indexing_is_usable_and_goes_on(opened, paint, tmp_path, model, monkeypatch, encoded):
    folder = tmp_path / "many"
    for i in range(150):
        paint(folder / f"{i:03d}.png", ["red", "green", "blue"][i % 3], shade=1, size=(10 + i, 10))
    process = subprocess.Popen([sys.executable, "-c", INDEXING, folder])
    library = opened(folder)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (library.exists() and _size(library)):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(library)
    assert 0 < done < 150
    assert len(library.search("red", k=1000)) == done
    counted = encoded(model)
    assert len(library.sync().added) == 150 - done
    assert sum(counted) == 150 - done
    with library._index.reading() as index:
        stored = index.entries([f"{i:03d}.png" for i in range(150)])
    np.testing.assert_allclose(
        [entry.embedding for entry in stored], model.embed_images(sorted(folder.glob("*.png"))), atol=1e-6
    )


def _size(library):
    try:
        return len(library)
    finally:
        library.close()


def test_the_folder_is_scanned_once_for_each_sync(opened, photos, paint, monkeypatch):
    scanned = []
    monkeypatch.setattr(
        "wordsight.search.contents.list_folder",
        lambda folder, **options: (scanned.append(folder), list_folder(folder, **options))[1],
    )
    library = opened(photos)
    for change in ("first", "nothing", "new"):
        if change == "new":
            paint(photos / "new.png", "orange")
        scanned.clear()
        library.sync()
        assert scanned == [photos]


def test_a_process_that_wrote_between_the_look_and_the_lock_loses_nothing(opened, photos, paint, monkeypatch):
    """The other one has looked later than this one: what it found new is not gone."""
    for number, library in enumerate((opened(photos), opened(photos))):  # a first sync, and a later one

        def sync_of_another(folder, number=number, real=writing):
            paint(photos / f"late{number}.png", "orange", shade=number + 1)
            with monkeypatch.context() as patched:
                patched.setattr("wordsight.search.open_index.writing", real)
                opened(photos).sync()
            return real(folder)

        paint(photos / f"early{number}.png", "brown", shade=number + 1)
        with monkeypatch.context() as patched:
            patched.setattr("wordsight.search.open_index.writing", sync_of_another)
            assert not library.sync()
        assert {f"late{number}.png", f"early{number}.png"} < set(keys(library))
        assert library.in_step()


def test_a_known_file_that_cannot_be_opened_now_stays_as_it_was(opened, photos, monkeypatch):
    library = opened(photos)
    library.sync()
    os.utime(photos / "top.png", ns=(1, 1))
    with monkeypatch.context() as patched:
        refuse(patched, "top.png")
        for _ in range(2):
            report = library.sync()
            assert [key for key, _ in report.failed] == ["top.png"]
            assert (report.changed, report.removed) == ([], [])
            assert best(library, "pink") == "top.png"
    assert not library.sync()
    assert library.in_step()


def refuse(monkeypatch, name):
    """Let the files of a name not be opened."""
    real = os.stat

    def stat(path, **options):
        if str(path).endswith(name):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", stat)


def test_broken_rows_of_a_table_are_reported_whenever_it_is_read(opened, photos, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    table = tmp_path / "t.csv"
    table.write_text("id,image,price\n1,photos/a/red.png,5\n2,bad.jpg,5\n")
    library = opened(table)
    assert [key for key, _ in library.sync().failed] == ["2"]
    assert not library.sync()
    table.write_text("id,image,price\n1,photos/a/red.png,50\n2,bad.jpg,5\n")
    report = library.sync()
    assert (report.changed, [key for key, _ in report.failed]) == (["1"], ["2"])
    assert list(library.failures()) == ["2"]
    assert library.search("red", k=1)[0].meta["price"] == 50


def test_a_large_jpeg_has_the_sides_of_its_file_though_a_fraction_is_decoded(tmp_path, opened, paint):
    paint(tmp_path / "photos" / "wide.jpg", "red", size=(801, 407))
    library = opened(tmp_path / "photos")
    library.sync()
    assert [(hit.meta["width"], hit.meta["height"]) for hit in library.search("red")] == [(801, 407)]
