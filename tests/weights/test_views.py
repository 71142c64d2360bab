"""Arrays of numpy's files and views of PyTorch's storages: every number is compared with what lies there."""

import io
import zipfile

import numpy as np
import pytest

from wordsight.base.errors import FormatError
from wordsight.weights.archive.npz import npz_tree
from wordsight.weights.archive.views import Storage, rebuild, retyped
from wordsight.weights.archive.zips import Zip


def npz(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", content)
    return Zip(path)


def written(array, version=(1, 0)):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_numpys_heads(version, tmp_path):
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    tensor = npz_tree(npz(tmp_path / "x.npz", written(array, version)))["a"]
    assert (tensor.kind, tensor.shape) == ("I16", (2, 3))
    assert np.array_equal(tensor.array(), array)


@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: whole + b"x"], ids=["less", "more"])
def test_more_or_less_numbers_than_the_shape_has(change, tmp_path):
    with pytest.raises(FormatError, match=r"a.npy in .* has (7|9) bytes, not those of shape \(2,\)"):
        npz_tree(npz(tmp_path / "x.npz", change(written(np.zeros(2, np.float32)))))


def test_what_is_no_array_of_numbers(tmp_path):
    deep = written(np.zeros((1,) * 32, np.int8)).replace(b"(1, 1,", b"(1,1,1,")
    cases = {
        b"no array": "no array of numbers",
        written(np.zeros(1, np.float32)).replace(b"\x93NUMPY", b"\x93NUMPX"): "arrays of objects are refused",
        written(np.zeros(1, "M8[s]")): "no array of numbers",
        written(np.zeros(1, "S3")): r"is of type \|S3; known: f8",
        deep: r"is of type \|i1",  # 33 axes
    }
    for content, message in cases.items():
        with pytest.raises(FormatError, match=message):
            npz_tree(npz(tmp_path / "x.npz", content))


NUMBERS = np.arange(12, dtype="<f4")
STORAGE = Storage("F32", 12, lambda: NUMBERS.view(np.uint8))


def test_a_view_of_a_storage():
    assert np.array_equal(rebuild(STORAGE, 2, (2, 3), (4, 1)).array(), [[2, 3, 4], [6, 7, 8]])
    assert rebuild(STORAGE, 11, (1,), (1,)).array() == [11]  # the last
    assert rebuild(STORAGE, 0, (3, 4), (1, 3)).array()[2, 3] == 11
    assert rebuild(STORAGE, 12, (0, 5), (9, 9)).array().shape == (0, 5)
    part = STORAGE.part(4, 8)
    assert rebuild(part, 1, (2,), (2,)).array().tolist() == [5, 7]
    assert rebuild(part.part(6, 2), 0, (2,), (1,)).array().tolist() == [10, 11]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(12, (1,), (1,)), (0, (13,), (1,)), (0, (2, 2), (11, 1)), (0, (13,), (0,)), (-1, (1,), (1,)), (0, (1.0,), (1,))],
)
def test_a_view_that_reaches_beyond_its_storage(offset, size, stride):
    with pytest.raises(ValueError, match="reaches beyond its storage of 12|no whole number of 0 or more"):
        rebuild(STORAGE, offset, size, stride)


def test_other_lies_about_storages():
    for offset, count in ((5, 8), (13, 0), (0, 13)):
        with pytest.raises(ValueError, match="a part that reaches beyond its storage"):
            STORAGE.part(offset, count)
    with pytest.raises(ValueError, match="a tensor of no storage"):
        rebuild("storage", 0, (), ())
    for size, stride in (((1,), ()), ([1], [1]), ((1,) * 33, (1,) * 33)):
        with pytest.raises(ValueError, match="do not belong together"):
            rebuild(STORAGE, 0, size, stride)
    whole = Storage("U8", 48, lambda: NUMBERS.view(np.uint8))
    assert rebuild(retyped(whole, "F32"), 0, (12,), (1,)).array().tolist() == list(range(12))
    for wrong in (STORAGE, whole.part(4, 8), "storage"):  # of numbers, or a part of bytes
        with pytest.raises(ValueError, match="a tensor of no storage"):
            retyped(wrong, "F32")
