"""Features on disk: computed once, part by part, and found again by row and view."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from wordsight.base.cache import cache_folder
from wordsight.base.errors import StorageError
from wordsight.train import features
from wordsight.train.features import Features, keep


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(features, "PART", 4)


def numbers(rows, views=2):
    """Features that name their row and view."""
    return (100.0 * rows[:, None] + np.arange(views)).astype(np.float32)[:, :, None].repeat(3, axis=2)


def test_rows_and_views_are_found_across_parts(tmp_path):
    kept = keep(tmp_path, 10, numbers, shape=(2, 3), name="some")
    assert (len(kept), kept.views, kept.width) == (10, 2, 3)
    taken = kept.take(np.array([9, 0, 4, 9]), np.array([1, 0, 1, 0]))
    assert taken[:, 0].tolist() == [901.0, 0.0, 401.0, 900.0]
    assert kept.take(np.array([3]))[0].tolist() == [300.0] * 3
    assert len(keep(tmp_path / "none", 0, numbers, shape=(2, 3), name="none")) == 0


def test_what_is_whole_is_not_computed_again(tmp_path, capfd):
    asked = []

    def compute(rows):
        asked.append(rows.tolist())
        if len(asked) == 2:
            raise KeyboardInterrupt
        return numbers(rows)

    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path, 10, compute, shape=(2, 3), name="some")
    kept = keep(tmp_path, 10, compute, shape=(2, 3), name="some")
    assert asked == [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5, 6, 7], [8, 9]]
    printed = f"computing the features of some (10), once; they are kept in {tmp_path}\n"
    assert capfd.readouterr().err.replace("\r", "").count(printed) == 1
    rows = np.arange(10)
    whole = kept.take(rows)
    (tmp_path / "000001.npy").write_bytes(b"\x93NUMPY damaged")
    np.save(tmp_path / "000002.npy", np.zeros((1, 2, 3), np.float32))  # of another length
    again = keep(tmp_path, 10, compute, shape=(2, 3), name="some")
    assert asked[4:] == [[4, 5, 6, 7], [8, 9]]
    np.testing.assert_array_equal(again.take(rows), whole)
    assert whole[:, 0].tolist() == [100.0 * row for row in rows]


def test_rows_that_could_not_be_read_are_missing():
    part = numbers(np.arange(4))
    part[2] = np.nan
    assert Features([numbers(np.arange(4)), part], Path(), (2, 3)).missing().tolist() == [6]
    assert Features([], Path(), (2, 3)).missing().tolist() == []


def test_a_part_of_other_content_or_shape_is_computed_again(tmp_path):
    whole = np.array(keep(tmp_path, 10, numbers, shape=(2, 3), name="some").take(np.arange(10)))
    path = tmp_path / "000001.npy"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    features._write(tmp_path / "000002.npy", np.zeros((2, 1, 5), np.float32))
    asked = []
    again = keep(tmp_path, 10, lambda rows: asked.append(rows.tolist()) or numbers(rows), shape=(2, 3), name="some")
    assert asked == [[4, 5, 6, 7], [8, 9]]
    np.testing.assert_array_equal(again.take(np.arange(10)), whole)


@pytest.mark.parametrize("shape", [(1, 3), (2, 5), (3, 3)])
def test_parts_of_other_widths_or_views_are_computed_again_even_where_all_are(tmp_path, shape):
    keep(tmp_path, 10, lambda rows: np.zeros((len(rows), *shape), np.float32), shape=shape, name="some")
    kept = keep(tmp_path, 10, numbers, shape=(2, 3), name="some")
    assert kept.take(np.arange(10), np.full(10, 1))[:, 2].tolist() == [100.0 * row + 1 for row in range(10)]


def test_whole_parts_that_belong_elsewhere_are_computed_again(tmp_path):
    """Of another folder, or another part of the same: each comes with a checksum that is right there."""
    keep(tmp_path / "other", 8, lambda rows: -numbers(rows), shape=(2, 3), name="some")
    keep(tmp_path / "own", 8, numbers, shape=(2, 3), name="some")
    for end in ("npy", "crc32"):
        shutil.copy(tmp_path / "other" / f"000000.{end}", tmp_path / "own" / f"000000.{end}")
        shutil.copy(tmp_path / "own" / f"000000.{end}", tmp_path / "own" / f"000001.{end}")
    kept = keep(tmp_path / "own", 8, numbers, shape=(2, 3), name="some")
    assert kept.take(np.arange(8))[:, 0].tolist() == [100.0 * row for row in range(8)]


def test_a_cache_that_cannot_be_written_is_named_with_the_cure(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError) as refused:
        keep(cache_folder() / "features" / "some", 8, numbers, shape=(2, 3), name="some")
    assert str(refused.value) == (
        f"{tmp_path}/file is a file, not a folder (the cache of features); "
        "free room there, or set WORDSIGHT_CACHE to a folder that you may write to"
    )


def test_rows_that_could_not_be_read_are_tried_again(tmp_path):
    broken, asked = {5, 6}, []

    def compute(rows):
        asked.append(rows.tolist())
        part = numbers(rows)
        part[np.isin(rows, list(broken))] = np.nan
        return part

    assert keep(tmp_path, 8, compute, shape=(2, 3), name="some").missing().tolist() == [5, 6]
    broken.remove(5)
    assert keep(tmp_path, 8, compute, shape=(2, 3), name="some").missing().tolist() == [6]
    broken.remove(6)
    kept = keep(tmp_path, 8, compute, shape=(2, 3), name="some")
    assert asked == [[0, 1, 2, 3], [4, 5, 6, 7], [5, 6], [6]]
    assert kept.take(np.arange(8))[:, 0].tolist() == [100.0 * row for row in range(8)]
    assert keep(tmp_path, 8, compute, shape=(2, 3), name="some").missing().tolist() == [] and len(asked) == 4
