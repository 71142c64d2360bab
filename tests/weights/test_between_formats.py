"""From one public format to the next and on: the same weights, the same tokens, and nothing left where it was refused."""

from dataclasses import replace

import numpy as np
import pytest

from wordsight.base.errors import FormatError, UsageError
from wordsight.text.open import open_tokenizer
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.folder import save_checkpoint
from wordsight.weights.formats.table import FORMATS, read_any, write_as

TEXT = ClipTextSpec(width=64, layers=1, heads=1, activation="quick_gelu")
VIT = VitSpec(size=32, width=64, layers=1, heads=1, patch=16, activation="quick_gelu")
RESNET = ResNetSpec(size=32, width=16, stages=(1, 1, 1, 1), heads=8)
WORDS = ["Two RED cats, on green_grass!", "!", "shoe! " * 100, "", "Ünïcode dog's 22"]


def drawn(image):
    spec = ModelSpec("drawn", width=64, image=image, text=TEXT)
    spec = replace(spec, preprocess=replace(spec.preprocess, size=image.size))
    draw = np.random.default_rng(5)
    state = {name: np.asarray(draw.standard_normal(shape, np.float32)) for name, shape in shapes(spec).items()}
    state |= {name: np.abs(array) for name, array in state.items() if name.endswith("running_var")}
    counters = {name: np.array(7, np.int64) for name in state if name.endswith("num_batches_tracked")}
    return Checkpoint(spec, state | counters)


def through(checkpoint, formats, tmp_path):
    for number, name in enumerate(formats):
        place = tmp_path / f"{number}"
        place.mkdir()
        write_as(checkpoint, place, name)
        checkpoint = read_any(place)
    return checkpoint


@pytest.mark.parametrize(
    ("image", "formats"),
    [
        (VIT, ["openai", "openclip", "huggingface", "openclip", "openai"]),
        (VIT, ["huggingface", "huggingface", "openai"]),
        (RESNET, ["openclip", "openai", "openclip"]),
    ],
    ids=["vit", "vit-again", "resnet"],
)
def test_weights_and_tokens_stay_the_same(image, formats, tmp_path, capsys):
    before = drawn(image)
    after = through(before, formats, tmp_path)
    assert {name: (array.shape, array.dtype) for name, array in after.state.items()} == {
        name: (array.shape, array.dtype) for name, array in before.state.items()
    }
    assert all(np.array_equal(after.state[name], array) for name, array in before.state.items())
    assert after.spec.image == before.spec.image
    assert replace(after.spec.text, pad_id=0) == before.spec.text
    ours, theirs = (open_tokenizer(one.spec.tokenizer, tmp_path).batch(WORDS) for one in (before, after))
    assert np.array_equal(ours, theirs)
    capsys.readouterr()


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("openclip", "openai", "onnx-folder")])
def test_a_refused_model_leaves_nothing_behind(name, tmp_path):
    with pytest.raises(UsageError):
        write_as(drawn(RESNET), tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_a_missing_tokenizer_is_named_with_the_way_to_give_it(tmp_path):
    checkpoint = drawn(VIT)
    words = replace(checkpoint.spec.tokenizer, kind="sentencepiece")
    with pytest.raises(UsageError, match=r"came without its tokenizer's spiece.model; .* --tokenizer spiece.model"):
        save_checkpoint(replace(checkpoint, spec=replace(checkpoint.spec, tokenizer=words)), tmp_path / "out")


def test_nothing_in_a_file_is_said_as_such(tmp_path):
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(FormatError, match="empty.pt is empty; fetch it again"):
        read_any(tmp_path / "empty.pt")
    np.savez(tmp_path / "nothing.npz")
    with pytest.raises(FormatError, match="nothing.npz"):
        read_any(tmp_path / "nothing.npz")
