"""Files are whole or not there; a disk that fails is said in one line."""

import errno
import hashlib
from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.files import (
    atomic_write,
    plain_name,
    read_json,
    sha256_bytes,
    storage_errors,
    write_json,
)
from wordsight.base.reading import sha256_file


def test_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    with atomic_write(path) as handle:
        handle.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_interrupted_write_leaves_the_old(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path, "w") as handle:
        handle.write("half")
        raise error
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the disk is read-only"),
    ],
)
def test_failing_disk(number: int, said: str) -> None:
    with (
        pytest.raises(StorageError, match=f"{said} while writing place; free room") as caught,
        storage_errors(Path("place")),
    ):
        raise OSError(number, "")
    assert caught.value.exit_status == 1


def test_forbidden_place() -> None:
    with pytest.raises(StorageError, match="no permission to write place"), storage_errors(Path("place")):
        raise PermissionError(errno.EACCES, "")


def test_other_system_errors_pass() -> None:
    with pytest.raises(TimeoutError), storage_errors(Path("place")):
        raise TimeoutError(errno.ETIMEDOUT, "")


def test_disk_that_fills_up_while_writing() -> None:
    with (
        pytest.raises(StorageError, match="the disk is full while writing /dev/full"),
        storage_errors(Path("/dev/full")),
    ):
        with open("/dev/full", "wb", buffering=0) as handle:
            handle.write(b"x")


def test_json_there_and_back(tmp_path: Path) -> None:
    value = {"words": ["é", "犬"], "number": 1.5, "none": None}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "犬" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_missing_and_malformed(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"cut": ')
    with pytest.raises(FormatError, match=r"a\.json is not JSON"):
        read_json(tmp_path / "a.json")


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"wordsight")
    expected = hashlib.sha256(b"wordsight").hexdigest()
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"word", b"sight") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ViT-B-32_v1.pt", "ViT-B-32_v1.pt"),
        ("org/name@é b", "org-name-é-b"),
        ("../..", "none"),
        ("", "none"),
        ("a" * 99, "a" * 80),
    ],
)
def test_names_for_files_are_plain(name: str, expected: str) -> None:
    assert plain_name(name, otherwise="none") == expected
