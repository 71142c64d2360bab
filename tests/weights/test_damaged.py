"""GraphWeights of a model folder that are damaged or lie."""

import json
import struct
from pathlib import Path

import pytest
import torch

from wordsight.base.errors import FormatError
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.folder import load_towers, save_model, verify


@pytest.fixture
def folder(tmp_path):
    image = VitSpec(size=32, width=16, layers=1, heads=1, patch=16)
    text = ClipTextSpec(width=16, layers=1, heads=1)
    save_model(build(ModelSpec("small", 16, image, text, PreprocessSpec(size=32))), tmp_path / "model")
    return tmp_path / "model"


def truncated(content):
    return content[:-10]


def garbage(content):
    return b"\x80\x02csafetensors\nnothing\n" + content[:100]


def empty(content):
    return b""


def huge_header(content):
    return struct.pack("<Q", 2**60) + content[8:]


def lying_offsets(content):
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["text_projection"]["data_offsets"][1] += 4
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def lying_shape(content):
    return content.replace(b'"shape":[16,16]', b'"shape":[16,17]')


@pytest.mark.parametrize("damage", [truncated, garbage, empty, huge_header, lying_offsets, lying_shape])
def test_damaged_and_lying_weights_are_refused(folder, damage):
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    with pytest.raises(FormatError, match=r"weights\.safetensors is not a whole safetensors file"):
        load_towers(folder)
    with pytest.raises(FormatError, match="not a whole safetensors file"):
        verify(folder)


def test_a_pickle_is_never_opened(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    torch.save(Bomb(), folder / "weights.safetensors")
    with pytest.raises(FormatError):
        load_towers(folder)
    assert not (tmp_path / "exploded").exists()
