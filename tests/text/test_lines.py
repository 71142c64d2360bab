"""Lists in text files, however an editor saved them."""

import os

import pytest

from wordsight.base.errors import FormatError, NotFound
from wordsight.text.lines import listed_lines
from wordsight.text.prompts import templates

TEXT = "# remark\nred\n\n  dark blue\t\n# another\ngr\u00fcn\n"
LINES = [(2, "red"), (4, "dark blue"), (6, "gr\u00fcn")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-marked"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_what_editors_write_is_read_alike(tmp_path, encoding, ending):
    text = TEXT.replace("\n", ending)
    data = ("\ufeff" + text).encode("utf-16-be") if encoding.endswith("marked") else text.encode(encoding)
    (tmp_path / "list.txt").write_bytes(data)
    assert listed_lines(tmp_path / "list.txt") == LINES


def test_the_first_line_may_be_a_class_a_remark_or_a_template_behind_a_mark(tmp_path):
    file = tmp_path / "list.txt"
    file.write_bytes("\ufeffred\r\nblue\r\n".encode())
    assert listed_lines(file) == [(1, "red"), (2, "blue")]
    file.write_bytes("\ufeff# remark\r\na photo of a {}.\r\n".encode())
    assert templates(file) == ["a photo of a {}."]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("red\ngr\u00fcn\n".encode("latin-1"), "is not UTF-8: byte 0xfc in line 2; save it as UTF-8"),
        ("red\n".encode("utf-16-le"), "is not text: it holds zero bytes; save it as UTF-8"),
        (b"\xff\xfea\0b", "is not UTF-16-LE: byte 0x62 in line 1; save it as UTF-8"),
    ],
)
def test_what_is_no_text_is_named(tmp_path, data, message):
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        listed_lines(tmp_path / "list.txt")
    assert str(caught.value) == f"{tmp_path / 'list.txt'} {message}"


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path / "pipe", "named pipe"), (tmp_path, "folder"), (tmp_path / "none", "No such file")):
        with pytest.raises(NotFound, match=reason):
            listed_lines(path)
