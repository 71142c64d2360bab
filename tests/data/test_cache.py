"""The picture cache: the same pixels as decoding, built once, whole or not there."""

import errno
import shutil

import numpy as np
import pytest

from wordsight.base.errors import FormatError, StorageError
from wordsight.data import cache as cache_module
from wordsight.data.cache import build_cache
from wordsight.data.fake import FakeSource
from wordsight.data.source import open_source
from wordsight.images.spec import PreprocessSpec
from wordsight.images.transform import load_pixels


def test_rows_are_what_decoding_gives(tmp_path, folder):
    source = open_source(folder)
    cache = build_cache(source, size=24, folder=tmp_path, workers=2)
    samples = list(source.samples())
    assert cache.array.shape == (6, 24, 24, 3) and cache.array.dtype == np.uint8
    for row, sample in enumerate(samples):
        assert np.array_equal(cache.array[row], load_pixels(sample.image, PreprocessSpec(size=24)))
    assert cache.keys == [sample.key for sample in samples]
    assert cache.labels == [sample.label for sample in samples]


def test_resize_is_part_of_what_is_kept(tmp_path, folder):
    crop = build_cache(open_source(folder), size=24, folder=tmp_path)
    squash = build_cache(open_source(folder), size=24, resize="squash", folder=tmp_path)
    assert crop.folder != squash.folder and not np.array_equal(crop.array, squash.array)


def test_it_is_built_once_and_anew_when_the_source_changes(tmp_path, folder, encoded_image, monkeypatch):
    first = build_cache(open_source(folder), size=16, folder=tmp_path / "c")
    with monkeypatch.context() as context:
        context.setattr(cache_module, "load_pixels", None)
        again = build_cache(open_source(folder), size=16, folder=tmp_path / "c")
    assert again.folder == first.folder and np.array_equal(again.array, first.array)
    (folder / "class0" / "new.png").write_bytes(encoded_image(50))
    assert len(build_cache(open_source(folder), size=16, folder=tmp_path / "c")) == 7


def test_broken_pictures_are_left_out_and_listed(tmp_path, folder):
    (folder / "class1" / "x.png").write_bytes(b"no picture")
    cache = build_cache(open_source(folder), size=16, folder=tmp_path)
    assert len(cache) == 6 and len(cache.failures) == 1 and "x.png" in cache.failures[0]
    fake = build_cache(FakeSource(9, broken=(4,)), size=16, folder=tmp_path)
    assert len(fake) == 8 and "square 4" in fake.failures[0]


def test_a_source_of_broken_pictures_only(tmp_path):
    with pytest.raises(FormatError, match="square 0 is broken"):
        build_cache(FakeSource(2, broken=(0, 1)), size=16, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache_module, "_write_header", full)
    with pytest.raises(StorageError, match="disk is full"):
        build_cache(FakeSource(4), size=16, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path, killed_draft):
    place = build_cache(FakeSource(4), size=16, folder=tmp_path).folder
    shutil.rmtree(place)
    killed_draft(place).mkdir()
    build_cache(FakeSource(4), size=16, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("name", ["words.jsonl", "pixels.npy", "cache.json"])
@pytest.mark.parametrize("content", ["gone", "empty", "half", "junk"])
def test_a_damaged_cache_is_made_again(tmp_path, capsys, name, content):
    whole = build_cache(FakeSource(4), size=16, folder=tmp_path)
    pixels, keys = whole.array.copy(), whole.keys
    path = whole.folder / name
    data = path.read_bytes()
    new = {"empty": b"", "half": data[: len(data) // 2], "junk": b"[1]\n" * 50}.get(content)
    path.unlink() if new is None else path.write_bytes(new)
    again = build_cache(FakeSource(4), size=16, folder=tmp_path)
    assert np.array_equal(again.array, pixels)
    assert again.keys == keys
    assert path.read_bytes() == data
    said = capsys.readouterr().err
    assert said.startswith(f"the cache of decoded images {whole.folder} is damaged (") or (name, content) == (
        "cache.json",
        "gone",
    )
    assert [path.name for path in tmp_path.iterdir()] == [whole.folder.name]


@pytest.mark.parametrize("change", ["dtype", "height", "channels"])
def test_decoded_images_of_another_shape_are_made_again(tmp_path, capsys, change):
    whole = build_cache(FakeSource(4), size=16, folder=tmp_path)
    pixels, path = whole.array.copy(), whole.folder / "pixels.npy"
    others = {"dtype": pixels.astype(np.float32), "height": pixels[:, :8], "channels": pixels[..., :1]}
    np.save(path, others[change])
    assert np.array_equal(build_cache(FakeSource(4), size=16, folder=tmp_path).array, pixels)
    assert f"the cache of decoded images {whole.folder} is damaged (" in capsys.readouterr().err


@pytest.mark.parametrize("other", [(FakeSource(4), 24), (FakeSource(4, side=20), 16)])
def test_a_whole_cache_of_something_else_is_made_again(tmp_path, capsys, other):
    whole = build_cache(FakeSource(4), size=16, folder=tmp_path)
    pixels = whole.array.copy()
    source, size = other
    foreign = build_cache(source, size=size, folder=tmp_path)
    shutil.rmtree(whole.folder)
    shutil.move(foreign.folder, whole.folder)
    assert np.array_equal(build_cache(FakeSource(4), size=16, folder=tmp_path).array, pixels)
    assert f"is damaged (it is of {foreign.name} at {size} pixels" in capsys.readouterr().err


def test_what_could_not_be_decoded_is_told_each_time(tmp_path, capsys):
    for _ in range(2):
        cache = build_cache(FakeSource(5, broken=(2,)), size=16, folder=tmp_path)
        said = f"fake-5: 1 of 5 inputs failed, listed in {cache.folder}/cache.json\n"
        assert capsys.readouterr().err == said


def test_where_caches_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "w"))
    assert build_cache(FakeSource(4), size=16).folder.parent == tmp_path / "w" / "pictures"


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError) as refused:
        build_cache(FakeSource(4), size=16)
    assert str(refused.value) == (
        f"{tmp_path}/file is a file, not a folder (the cache of decoded images); "
        "free room there, or set WORDSIGHT_CACHE to a folder that you may write to"
    )
