from argparse import ArgumentParser

import pytest
import torch

from wordsight.base.errors import UnknownModel, UsageError
from wordsight.cli import convert
from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.build import build
from wordsight.towers.spec import ImageTowerSpec, ModelSpec, TextTowerSpec
from wordsight.weights.folder import read_manifest, save_model


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    spec = ModelSpec(
        "tiny",
        width=16,
        image=ImageTowerSpec(size=16, width=16, layers=1, heads=1, patch=8),
        text=TextTowerSpec(width=16, layers=1, heads=1, context_length=8),
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
    assert read_manifest(tmp_path / "light").precisions == ("int8",)
    assert not (tmp_path / "light" / "weights.safetensors").exists()


def test_to_wordsight_keeps_the_fingerprint_and_the_card(model, tmp_path, capsys):
    assert convert_with(model, tmp_path / "copy", "--to", "wordsight") == 0
    assert read_manifest(tmp_path / "copy").fingerprint == read_manifest(model).fingerprint
    assert (tmp_path / "copy" / "README.md").read_text() == "# Tiny\n"
    assert read_manifest(model).fingerprint in capsys.readouterr().out


def test_half_is_half_as_large(model, tmp_path):
    assert convert_with(model, tmp_path / "copy", "--to", "wordsight", "--half") == 0
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in (tmp_path / "copy", model)]
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.parametrize(("name", "why"), [("openclip", "is not part of this version"), ("tape", "is unknown")])
def test_other_formats_are_named_honestly(model, tmp_path, name, why):
    with pytest.raises(UsageError, match=f"'{name}' {why}; use --to wordsight or onnx"):
        convert_with(model, tmp_path / "out", "--to", name)


def test_out_must_differ_for_a_model_folder(model):
    with pytest.raises(UsageError, match="OUT is IN"):
        convert_with(model, model, "--to", "wordsight")


def test_an_unknown_model_is_said(tmp_path):
    with pytest.raises(UnknownModel):
        convert_with(tmp_path / "nothing", tmp_path / "out", "--to", "onnx")
