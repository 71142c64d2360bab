"""Small true inputs for the tests of data: pictures, shards, tables."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def encoded_image(number: int, *, width: int = 40, height: int = 32, form: str = "PNG") -> bytes:
    """Return an encoded picture of smooth colours that differs for each number."""
    generator = np.random.default_rng(number)
    small = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.BICUBIC).save(buffer, form)
    return buffer.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    """Write the members into a tar in order."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_shard(path: Path, numbers: range) -> Path:
    """Write a shard with two captions and a class for each number."""
    members = {}
    for number in numbers:
        words = {"captions": [f"picture {number}", f"number {number}"], "class": f"class{number % 3}", "price": number}
        members[f"{number:04d}.png"] = encoded_image(number)
        members[f"{number:04d}.json"] = json.dumps(words).encode()
    return write_tar(path, members)


@pytest.fixture(name="encoded_image")
def _encoded_image() -> Callable[..., bytes]:
    return encoded_image


@pytest.fixture(name="write_tar")
def _write_tar() -> Callable[[Path, dict[str, bytes]], Path]:
    return write_tar


@pytest.fixture(name="write_shard")
def _write_shard() -> Callable[[Path, range], Path]:
    return write_shard


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A folder of three classes with two pictures each."""
    for number in range(6):
        place = tmp_path / "classes" / f"class{number % 3}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded_image(number))
    return tmp_path / "classes"
