"""safetensors: what is written lies aligned, in a fixed order and in the types asked for; what it cannot hold is named."""

import json

import numpy as np
import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.weights.archive import lazy
from wordsight.weights.archive.safe import read_header, read_safetensors, write_safetensors

ARRAYS = {
    "bytes": np.arange(3, dtype=np.uint8),
    "wide": np.arange(4, dtype=np.int64),
    "a.half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "single": np.float32(2.5).reshape(()),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "big-endian": np.arange(3, dtype=">f4"),
}


def test_tensors_lie_aligned_the_widest_first(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", ARRAYS)
    header = read_header(tmp_path / "x.safetensors")
    assert header.start % 8 == 0
    places = sorted((entry.begin, name) for name, entry in header.tensors.items())
    assert [name for _, name in places] == ["wide", "big-endian", "single", "turned", "a.half", "bytes"]
    for entry in header.tensors.values():
        assert (header.start + entry.begin) % np.dtype(lazy.KINDS[entry.dtype]).itemsize == 0
    back = read_safetensors(tmp_path / "x.safetensors")
    assert all(np.array_equal(back[name], array) for name, array in ARRAYS.items())
    assert {name: back[name].dtype for name in ARRAYS} == {
        name: a.dtype.newbyteorder("=") for name, a in ARRAYS.items()
    }
    write_safetensors(tmp_path / "y.safetensors", dict(reversed(ARRAYS.items())))
    assert (tmp_path / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_the_type_of_each_tensor_can_be_asked_for(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", ARRAYS, kind=lambda array: np.dtype(np.float16))
    back = read_safetensors(tmp_path / "x.safetensors")
    assert {back[name].dtype for name in ARRAYS} == {np.dtype(np.float16)}
    assert back["wide"].tolist() == [0, 1, 2, 3]


def test_a_type_that_the_format_lacks_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(FormatError, match="odd is of type <U3; safetensors holds F64, F32, F16"):
        write_safetensors(tmp_path / "x.safetensors", {"odd": np.array(["abc"])})
    assert not list(tmp_path.iterdir())


def test_a_type_that_numpy_lacks_is_named(tmp_path):
    entries = {"odd": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(entries).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"ab")
    with pytest.raises(FormatError, match="odd in .* is of type F8_E4M3; known: F64"):
        read_safetensors(tmp_path / "x.safetensors")


def test_a_file_that_is_not_there_or_not_whole(tmp_path):
    with pytest.raises(NotFound, match="no weights"):
        read_header(tmp_path / "x.safetensors")
    write_safetensors(tmp_path / "x.safetensors", ARRAYS)
    whole = (tmp_path / "x.safetensors").read_bytes()
    (tmp_path / "x.safetensors").write_bytes(whole[:-1])
    with pytest.raises(FormatError, match="not a whole safetensors file"):
        read_header(tmp_path / "x.safetensors")


def test_no_tensors_at_all(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", {})
    assert dict(read_safetensors(tmp_path / "x.safetensors")) == {}
