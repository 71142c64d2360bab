"""The cache of converted models: what it is asked by, and what is a model at all."""

import os

import pytest

from wordsight.base.errors import UnknownModel
from wordsight.weights import converted
from wordsight.weights.graphs import graph_files, raw_graphs, take_in


@pytest.fixture
def public(tmp_path):
    folder = tmp_path / "public"
    folder.mkdir()
    for name in ("model.safetensors", "config.json", "notes.md"):
        (folder / name).write_bytes(b"one")
    return folder


def touched(path):
    """Change a file's time, not its size."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_a_changed_file_of_the_model_is_another_model(whole, public, monkeypatch):
    path = public if whole else public / "model.safetensors"
    key = converted._key(path, "name")
    assert len(key) == 16
    assert key == converted._key(path, "name") != converted._key(path, "other name")
    touched(public / "notes.md")  # is no part of it
    assert converted._key(path, "name") == key
    for change in (
        lambda: touched(public / "model.safetensors"),
        lambda: touched(public / "config.json"),
        lambda: (public / "config.json").write_bytes(b"longer"),
        lambda: (public / "merges.txt").write_bytes(b"new"),
        lambda: monkeypatch.setattr(converted, "CONVERSION", 0),
        lambda: monkeypatch.setattr(converted, "__version__", "0"),
    ):
        change()
        assert converted._key(path, "name") != key
        key = converted._key(path, "name")


def test_another_file_of_weights_beside_it_does_not_matter_to_a_file(public):
    key = converted._key(public / "model.safetensors", "")
    (public / "other.pt").write_bytes(b"x")
    assert converted._key(public / "model.safetensors", "") == key


@pytest.mark.parametrize("name", ["model.safetensors", "a.pt", "b.npz", "pytorch_model.bin.index.json", "x.onnx"])
def test_what_is_a_model(name, tmp_path):
    (tmp_path / "deep" / "inner").mkdir(parents=True)
    with pytest.raises(UnknownModel, match="has no file that models are stored in; known: .safetensors"):
        converted.require_model(tmp_path)
    path = tmp_path / "deep" / name
    path.write_bytes(b"x")
    converted.require_model(path)
    if not name.endswith(".json"):
        converted.require_model(tmp_path / "deep")
        converted.require_model(tmp_path)  # one below
    (tmp_path / "deep" / "notes.md").write_bytes(b"x")
    with pytest.raises(UnknownModel, match="notes.md is a file that models are not stored in"):
        converted.require_model(tmp_path / "deep" / "notes.md")


def test_graphs_are_linked_with_their_tensors_and_nothing_else(tmp_path):
    sources = {}
    for tower in ("image", "text"):
        folder = tmp_path / tower
        folder.mkdir()
        for name in ("model.onnx", "model.onnx.data", "weights.bin", "model.ort", "vocab.txt", "settings.json"):
            (folder / name).write_bytes(f"{tower} {name}".encode())
        sources[tower] = folder / "model.onnx"
    take_in(sources, tmp_path / "taken")
    assert sorted(path.name for path in (tmp_path / "taken" / "onnx" / "text").iterdir()) == [
        "model.onnx",
        "model.onnx.data",
        "weights.bin",
    ]
    assert graph_files(tmp_path / "taken")["image"].read_bytes() == b"image model.onnx"
    tensors = list(raw_graphs(tmp_path / "taken"))
    assert [tensor.name for tensor in tensors][:3] == ["image/model.onnx", "image/model.onnx.data", "image/weights.bin"]
    (tmp_path / "taken" / "onnx" / "text" / "weights.bin").unlink()
    (tmp_path / "taken" / "onnx" / "text" / "weights.bin").write_bytes(b"")
    with pytest.raises(Exception, match="weights.bin is empty; fetch the model again"):
        list(raw_graphs(tmp_path / "taken"))
