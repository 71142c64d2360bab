"""From a name to a folder, and what is said when there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.errors import FormatError, NotFound, StorageError, UnknownModel
from wordsight.engines.onnx_engine import OnnxEngine
from wordsight.engines.parity import some_images, some_texts
from wordsight.engines.torch_engine import TorchEngine
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights import find
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.find import find_model
from wordsight.weights.folder import (
    load_towers,
    read_checkpoint,
    read_fingerprint,
    read_model_manifest,
    save_checkpoint,
    verify,
)
from wordsight.weights.formats import table


def write_openai(path):
    """A small file of OpenAI's layout, with the published vocabulary."""
    image = VitSpec(size=32, width=64, layers=1, heads=1, patch=16)
    spec = ModelSpec("tiny", 16, image, ClipTextSpec(width=64, layers=1, heads=1))
    draw = np.random.default_rng(0)
    state = {name: draw.normal(0, 0.02, shape).astype(np.float16) for name, shape in shapes(spec).items()}
    extras = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    write_torch(path, {**state, **{name: np.array(value) for name, value in extras.items()}})
    return path


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    return folder


def test_a_folder_is_itself(model, monkeypatch):
    assert find_model(model) == model
    assert find_model(str(model)) == model
    monkeypatch.setenv("HOME", str(model.parent))
    assert find_model("~/mine") == model
    for name in ("model.json", "weights.safetensors"):
        (model / name).touch()
        assert find_model(model / name) == model


def test_the_bundled_model_is_found_by_its_own_name():
    assert find_model("align-lite") == find_model("bundled") == find.BUNDLED


