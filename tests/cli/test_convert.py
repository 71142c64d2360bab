from argparse import ArgumentParser

import numpy as np
import pytest
import torch

from wordsight.base.errors import ConfigError, NotFound, StorageError, UnknownModel, UsageError
from wordsight.base.files import draft_folder
from wordsight.cli import convert
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.clip_text.spec import ClipTextSpec
from wordsight.towers.shapes import shapes
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec
from wordsight.weights.archive.torchfile import write_torch
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.find import find_model
from wordsight.weights.folder import read_checkpoint, read_model_manifest, save_model
from wordsight.weights.formats.table import read_any


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    spec = ModelSpec(
        "tiny",
        width=16,
        image=VitSpec(size=16, width=16, layers=1, heads=1, patch=8),
        text=ClipTextSpec(width=16, layers=1, heads=1, context_length=8),
        preprocess=PreprocessSpec(size=16),
        tokenizer=TokenizerSpec(context_length=8),
    )
    save_model(build(spec).eval(), tmp_path / "model", card="# Tiny\n")
    return tmp_path / "model"


def convert_with(*arguments):
    parser = ArgumentParser()
    convert.add_arguments(parser)
    return convert.run(parser.parse_args([str(argument) for argument in arguments]))


def test_to_onnx_in_place(model, capsys):
    assert convert_with(model, model, "--to", "onnx", "--precision", "int8", "--precision", "fp32") == 0
    assert sorted(path.name for path in (model / "onnx").iterdir()) == [
        "image.fp32.onnx", "image.int8.onnx", "parity.json", "text.fp32.onnx", "text.int8.onnx",
    ]  # fmt: skip
    assert "text int8: cosine to PyTorch fp32 mean 0.99" in capsys.readouterr().out


def test_to_onnx_elsewhere_is_int8_without_weights(model, tmp_path):
    assert convert_with(model, tmp_path / "light", "--to", "onnx") == 0
    assert read_model_manifest(tmp_path / "light").precisions == ("int8",)
    assert not (tmp_path / "light" / "weights.safetensors").exists()


def test_to_wordsight_keeps_the_fingerprint_and_the_card(model, tmp_path, capsys):
    assert convert_with(model, tmp_path / "copy", "--to", "wordsight") == 0
    assert read_model_manifest(tmp_path / "copy").fingerprint == read_model_manifest(model).fingerprint
    assert (tmp_path / "copy" / "README.md").read_text() == "# Tiny\n"
    assert read_model_manifest(model).fingerprint in capsys.readouterr().out


def test_half_is_half_as_large(model, tmp_path):
    assert convert_with(model, tmp_path / "copy", "--to", "wordsight", "--half") == 0
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in (tmp_path / "copy", model)]
    assert sizes[0] < 0.6 * sizes[1]


def test_an_unknown_format_is_said(model, tmp_path):
    with pytest.raises(UsageError, match="no format 'tape'; use wordsight, onnx, huggingface, openclip"):
        convert_with(model, tmp_path / "out", "--to", "tape")


