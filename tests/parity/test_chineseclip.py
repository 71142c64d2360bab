"""Chinese CLIP of transformers: CLIP's Vision Transformer and BERT, there and back."""

import json
from dataclasses import replace

import numpy as np
import pytest
from compare import record
from transformers import ChineseCLIPConfig, ChineseCLIPModel
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers_side import BERT, disturb, only_list, ours, save_tokenizer, theirs

from wordsight.base.errors import ShapeMismatch, UsageError
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.huggingface import chinese_clip as external_chineseclip
from wordsight.weights.formats.table import read_any, write_as

VISION = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 100,
}
SQUASH = {"size": {"height": 32, "width": 32}, "do_center_crop": False}  # as OFA-Sys's folders have it
SHORTEST = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}


def save(folder, pixels=SQUASH, text=None, vision=None):
    config = ChineseCLIPConfig(
        text_config=BERT | (text or {}), vision_config=VISION | (vision or {}), projection_dim=40
    )
    disturb(ChineseCLIPModel(config)).save_pretrained(folder)
    save_tokenizer(folder)
    ChineseCLIPImageProcessorPil(**pixels).save_pretrained(folder)
    return folder


def their_rows(folder, length=52):
    return theirs(ChineseCLIPModel, ChineseCLIPImageProcessorPil, folder, length)


@pytest.mark.parametrize(
    ("row", "made"),
    [
        ("Chinese CLIP", {}),
        ("Chinese CLIP, shortest side", {"pixels": SHORTEST, "vision": {"hidden_act": "gelu", "layer_norm_eps": 1e-3}}),
        ("Chinese CLIP, RBT3's kind", {"text": {"num_hidden_layers": 1, "layer_norm_eps": 1e-5, "hidden_act": "relu"}}),
    ],
)
def test_there_and_back(row, made, tmp_path):
    place = save(tmp_path / "theirs", **made)
    expected = their_rows(place)
    checkpoint, images, texts = ours(place, tmp_path / "ours")
    record(f"{row}, images", "transformers", images, expected[0])
    record(f"{row}, texts", "transformers", texts, expected[1])
    write_as(checkpoint, tmp_path / "back", "huggingface")
    images, texts = their_rows(tmp_path / "back")
    record(f"{row}, written back, images", "transformers", images, expected[0])
    record(f"{row}, written back, texts", "transformers", texts, expected[1])
    assert checkpoint.spec.tokenizer.context_length == 52 and "52 tokens" in checkpoint.assumed[0]
    assert float(checkpoint.state["logit_scale"]) == pytest.approx(3.1)


def test_a_folder_with_a_list_of_words(tmp_path):
    place = save(tmp_path / "theirs")
    only_list(place)
    expected = their_rows(place)
    checkpoint, _, texts = ours(place, tmp_path / "ours")
    record("Chinese CLIP, vocab.txt, texts", "transformers", texts, expected[1])
    write_as(checkpoint, tmp_path / "back", "huggingface")
    record("Chinese CLIP, vocab.txt, written back", "transformers", their_rows(tmp_path / "back")[1], expected[1])


def test_older_places_of_the_configuration_go_first(tmp_path):
    place = save(tmp_path / "theirs", text={"layer_norm_eps": 1e-2}, vision={"num_attention_heads": 4})
    config = json.loads((place / "config.json").read_text())
    config |= {
        "text_config_dict": BERT | {"layer_norm_eps": 1e-2},
        "vision_config_dict": VISION | {"num_attention_heads": 4},
    }
    config["text_config"]["layer_norm_eps"] = 1e-12
    config["vision_config"]["num_attention_heads"] = 1
    (place / "config.json").write_text(json.dumps(config))
    expected = their_rows(place)
    _, images, texts = ours(place, tmp_path / "ours")
    record("Chinese CLIP, older configuration, images", "transformers", images, expected[0])
    record("Chinese CLIP, older configuration, texts", "transformers", texts, expected[1])


def test_weights_are_used_exactly_once(tmp_path):
    found = CheckpointFiles(save(tmp_path / "theirs"))
    tensors = dict(found.tensors)
    found.__dict__["tensors"] = tensors | {
        "text_model.embeddings.position_ids": np.arange(80)[None],
        "vision_model.embeddings.position_ids": np.arange(17)[None],
    }
    external_chineseclip.read(found)
    found.__dict__["tensors"] = tensors | {"decoder.weight": np.zeros(3, np.float32)}
    with pytest.raises(ShapeMismatch, match=r"no place: decoder\.weight"):
        external_chineseclip.read(found)


@pytest.mark.parametrize("options", [{"pooler": "mean"}, {"projection_bias": True}, {"pooling_layer": True}])
def test_other_towers_have_no_place(options, tmp_path):
    checkpoint = read_any(save(tmp_path / "theirs"))
    text = checkpoint.spec.text
    other = replace(checkpoint.spec, text=replace(text, options=text.options | options))
    with pytest.raises(UsageError, match="no place in transformers' ChineseCLIPModel"):
        write_as(replace(checkpoint, spec=other), tmp_path / "out", "huggingface")