def test_none_is_the_variable_then_the_bundled_model(model, monkeypatch, tmp_path):
    monkeypatch.setattr(find, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(UnknownModel, match="no model comes with this installation.*WORDSIGHT_MODEL"):
        find_model(None)
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "model.json").write_text("{}")
    assert find_model() == tmp_path / "bundled"
    monkeypatch.setenv("WORDSIGHT_MODEL", str(model))
    assert find_model() == model
    assert find_model(tmp_path / "bundled") == tmp_path / "bundled"
    monkeypatch.setenv("WORDSIGHT_MODEL", str(tmp_path / "gone"))
    with pytest.raises(UnknownModel, match=r"WORDSIGHT_MODEL: no model .*gone"):
        find_model()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ViT-B-32", r"'ViT-B-32' is an architecture, not weights; choose one of .*ViT-B-32/openai"),
        ("vit-b-32", "is an architecture, not weights; choose one of .*ViT-B-32/openai"),
        ("tiny-96", r"is an architecture \(tiny-96\), not weights; train one"),
        ("ViT-B-32/nobody", "no weights 'ViT-B-32/nobody'; choose one of"),
        ("hf-hub:org/name", "the network is not to be used"),
        ("google/siglip-nothing", "the network is not to be used"),
        (
            "nonsense",
            "no model 'nonsense'; there is no such folder; take a name that 'wordsight models' lists, train one",
        ),
        ("", "no model ''; there is no such folder"),
        ("bundeld", "no model 'bundeld'; did you mean bundled"),
        ("tiny96", "no model 'tiny96'; did you mean the architecture tiny-96"),
        ("ViT-B-33/openai", "no model 'ViT-B-33/openai'; did you mean ViT-B-32/openai or .*hf-hub:ViT-B-33/openai"),
        ("openai/clip-vit-base-patch23", "did you mean openai/clip-vit-base-patch32 or .* Else run `wordsight models"),
        ("models/x", "no model 'models/x': there is no x in the folder models; check the path; .* hf-hub:models/x"),
        (" ViT-B-32__openai", r"timm/vit_base_patch32_clip_224.openai is not in the cache, .*\(--offline\); run"),
        ("ViT-B-16/openai", r"timm/vit_base_patch16_clip_224.openai is not in the cache"),
        ("~nobody/x", "no model '~nobody/x': there is no such file or folder"),
        ("a" * 5000, f"no model '{'a' * 80}…'; train one"),
        ("a/" * 2000, f"no model '{'a/' * 40}…'; train one"),
        ("a\x1b[31m/b", r"no model 'a\\x1b\[31m/b'; train one"),
        ("a\0b", r"no model 'a\\x00b'; train one"),
        ("./nowhere/x", "there is no such file or folder; train one"),
        ("nowhere/x.pt", "there is no such file or folder; train one"),
    ],
)
def test_unknown_names_are_answered_truthfully(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "models").mkdir()
    (tmp_path / "ViT-B-16" / "openai").mkdir(parents=True)  # holds no model, so the public one is meant
    with pytest.raises(UnknownModel, match=said) as caught:
        find_model(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_path_is_never_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("ViT-B-32/openai", "org/name", "bundled"):
        with pytest.raises(UnknownModel, match=f"no model '{path}': there is no such file or folder"):
            find_model(Path(path))


def test_the_bundled_model_has_a_name(monkeypatch):
    monkeypatch.setenv("WORDSIGHT_MODEL", "nowhere/x.pt")
    assert find_model("bundled") == find_model(" bundled ") == find.BUNDLED
    monkeypatch.setenv("WORDSIGHT_MODEL", "bundled")
    assert find_model() == find.BUNDLED


def test_a_model_in_a_folder_of_that_name_goes_first(model, monkeypatch):
    model.rename(model.with_name("bundled"))
    monkeypatch.chdir(model.parent)
    assert find_model("bundled") == Path("bundled")


def test_the_bundled_model_has_towers_by_name_and_from_a_copied_folder(tmp_path):
    """Who changes how graphs are written exports the bundled model again, or its weights cannot be read any more."""
    shutil.copytree(find.BUNDLED, tmp_path / "copy")
    towers, engine = load_towers("bundled"), OnnxEngine(find.BUNDLED)
    assert all(map(torch.equal, load_towers(tmp_path / "copy").state_dict().values(), towers.state_dict().values()))
    pixels, tokens = some_images(engine.spec, 4), some_texts(engine.spec, 4)
    copied = TorchEngine.of(towers, fingerprint="")
    # integers lose more of drawn images and random tokens than of photos and captions, of which the means are 0.999
    assert (copied.embed_images(pixels) * engine.embed_images(pixels)).sum(axis=1).mean() > 0.95
    assert (copied.embed_texts(tokens) * engine.embed_texts(tokens)).sum(axis=1).min() > 0.996


def test_weights_of_graphs_are_those_of_a_new_model(tmp_path):
    checkpoint = read_checkpoint(find.BUNDLED)
    manifest = save_checkpoint(checkpoint, tmp_path / "copy")
    assert manifest.origin["weights"] == f"those of the graphs of {read_fingerprint(find.BUNDLED)}"
    assert manifest.fingerprint != read_fingerprint(find.BUNDLED)
    verify(tmp_path / "copy")
    with pytest.raises(NotFound, match=r"has graphs only, no weights\.safetensors; its graphs are checked when"):
        verify(find.BUNDLED)


def test_a_graph_that_was_exchanged_gives_no_weights(tmp_path):
    shutil.copytree(find.BUNDLED, tmp_path / "copy")
    path = tmp_path / "copy" / "onnx" / "text.int8.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"text\.int8\.onnx is not the file that the model was made with"):
        load_towers(tmp_path / "copy")


def test_a_folder_without_a_model_and_a_file_are_answered(model):
    with pytest.raises(UnknownModel, match=r"runs has no model\.json; did you mean .*mine\?"):
        find_model(model.parent)
    (model / "empty").mkdir()
    with pytest.raises(UnknownModel, match="has no file that models are stored in"):
        find_model(model / "empty")
    assert find_model(model / "model.json") == model
    (model / "cat.jpg").write_bytes(b"")
    with pytest.raises(UnknownModel, match="is a file that models are not stored in; known: .safetensors"):
        find_model(model / "cat.jpg")


def test_a_pipe_is_named_as_one(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(
        UnknownModel, match=r"model\.safetensors is a pipe, socket or device; models are read from files"
    ):
        find_model(tmp_path / "model.safetensors")


@pytest.fixture
def public(tmp_path, monkeypatch):
    """A file of OpenAI's layout and an empty cache."""
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    return write_openai(tmp_path / "files" / "tiny.pt")


def test_a_public_file_is_converted_once_and_again_when_it_changes(public, tmp_path, capsys):
    folder = find_model(public)
    assert folder.parent == tmp_path / "cache" / "models"
    said = capsys.readouterr().err
    assert "assumed: that the towers use QuickGELU" in said
    assert f"{public} is read as openai" in said
    assert "assumed: that the towers use QuickGELU" in said
    manifest = read_model_manifest(folder)
    assert manifest.origin == {"format": "openai", "file": "tiny.pt", "path": str(public)}
    verify(folder)
    assert find_model(str(public)) == folder
    assert capsys.readouterr().err == ""
    os.utime(public, ns=(1, 1))
    again = find_model(public)
    assert again != folder
    assert read_model_manifest(again).fingerprint == manifest.fingerprint
    (public.parent / "config.json").write_text("{}")  # what lies beside counts, too
    assert find_model(public) not in (folder, again)
    (public.parent / "config.json").unlink()
    assert find_model(public) == again


def test_what_two_processes_convert_at_once_is_whole(public, monkeypatch):
    before = find_model(public)
    shutil.move(before, before.parent.parent / "aside")
    read_any = table.read_any

    def slow(path, **options):
        shutil.copytree(before.parent.parent / "aside", before)  # another process was quicker
        return read_any(path, **options)

    monkeypatch.setattr(table, "read_any", slow)
    assert find_model(public) == before
    assert list(before.parent.iterdir()) == [before]
    verify(before)


def test_what_a_killed_process_left_in_the_cache_is_removed(public, killed_draft):
    target = find_model(public)
    shutil.rmtree(target)
    killed_draft(target).mkdir()
    assert find_model(public) == target
    assert list(target.parent.iterdir()) == [target]


def test_a_cache_that_cannot_be_written_is_named_with_the_variable(public, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        StorageError, match="the cache of converted models.; free room there, or set WORDSIGHT_CACHE to a folder"
    ):
        find_model(public)


def test_public_files_are_read_without_torch(public, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.weights.folder import find_model, read_checkpoint\n"
        "print(len(read_checkpoint(find_model(sys.argv[1])).state))"
    )
    out = subprocess.run([sys.executable, "-c", code, str(public)], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [str(len(read_checkpoint(find_model(public)).state))]


def test_towers_of_a_public_file(public):
    towers = load_towers(public)
    assert towers.spec.text.activation == "quick_gelu"
    assert not towers.training


def test_specs_are_read_without_torch(model):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.weights import find, fingerprint, folder\n"
        "from wordsight.towers import catalogue\n"
        "print(len(catalogue.names()), catalogue.architecture('RN50').width)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split()[1] == "1024"


def test_towers_without_torch_name_the_extra(model):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wordsight.base.errors import MissingExtra\n"
        "from wordsight.weights.folder import load_towers\n"
        "import json, pathlib\n"
        "try: load_towers(sys.argv[1])\n"
        "except MissingExtra as error: print(error)"
    )
    manifest = '{"format": "wordsight-model", "version": 1, "spec": {"name": "x"}, "fingerprint": "0", "scale": 1.0}'
    (model / "model.json").write_text(manifest)
    out = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True)
    assert "pip install 'wordsight[train]'" in out.stdout


def test_a_model_folder_without_its_manifest_is_named_as_one(tmp_path):
    for name in ("weights.safetensors", "merges.txt"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UnknownModel, match=r"has no model\.json; copy it from where the model came from"):
        find_model(tmp_path)
