"""Vectors of flags in NumPy's form: read as NumPy reads them, and nothing else is."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordsight.base.errors import InputError
from wordsight.data.label_vector import LARGEST, flagged


def stored(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


@given(
    st.lists(st.booleans(), max_size=40),
    st.sampled_from(["?", "i1", "u1", ">i4", "i8", "f2", "f4", ">f8"]),
    st.booleans(),
)
def test_every_type_gives_the_numbers_of_its_flags(flags, kind, as_row):
    array = np.array(flags, kind)
    numbers, length = flagged(stored(array[None] if as_row else array), "here")
    assert numbers == tuple(number for number, flag in enumerate(flags) if flag)
    assert length == len(flags)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_is_read(version):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([0, 1]), version)
    assert flagged(buffer.getvalue(), "here") == ((1,), 2)


class _Bomb:
    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


def _header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (stored(np.array([_Bomb()], object), allow_pickle=True), "holds pickled objects, which are not read"),
        (stored(np.array(["a", "b"])), "holds values of type <U1"),
        (stored(np.array([(1, 2)], "i4,i4")), "holds values of type"),
        (stored(np.array([1j])), "holds values of type complex128"),
        (stored(np.array([0, 2])), "holds the value 2"),
        (stored(np.array([0, -1])), "holds the value -1"),
        (stored(np.array([0.5, 1])), "holds the value 0.5"),
        (stored(np.array([0, np.nan])), "holds the value nan"),
        (stored(np.zeros((2, 2))), r"has the shape \(2, 2\)"),
        (stored(np.array(1)), r"has the shape \(\)"),
        (stored(np.zeros(3))[:-1], r"has 23 bytes for the shape \(3,\) of float64"),
        (stored(np.zeros(3)) + b"\0", r"has 25 bytes for the shape \(3,\)"),
        (_header("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}"), "has 0 bytes for the"),
        (_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "has the shape"),
        (_header("{'descr': '<f8', 'shape': (1,)}"), "is no array of NumPy"),
        (_header("__import__('os')"), "is no array of NumPy"),
        (_header("(" * 3000), "is no array of NumPy"),
        (b"", "is no array of NumPy"),
        (b"cat\n", "is no array of NumPy"),
        (b"\x93NUMPY\x09\x00", "is no array of NumPy"),
        (b"\0" * (LARGEST + 1), "8000000 is the most that is read"),
    ],
)
def test_anything_else_is_refused_in_one_line(data, words):
    with pytest.raises(InputError, match=words) as caught:
        flagged(data, "0.tar: a.npy")
    assert str(caught.value).startswith("0.tar: a.npy ") and "\n" not in str(caught.value)
