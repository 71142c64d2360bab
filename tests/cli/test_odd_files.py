"""A folder with one odd file: every verb reads the good images, names what it could not read, and none hangs or breaks."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.base import progress
from wordsight.cli.main import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a folder of three good images, and let nothing be said only once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "_printed", set())
    photos = Path("photos")
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.jpg")
    return photos


VERBS = {
    "index": ["index", "photos"],
    "embed": ["embed", "photos", "--out", "out"],
    "classify": ["classify", "photos", "--classes", "cat,dog", "--json"],
    "check": ["data", "check", "photos"],
    "stats": ["data", "stats", "photos"],
    "pack": ["data", "pack", "photos", "--out", "out"],
}


def sparse(path):
    with open(path, "wb") as handle:
        handle.truncate(50 << 30)


def bind(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def good(path):
    Image.new("RGB", (30, 40), "teal").save(path, "JPEG")
    return path


# What is made of a path, and what is said of it: "" where it is read.
ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe.jpg": (os.mkfifo, "1 pipe or device not read"),
    "socket.png": (bind, "1 pipe or device not read"),
    "zero.jpg": (lambda path: path.symlink_to("/dev/zero"), "1 pipe or device not read"),
    "itself.jpg": (lambda path: path.symlink_to(path.name), "itself.jpg cannot be opened: Too many levels of symbolic"),
    "gone.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "gone.jpg cannot be opened: No such file"),
    "sparse.jpg": (sparse, "it holds 53.7 GB, and 512 MB is the most that is read"),
    "future.jpg": (lambda path: os.utime(good(path), (13569465600, 13569465600)), ""),
    "past.jpg": (lambda path: os.utime(good(path), (-5_000_000_000, -5_000_000_000)), ""),
    "new\nline.jpg": (good, ""),
    "\udcff\udcfe.jpg": (good, ""),
    "clip.mp4": (lambda path: path.write_bytes(b"x"), "1 video not read"),
    "broken.jpg": (lambda path: path.write_bytes(b"x"), "broken.jpg is not a JPEG"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("odd", ODD)
def test_one_odd_file_stops_nothing(folder, odd, verb, capsysbinary):
    make, said = ODD[odd]
    try:
        make(folder / odd)
    except OSError:  # a file system that cannot hold such a thing
        return
    if (odd, verb) == ("clip.mp4", "index"):  # libraries read videos
        said = "clip.mp4 is no video that can be read"
    status = main(VERBS[verb])
    out, err = (stream.decode("utf-8", "surrogateescape") for stream in capsysbinary.readouterr())
    assert (odd if verb == "stats" and odd == "broken.jpg" else said) in err
    assert status == (0 if said.endswith("not read") or not said else 1)
    if verb == "classify":
        assert out.count("\n") == (3 if said else 4)
    if verb == "index":
        assert main(["search", "noise", "--in", "photos", "--json"]) == 0
        assert capsysbinary.readouterr().out.count(b"\n") == (3 if said else 4)
