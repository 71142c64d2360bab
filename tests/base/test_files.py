"""Files are whole or not there; a disk that fails is said in one line."""

import contextlib
import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight.base.errors import FormatError, NotFound, StorageError
from wordsight.base.files import (
    atomic_write,
    plain_name,
    read_json,
    require_file,
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


def test_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/page.html")
    for text in ("first", "second"):
        with atomic_write(tmp_path / "link", "w") as handle:
            handle.write(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "page.html").read_text() == text


def test_pipe_takes_the_data_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_write(path, "w") as handle:
            handle.write("a page")
        assert os.read(reader, 100) == b"a page"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


def test_device_is_never_replaced() -> None:
    with atomic_write(Path("/dev/null")) as handle:
        handle.write(b"nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(StorageError, match="the disk is full while writing /dev/full"):
        with atomic_write(Path("/dev/full")) as handle:
            handle.write(b"x")


def test_what_is_open_already_is_written_where_it_stands(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from wordsight.base.files import atomic_write\n"
        "print('above')\n"
        "with atomic_write(Path('/dev/stdout'), 'w') as page:\n"
        "    page.write('the page\\n')\n"
        "print('below')"
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", script], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "above\nthe page\nbelow\n"
    assert subprocess.check_output([sys.executable, "-c", script]) == b"above\nthe page\nbelow\n"
    assert Path("/dev/stdout").is_symlink()


def test_what_is_no_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in ((tmp_path, "is a folder, not a file"), (tmp_path / "file" / "x", "is a file, not a folder")):
        with pytest.raises(StorageError, match=said):
            require_file(path)
        with pytest.raises(StorageError, match=said), atomic_write(path):
            pytest.fail("the block is not entered")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(StorageError, match="is a socket, not a file"):
            require_file(tmp_path / "socket")