@pytest.fixture
def public(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    image = VitSpec(size=32, width=64, layers=1, heads=1, patch=16)
    spec = ModelSpec("small", 16, image, ClipTextSpec(width=64, layers=1, heads=1))
    draw = np.random.default_rng(0)
    state = {name: draw.normal(0, 0.02, shape).astype(np.float16) for name, shape in shapes(spec).items()}
    extras = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
    write_torch(tmp_path / "small.pt", {**state, **{name: np.array(value) for name, value in extras.items()}})
    return tmp_path / "small.pt"


def test_a_public_file_and_back(public, tmp_path, capsys):
    assert convert_with(public, tmp_path / "ours", "--to", "wordsight") == 0
    assert "assumed: that the towers use QuickGELU" in capsys.readouterr().err
    assert convert_with(tmp_path / "ours", tmp_path / "back.pt", "--to", "openai") == 0
    before, after = CheckpointFiles(public).tensors, CheckpointFiles(tmp_path / "back.pt").tensors
    assert set(before) == set(after)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not (tmp_path / "cache" / "models").exists()  # only what is used without converting is kept there


def test_what_is_set_is_no_longer_assumed(public, tmp_path, capsys):
    sets = ("--set", "image.activation=gelu", "--set", "text.activation=gelu", "--set", "preprocess.rgb=before")
    assert convert_with(public, tmp_path / "ours", "--to", "wordsight", *sets) == 0
    assert "assumed" not in capsys.readouterr().err
    manifest = read_model_manifest(tmp_path / "ours")
    assert manifest.assumed == ()
    assert (manifest.spec.text.activation, manifest.spec.preprocess.rgb) == ("gelu", "before")
    with pytest.raises(UsageError, match=r"no place for .*text\.activation = 'gelu'"):
        convert_with(tmp_path / "ours", tmp_path / "back.pt", "--to", "openai")
    with pytest.raises(ConfigError, match=r"unknown key image\.activatoin; did you mean activation"):
        convert_with(public, tmp_path / "x", "--to", "wordsight", "--set", "image.activatoin=gelu")
    with pytest.raises(ConfigError, match=r"image\.activation = 'swish'; use one of"):
        convert_with(public, tmp_path / "x", "--to", "wordsight", "--set", "image.activation=swish")


def test_another_size_interpolates_positions(public, tmp_path):
    assert convert_with(public, tmp_path / "large", "--to", "wordsight", "--set", "image.size=64") == 0
    checkpoint = read_checkpoint(tmp_path / "large")
    assert checkpoint.spec.image.size == checkpoint.spec.preprocess.size == 64
    assert checkpoint.state["visual.positional_embedding"].shape == (17, 64)
    with pytest.raises(UsageError, match=r"image\.size=big; give a whole number"):
        convert_with(public, tmp_path / "x", "--to", "wordsight", "--set", "image.size=big")


def test_a_part_of_a_training_checkpoint(public, tmp_path):
    state = {name: torch.from_numpy(np.array(array)) for name, array in CheckpointFiles(public).tensors.items()}
    averaged = {name: value * 2 if value.is_floating_point() else value for name, value in state.items()}
    torch.save({"epoch": 3, "state_dict": state, "state_dict_ema": averaged}, tmp_path / "epoch_3.pt")
    assert convert_with(tmp_path / "epoch_3.pt", tmp_path / "plain", "--to", "wordsight") == 0
    assert any(
        "take them with --part state_dict_ema" in said for said in read_model_manifest(tmp_path / "plain").assumed
    )
    part = ("--part", "state_dict_ema")
    assert convert_with(tmp_path / "epoch_3.pt", tmp_path / "mean", "--to", "wordsight", *part) == 0
    plain, mean = (read_checkpoint(tmp_path / name).state["text_projection"] for name in ("plain", "mean"))
    assert np.array_equal(mean, 2 * plain)
    with pytest.raises(NotFound, match="has no part nothing; it has epoch, state_dict, state_dict_ema"):
        convert_with(tmp_path / "epoch_3.pt", tmp_path / "x", "--to", "wordsight", "--part", "nothing")


def test_a_vocabulary_where_none_is_needed_is_refused(public, tmp_path):
    (tmp_path / "merges.txt").write_text("a b\n")
    with pytest.raises(UsageError, match="comes with the published vocabulary"):
        convert_with(public, tmp_path / "x", "--to", "wordsight", "--tokenizer", tmp_path / "merges.txt")


def test_a_vocabulary_is_taken_in_either_form(tmp_path):
    tokenizer = TokenizerSpec(kind="sentencepiece", vocabulary="own", cleaning="lower-ascii", end_id=1)
    spec = ModelSpec("x", tokenizer=tokenizer)
    (tmp_path / "a.model").write_bytes(b"pieces")
    (tmp_path / "a.json").write_bytes(b"{}")
    pieces = convert.with_vocabulary(Checkpoint(spec, {}), tmp_path / "a.model")
    assert (pieces.spec.tokenizer.kind, dict(pieces.tokenizer_files)) == ("sentencepiece", {"spiece.model": b"pieces"})
    other = convert.with_vocabulary(Checkpoint(spec, {}), tmp_path / "a.json")
    assert dict(other.tokenizer_files) == {"tokenizer.json": b"{}"}
    assert (other.spec.tokenizer.kind, other.spec.tokenizer.end_id) == ("tokenizers", 1)
    with pytest.raises(UsageError, match=r"needs spiece\.model"):
        convert.with_vocabulary(Checkpoint(spec, {}), tmp_path / "gone.model")


def test_graphs_of_a_public_file(public, tmp_path):
    assert convert_with(public, tmp_path / "light", "--to", "onnx", "--precision", "fp32") == 0
    assert read_model_manifest(tmp_path / "light").precisions == ("fp32",)
    quick = read_model_manifest(tmp_path / "light").fingerprint
    sets = ("--set", "image.activation=gelu")
    assert convert_with(public, tmp_path / "plain", "--to", "onnx", "--precision", "fp32", *sets) == 0
    assert read_model_manifest(tmp_path / "plain").fingerprint != quick


def test_out_must_differ_for_a_model_folder(model):
    with pytest.raises(UsageError, match="OUT is IN"):
        convert_with(model, model, "--to", "wordsight")


def test_an_unknown_model_is_said(tmp_path):
    with pytest.raises(UnknownModel):
        convert_with(tmp_path / "nothing", tmp_path / "out", "--to", "onnx")


def test_a_folder_with_other_files_is_not_written_into(public, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.safetensors").write_bytes(b"another model")
    with pytest.raises(UsageError, match="full already holds files; choose an empty or a new folder"):
        convert_with(public, tmp_path / "full", "--to", "openclip")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("to", ["openclip", "huggingface", "openai"])
def test_a_folder_is_written_whole_or_not_at_all(to, public, tmp_path, monkeypatch):
    """Whatever stops it between two files, nothing is left that the next one would stumble over."""
    from wordsight.weights.archive import safe, torchfile

    def stopped(*_, **__):
        raise KeyboardInterrupt

    for module in (safe, torchfile):
        monkeypatch.setattr(module, "atomic_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert_with(public, tmp_path / "out", "--to", to)
    monkeypatch.undo()
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
    assert convert_with(public, tmp_path / "out", "--to", to) == 0
    assert read_any(tmp_path / "out").state


@pytest.mark.parametrize("to", ["openclip", "wordsight", "onnx"])
def test_while_another_process_writes_there_it_is_said(to, public, tmp_path, monkeypatch):
    inside = tmp_path / "out" / "onnx" if to == "onnx" else tmp_path / "out"
    with draft_folder(inside), pytest.raises(UsageError, match="another process is writing .*; wait for it"):
        convert_with(public, tmp_path / "out", "--to", to)
    assert not (tmp_path / "out" / "model.json").exists()


def test_a_model_is_found_again_that_a_killed_process_had_moved_aside(public, tmp_path, killed_draft):
    convert_with(public, tmp_path / "ours", "--to", "wordsight")
    (tmp_path / "ours").rename(killed_draft(tmp_path / "ours", "old"))
    assert read_model_manifest(find_model(tmp_path / "ours")).spec.name == "small"


def test_a_link_to_itself_is_said(public, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for to in ("openclip", "wordsight", "onnx"):
        with pytest.raises(StorageError, match="loop is a link that leads"):
            convert_with(public, tmp_path / "loop", "--to", to)
