"""Only regular files are opened, within a limit; whatever else lies at a path is named and left alone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wordsight.base import reading
from wordsight.base.config import read_toml
from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.files import read_json, sha256_bytes
from wordsight.base.reading import open_regular, read_argument, read_file, read_text, sha256_file
from wordsight.base.records import read_lines
from wordsight.text.vocabulary import read_merges


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    (tmp_path / "link").symlink_to("a")
    assert read_file(tmp_path / "link") == b"\xef\xbb\xbfone\r\ntwo\n"
    assert read_text(tmp_path / "a") == "one\ntwo\n"
    assert read_text(str(tmp_path / "a"), encoding="latin-1").startswith("ï»¿one")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Make everything that is no regular file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to a pipe").symlink_to("pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "gone").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
    return tmp_path


ODD = {
    "pipe": "it is a named pipe, not a file",
    "link to a pipe": "it is a named pipe, not a file",
    "device": "it is a device, not a file",
    "folder": "it is a folder",
    "socket": "it is a socket, not a file",
    "itself": "Too many levels of symbolic links",
    "gone": "No such file or directory",
    "zero\0byte": "its name cannot be one of a file (embedded null byte)",
    "n" * 300: "File name too long",
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("read", [open_regular, read_file, read_text, read_argument, sha256_file])
def test_what_is_no_file_is_named_and_never_opened(odd: Path, name: str, read: object) -> None:
    with pytest.raises(OSError) as caught:
        read(odd / name)  # type: ignore[operator]
    assert caught.value.strerror == ODD[name]


def test_configuration_says_so_too(odd: Path) -> None:
    with pytest.raises(FormatError, match="pipe cannot be read: it is a named pipe, not a file; check the file"):
        read_json(odd / "pipe")
    with pytest.raises(ConfigError, match="pipe cannot be read: it is a named pipe, not a file; check the file"):
        read_toml(odd / "pipe")


def test_what_takes_the_place_of_a_file_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    opened = os.open
    monkeypatch.setattr(os, "open", lambda name, flags: opened(tmp_path / "pipe", flags))
    with pytest.raises(OSError, match="it is a named pipe"):
        open_regular(tmp_path / "file")


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as handle:
        handle.truncate(50 << 30)
    with pytest.raises(OSError, match=r"it holds 53\.7 GB, and 64 MB is the most that is read"):
        read_file(tmp_path / "large")
    (tmp_path / "small").write_bytes(b"12345")
    assert read_file(tmp_path / "small", limit=5) == b"12345"
    with pytest.raises(OSError, match="it holds 5 bytes, and 4 bytes is the most that is read"):
        sha256_file(tmp_path / "small", limit=4)


def test_a_file_that_says_nothing_of_its_size_is_bounded_too() -> None:
    with pytest.raises(OSError, match="is the most that is read"):
        read_file("/proc/self/status", limit=10)


def test_a_hash_ends_where_the_file_ended_when_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    monkeypatch.setattr(reading, "_BLOCK", 4)
    assert sha256_file(path) == sha256_bytes(b"0123456789")
    facts = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        seen = facts(descriptor)
        with path.open("ab") as handle:
            handle.write(b"more")
        return seen

    monkeypatch.setattr(os, "fstat", growing)
    assert sha256_file(path) == sha256_bytes(b"0123456789more")  # what came between the two looks, and no further


@pytest.mark.parametrize("source", ["<(printf 'cat\\ndog\\n')", "/dev/stdin"])
def test_what_a_shell_hands_over_is_an_argument(source: str) -> None:
    code = "import sys; from wordsight.base.reading import read_argument; print(read_argument(sys.argv[1]).split())"
    command = f"printf 'cat\\ndog\\n' | {sys.executable} -c '{code}' {source}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "['cat', 'dog']\n"


def test_records_and_vocabularies_are_never_pipes(odd: Path) -> None:
    with pytest.raises(OSError, match="it is a named pipe"):
        list(read_lines(odd / "pipe"))
    with pytest.raises(FormatError, match="pipe cannot be read: it is a named pipe, not a file; restore the file"):
        read_merges(odd / "pipe")
