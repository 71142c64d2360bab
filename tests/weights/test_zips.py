"""Zips byte by byte: what the directory says is compared with what lies there, and each refusal says why."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from wordsight.base.errors import FormatError
from wordsight.weights.archive import zips
from wordsight.weights.archive.zips import Zip

CONTENT = bytes(range(256)) * 8


def made(path, *, method=zipfile.ZIP_DEFLATED, names=("a/data", "b"), change=None):
    """Write a zip of the same content under each name; `change` is given its bytes, to be damaged."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # two of one name
        for name in names:
            archive.writestr(name, CONTENT)
    data = bytearray(buffer.getvalue())
    if change is not None:
        change(data)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_names_and_bytes(method, tmp_path):
    archive = Zip(made(tmp_path / "x.zip", method=method, names=("a/data", "folder/", "b")))
    assert archive.names == ["a/data", "b"]  # folders are left out
    assert archive.raw("b").dtype == np.uint8
    assert archive.raw("b").tobytes() == archive.small("b", limit=len(CONTENT)) == CONTENT
    assert archive.start("b", 7) == CONTENT[:7]


def test_a_small_file_may_be_as_large_as_the_limit_and_no_larger(tmp_path):
    archive = Zip(made(tmp_path / "x.zip"))
    with pytest.raises(FormatError, match=f"b has {len(CONTENT)} bytes, more than {len(CONTENT) - 1}"):
        archive.small("b", limit=len(CONTENT) - 1)
    with pytest.raises(FormatError, match="it has no c; fetch the file again"):
        archive.small("c", limit=10)


def checksum(data):
    """Change the checksum of the first entry in the directory and in its local head alike."""
    for mark, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        data[data.index(mark) + offset] ^= 1


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (zipfile.ZIP_STORED, "a/data is damaged .its checksum differs"),
        (zipfile.ZIP_DEFLATED, "a/data does not unpack to what the directory says"),
    ],
    ids=["stored", "deflated"],
)
def test_a_wrong_checksum_is_noticed(method, message, tmp_path):
    archive = Zip(made(tmp_path / "x.zip", method=method, change=checksum))
    with pytest.raises(FormatError, match=message):
        archive.small("a/data", limit=10**6)
    assert archive.small("b", limit=10**6) == CONTENT


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(FormatError, match="b is there twice"):
        Zip(made(tmp_path / "x.zip", names=("b", "c", "b")))


def test_names_that_are_no_utf8_are_read_as_of_old(tmp_path):
    def rename(data):
        for mark, offset in ((b"PK\x03\x04", 30), (b"PK\x01\x02", 46)):
            data[data.index(mark) + offset] = 0x81  # "ü" of code page 437

    assert Zip(made(tmp_path / "x.zip", names=("u", "c"), change=rename)).names == ["ü", "c"]


def test_no_more_entries_than_any_checkpoint_has(tmp_path, monkeypatch):
    path = made(tmp_path / "x.zip", names=("a", "b", "c"))
    monkeypatch.setattr(zips, "MOST_ENTRIES", 3)
    assert len(Zip(path).names) == 3
    monkeypatch.setattr(zips, "MOST_ENTRIES", 2)
    with pytest.raises(FormatError, match="it has 3 entries, more than 2"):
        Zip(path)


def test_what_grows_out_of_all_proportion_is_refused_and_what_stays_small_is_not(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**6))
    assert Zip(path).raw("a").shape == (10**6,)
    monkeypatch.setattr(zips, "FREE_GROWTH", 0)
    with pytest.raises(FormatError, match="bytes would unpack to 1000000"):
        Zip(path)


@pytest.mark.parametrize(("length", "message"), [(0, "its directory is missing"), (30, "its directory is missing")])
def test_a_file_that_was_cut_short(length, message, tmp_path):
    path = made(tmp_path / "x.zip")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FormatError, match=message):
        Zip(path)
