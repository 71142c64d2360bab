"""Tars whose headers lie: what is whole before and behind is used, the lie is named, and nothing is allocated for it."""

import gzip
import lzma
import struct
import subprocess
import tarfile

import pytest

from wordsight.base.errors import InputError
from wordsight.data import tarindex
from wordsight.data.source import open_source
from wordsight.data.tarindex import read_index

END = bytes(10240)


def member(name, content):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf() + content + bytes(-len(content) % 512)


def header(name, size, kind=b"0"):
    """Return a header whose size field (12 bytes) is this, its sum of bytes right."""
    raw = bytearray(tarfile.TarInfo(name).tobuf())
    raw[124:136], raw[156:157], raw[148:156] = size, kind, b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def number(size):
    """Return a size field in base 256, as GNU tar writes what eleven octal digits cannot hold."""
    if size < 0:
        return b"\xff" * 4 + struct.pack(">q", size)
    return b"\x80" + size.to_bytes(11, "big")


LIES = {
    "less than nothing": (header("x.png", number(-1)), "x.png would have -1 bytes"),
    "backwards": (header("x.png", number(-1024)), "x.png would have -1024 bytes"),
    "octal with a sign": (header("x.png", b"-0000000100\0"), "x.png would have -64 bytes"),
    "no number": (header("x.png", b"zzzzzzzzzzz\0"), "no header"),
    "fifty gigabytes": (header("x.png", number(50 * 2**30)), "x.png would have 53687091200 bytes"),
    "beyond every disk": (header("x.png", number(2**80)), f"x.png would have {2**80} bytes"),
    "a long name without end": (header("x", number(2**62), b"L"), "a header with an impossible size"),
    "in an extension": (header("x", b"%011o\0" % 11, b"x") + b"11 size=-5\n".ljust(512, b"\0"), "1.png would have -5"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_costs_itself(tmp_path, encoded_image, lie):
    good = [member(f"{n}.png", encoded_image(n)) for n in range(3)]
    wrong, problem = LIES[lie]
    path = tmp_path / "x.tar"
    path.write_bytes(b"".join([good[0], wrong, good[1], good[2], END]))
    walk = open_source(path).samples()
    assert {sample.key: sample.image for sample in walk} == {str(n): encoded_image(n) for n in range(3)}
    (failure,) = map(str, walk.failures)
    start = f"{path}: damaged at byte {len(good[0])}: {problem}"
    assert failure.startswith(start)
    assert failure.endswith("; the files up to the next header are lost; make the shard again; what is whole is used")


def test_a_lie_at_the_end_has_nothing_behind_it(tmp_path, encoded_image):
    good = member("0.png", encoded_image(0))
    (tmp_path / "a.tar").write_bytes(good + header("x.png", number(-1)) + END)
    (tmp_path / "b.tar").write_bytes(good + header("x.png", number(2**40)) + END)
    assert [problem[:14] for problem in read_index(tmp_path / "a.tar").problems] == ["damaged at byt"]
    assert read_index(tmp_path / "b.tar").problems == ["cut short inside x.png"]


def test_a_member_larger_than_any_image_is_left_out(tmp_path, encoded_image, monkeypatch):
    monkeypatch.setattr(tarindex, "IMAGE_LIMIT", 20_000)
    (tmp_path / "x.tar").write_bytes(member("0.png", encoded_image(0)) + member("1.png", bytes(30_000)) + END)
    index = read_index(tmp_path / "x.tar")
    assert list(index.samples) == ["0"]
    assert index.problems == ["1.png holds 30 KB, and 20 KB is the most that is read"]


def test_a_member_with_holes_is_left_out(tmp_path, encoded_image):
    content = encoded_image(0)
    (tmp_path / "x.tar").write_bytes(header("h.png", number(512), b"S") + bytes(512) + member("0.png", content) + END)
    index = read_index(tmp_path / "x.tar")
    assert list(index.samples) == ["0"]
    assert index.problems == ["h.png is stored with holes (sparse), which is not read"]


@pytest.mark.parametrize(
    ("pack", "name", "command"), [(gzip.compress, "gzip", "gunzip -c"), (lzma.compress, "xz", "xz -dc")]
)
def test_a_compressed_tar_is_named_as_one(tmp_path, pack, name, command):
    path = tmp_path / "x.tar"
    path.write_bytes(pack(END))
    with pytest.raises(InputError) as caught:
        read_index(path)
    assert str(caught.value) == (
        f"{path} is compressed with {name}, so no sample can be read alone; unpack it: {command} x.tar > unpacked.tar"
    )


def put_into_tars(folder, count, *options):
    """Make a tar of so many files of many sizes with GNU tar."""
    names = [f"{n}.png" for n in range(count)]
    for n, name in enumerate(names):
        (folder / name).write_bytes(bytes([n + 1]) * (97 * n + 1))
    subprocess.run(["tar", *options, "-cf", "x.tar", *names], cwd=folder, check=True)
    return read_index(folder / "x.tar")


@pytest.mark.parametrize("options", [[], ["--format=pax"], ["-b1"], ["-b20"]])
def test_what_fills_a_record_is_no_doubt(tmp_path, options):
    doubts = {put_into_tars(tmp_path, count, *options).doubt for count in range(1, 25)}
    assert doubts == {""}
    for count in range(1, 25):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            for n in range(count):
                tar.add(tmp_path / f"{n}.png", f"{n}.png")
        assert read_index(tmp_path / "x.tar").doubt == ""


@pytest.mark.parametrize(
    ("behind", "what"),
    [
        (bytes(11 * 1024), "more zeros than a tar needs from byte 1024 on"),
        (bytes(2**20), "more zeros"),
        (bytes(2048) + b"x", "other data from byte 1024 on"),
        (END + member("y.png", b"y") + END, "other data"),
    ],
)
def test_what_a_tar_does_not_end_with_is_a_doubt(tmp_path, behind, what):
    (tmp_path / "x.tar").write_bytes(member("x.png", b"x") + behind)
    index = read_index(tmp_path / "x.tar")
    assert index.doubt.startswith(what)
    assert (list(index.samples), index.problems) == (["x"], [])


def test_a_file_that_ends_in_a_hole_is_a_doubt(tmp_path):
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(member("x.png", b"x"))
        file.truncate(2**33)
    assert read_index(tmp_path / "x.tar").doubt


def test_large_records_are_a_doubt_and_no_failure(tmp_path, capsys):
    assert put_into_tars(tmp_path, 3, "-b1024").doubt
    walk = open_source(tmp_path / "x.tar").samples()
    assert (len(list(walk)), walk.failures) == (3, [])
    assert "more zeros than a tar needs" in capsys.readouterr().err
