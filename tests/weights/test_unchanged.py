"""A model whose files are not those it was made with is refused when it is opened, and the file is named."""

import json
import shutil

import numpy as np
import pytest

import wordsight
from wordsight.base.errors import FormatError
from wordsight.engines.fake import FakeEngine
from wordsight.towers.shapes import shapes
from wordsight.weights import unchanged
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.find import BUNDLED
from wordsight.weights.folder import load_towers, read_checkpoint, read_model_manifest, save_checkpoint
from wordsight.weights.unchanged import digest_of

PIXELS = [np.zeros((64, 64, 3), np.uint8)]


@pytest.fixture
def bundled(tmp_path):
    return shutil.copytree(BUNDLED, tmp_path / "model")


@pytest.fixture
def model(tmp_path):
    spec = FakeEngine().spec
    random = np.random.default_rng(0)
    state = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes(spec).items()}
    state["logit_scale"] = np.array(2.0, np.float32)
    save_checkpoint(Checkpoint(spec, state), tmp_path / "plain")
    return tmp_path / "plain"


def refused(call) -> str:
    with pytest.raises(FormatError) as caught:
        call()
    return str(caught.value)


def edit(folder, change):
    path = folder / "model.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["spec"]["preprocess"].update(interpolation="bilinear"),
        lambda values: values["spec"]["preprocess"].update(mean=[0.5, 0.5, 0.5]),
        lambda values: values.update(scale=50.0),
        lambda values: values["files"].clear(),
        lambda values: values.update(fingerprint="0123456789abcdef"),
    ],
)
def test_a_manifest_changed_by_hand(bundled, change):
    edit(bundled, lambda values: None)
    wordsight.load(bundled)  # written in another way it says the same
    edit(bundled, change)
    assert refused(lambda: wordsight.load(bundled)) == (
        f"{bundled / 'model.json'} was changed after it was written, and no longer belongs to the fingerprint that it "
        "states; restore it; wordsight convert --set makes a model with other settings"
    )


@pytest.mark.parametrize("name", ["onnx/image.int8.onnx", "onnx/text.int8.onnx", "vocab.txt"])
def test_a_file_exchanged(bundled, name):
    opened = wordsight.load(bundled)
    path = bundled / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    calls = {"image": lambda: opened.embed_images(PIXELS), "text": lambda: opened.embed_texts(["a"])}
    wrong = calls.pop("image" if "image" in name else "text")
    assert refused(wrong) == (
        f"{path} is not the file that the model was made with; restore it, or fetch, convert or export the model again"
    )
    if name != "vocab.txt":
        for call in calls.values():
            call()  # the other tower is what it was


def test_weights_exchanged(model):
    read_checkpoint(model)
    load_towers(model)
    path = model / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for call in (read_checkpoint, load_towers):
        assert "states fingerprint" in refused(lambda call=call: call(model))


def test_models_of_earlier_versions_have_no_sum_and_no_files(bundled):
    edit(bundled, lambda values: (values.pop("sum"), values.pop("files")))
    assert read_model_manifest(bundled).files == {}
    assert wordsight.load(bundled).embed_texts(["a"]).shape == (1, 384)


def test_what_was_looked_at_is_read_again_only_when_it_changes(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(unchanged, "sha256_file", lambda path: read.append(path) or f"{len(read)}")
    path = tmp_path / "file"
    path.write_bytes(b"one")
    assert [digest_of(path), digest_of(path)] == ["1", "1"]
    path.rename(tmp_path / "moved")  # the same file
    (tmp_path / "moved").touch()
    assert digest_of(tmp_path / "moved") == "2"
    assert len(read) == 2


def test_a_cache_that_cannot_be_written_is_no_hindrance(bundled, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file" / "cache"))
    assert wordsight.load(BUNDLED).embed_texts(["a"]).shape == (1, 384)
