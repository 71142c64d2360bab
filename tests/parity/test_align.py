"""ALIGN of transformers: EfficientNet and BERT, there and back."""

import json
import math

import numpy as np
import pytest
from compare import record
from transformers import AlignConfig, AlignModel
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers_side import BERT, disturb, only_list, ours, save_tokenizer, theirs

from wordsight.base.errors import FormatError, NotFound, ShapeMismatch, UsageError
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface import align as external_align
from wordsight.weights.formats.table import read_any, write_as

VISION = {
    "image_size": 60,
    "width_coefficient": 0.5,
    "depth_coefficient": 0.6,
    "in_channels": [32, 16, 24, 40],
    "out_channels": [16, 24, 40, 80],
    "kernel_sizes": [3, 3, 5, 3],
    "strides": [1, 2, 2, 2],
    "num_block_repeats": [1, 2, 2, 3],
    "expand_ratios": [1, 6, 6, 6],
    "depthwise_padding": [2],
}
ALIGN_BASE = {  # as kakaobrain/align-base has it
    "do_center_crop": True,
    "rescale_factor": 1 / 127.5,
    "rescale_offset": True,
    "do_normalize": False,
    "include_top": False,
    "resample": 2,
}


@pytest.fixture
def model_folder(tmp_path):
    """A tiny ALIGN as transformers saves it."""
    folder = tmp_path / "theirs"
    disturb(AlignModel(AlignConfig(text_config=BERT, vision_config=VISION, projection_dim=40))).save_pretrained(folder)
    save_tokenizer(folder)
    save_pixels(folder, **ALIGN_BASE)
    return folder


def save_pixels(folder, size=71, crop=60, **values):
    sides = {name: {"height": side, "width": side} for name, side in (("size", size), ("crop_size", crop))}
    values = values | {"do_convert_rgb": True}  # its class does not, and then only reads pictures that are RGB
    EfficientNetImageProcessorPil(**values, **sides).save_pretrained(folder)


def both(row, model_folder, folder):
    expected = theirs(AlignModel, EfficientNetImageProcessorPil, model_folder, 64)
    checkpoint, images, texts = ours(model_folder, folder / "ours")
    record(f"{row}, images", "transformers", images, expected[0])
    record(f"{row}, texts", "transformers", texts, expected[1])
    write_as(checkpoint, folder / "back", "huggingface")
    images, texts = theirs(AlignModel, EfficientNetImageProcessorPil, folder / "back", 64)
    record(f"{row}, written back, images", "transformers", images, expected[0])
    record(f"{row}, written back, texts", "transformers", texts, expected[1])
    return checkpoint


def test_there_and_back(model_folder, tmp_path):
    checkpoint = both("ALIGN", model_folder, tmp_path)
    spec = checkpoint.spec
    assert float(checkpoint.state["logit_scale"]) == pytest.approx(-math.log(0.021), rel=1e-6)
    assert (spec.image.size, spec.preprocess.scale_to, spec.tokenizer.context_length) == (60, 71, 64)
    assert spec.preprocess.mean == pytest.approx((0.5,) * 3) and spec.preprocess.std == pytest.approx((0.5,) * 3)
    assert checkpoint.assumed == ()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"include_top": False, "do_center_crop": True, "resample": 0},
        {"rescale_offset": True, "rescale_factor": 1 / 100},
    ],
)
def test_other_processors(model_folder, tmp_path, values):
    save_pixels(model_folder, size=64, crop=60, **values)
    expected = theirs(AlignModel, EfficientNetImageProcessorPil, model_folder, 64)
    checkpoint, images, _ = ours(model_folder, tmp_path / "ours")
    record(f"ALIGN, processor {json.dumps(values)}", "transformers", images, expected[0])
    assert checkpoint.spec.image.size == (60 if values.get("do_center_crop") else 64)


def test_a_folder_with_a_list_of_words(model_folder, tmp_path):
    only_list(model_folder)
    expected = theirs(AlignModel, EfficientNetImageProcessorPil, model_folder, 64)
    _, _, texts = ours(model_folder, tmp_path / "ours")
    record("ALIGN, vocab.txt, texts", "transformers", texts, expected[1])


def test_what_the_files_do_not_say_is_said(model_folder):
    (model_folder / "preprocessor_config.json").unlink()
    checkpoint = read_any(model_folder)
    assert checkpoint.spec.preprocess.size == 289 and "346" in checkpoint.assumed[0]
    (model_folder / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match="neither tokenizer.json nor vocab.txt"):
        read_any(model_folder)


def test_weights_are_used_exactly_once(model_folder):
    found = CheckpointFiles(model_folder)
    found.__dict__["tensors"] = dict(found.tensors) | {"text_model.embeddings.position_ids": np.arange(80)[None]}
    assert "text.transformer.embeddings.position_ids" not in external_align.read(found).state
    found.__dict__["tensors"]["decoder.weight"] = np.zeros(3, np.float32)
    with pytest.raises(ShapeMismatch, match=r"1 weights that have no place: decoder\.weight"):
        external_align.read(found)
    del found.__dict__["tensors"]["decoder.weight"], found.__dict__["tensors"]["temperature"]
    with pytest.raises(ShapeMismatch, match="no temperature"):
        external_align.read(found)


def test_a_scale_beyond_the_limit_is_said(model_folder):
    found = CheckpointFiles(model_folder)
    found.__dict__["tensors"] = dict(found.tensors) | {"temperature": np.float32(0.008).reshape(())}
    assert external_align.read(found).assumed[0].startswith("the temperature stands for a scale of 125.0")


def test_a_temperature_below_nothing_and_a_tokenizer_too_large_are_refused(model_folder):
    found = CheckpointFiles(model_folder)
    found.__dict__["tensors"] = dict(found.tensors) | {"temperature": np.float32(-1).reshape(())}
    with pytest.raises(FormatError, match="temperature -1"):
        external_align.read(found)
    config = json.loads((model_folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = 50
    (model_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FormatError, match="has 50 tokens"):
        read_any(model_folder)


def test_other_towers_have_no_place(model_folder, tmp_path):
    from dataclasses import replace

    checkpoint = read_any(model_folder)
    text = checkpoint.spec.text
    other = replace(checkpoint.spec, text=replace(text, options=text.options | {"pooler": "mean"}))
    with pytest.raises(UsageError, match="pooler = 'mean' has no place"):
        write_as(replace(checkpoint, spec=other), tmp_path / "out", "huggingface")
