"""Specs of timm's and transformers' towers, checked before either package is imported."""

from dataclasses import replace

import pytest

from wordsight.base.config import from_dict, to_dict
from wordsight.base.errors import ConfigError, MissingExtra
from wordsight.towers.build import build
from wordsight.towers.check import check_spec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.timm.module import TimmImageTower
from wordsight.towers.timm.spec import TimmSpec
from wordsight.towers.transformers.options import IMAGE_FIELDS, TEXT_FIELDS, full_config
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.towers.transformers.text import TransformersTextTower

TIMM = TimmSpec(trunk="test_convnext", options={"projection": "linear"})
BERT = TEXT_FIELDS["bert"] | {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 40}
TEXT = TransformersTextSpec(trunk="bert", vocabulary_size=40, options={"config": BERT, "projection": "linear"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trunk": ""}, 'image.trunk = ""'),
        ({"trunk": "hf-hub:somebody/model"}, "is an address"),
        ({"trunk": "somebody/model"}, "is an address"),
        ({"options": {"pol": "avg"}}, "unknown key image.options.pol"),
        ({"options": {"projection": "odd"}}, "image.options.projection = 'odd'"),
        ({"size": 0}, "image.size = 0"),
        ({"kind": "transformers", "trunk": "vit", "options": {}}, "image.trunk = 'vit'"),
        ({"kind": "transformers", "trunk": "align_vision_model", "options": {}}, "16 missing"),
    ],
)
def test_image_towers_that_cannot_be_built(change, message):
    with pytest.raises(ConfigError, match=message):
        check_spec(from_dict(ModelSpec, {"name": "x", "image": {**to_dict(TIMM), **change}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trunk": "gpt2"}, "text.trunk = 'gpt2'"),
        ({"options": {"config": BERT | {"auto_map": {"AutoModel": "code.Model"}}}}, r"1 unknown fields \(auto_map\)"),
        ({"options": {"config": BERT | {"_attn_implementation": "somebody/kernel"}}}, "1 unknown"),
        ({"options": {"config": {"vocab_size": 40}}}, "missing"),
        ({"vocabulary_size": 41}, "text.vocabulary_size = 41"),
        ({"pad_id": 1}, "text.pad_id = 1"),
        ({"options": {"config": BERT, "pooler": "odd"}}, "text.options.pooler = 'odd'"),
        (
            {"trunk": "modernbert", "options": {"config": TEXT_FIELDS["modernbert"], "pooling_layer": True}},
            "vocab_size",
        ),
        (
            {"trunk": "t5", "vocabulary_size": 32128, "options": {"config": TEXT_FIELDS["t5"], "pooling_layer": True}},
            "no pooling",
        ),
    ],
)
def test_text_towers_that_cannot_be_built(change, message):
    with pytest.raises(ConfigError, match=message):
        check_spec(ModelSpec("x", text=replace(TEXT, **change)))


def test_a_trunk_must_have_the_width_of_the_space():
    with pytest.raises(ConfigError, match="image.trunk has 64 features but width = 48"):
        TimmImageTower(replace(TIMM, options={"projection": "none", "pool": "avg"}), 48)
    with pytest.raises(ConfigError, match="text.trunk has 32 features but width = 48"):
        TransformersTextTower(replace(TEXT, options={"config": BERT, "projection": "none"}), 48)


def test_a_name_that_timm_does_not_know():
    with pytest.raises(ConfigError, match="no architecture 'convnext_unheard_of'"):
        TimmImageTower(replace(TIMM, trunk="convnext_unheard_of"), 48)


def test_an_absent_package_names_the_install_command(monkeypatch):
    import sys

    for name, extra, build_one in (
        ("timm", "timm", lambda: TimmImageTower(TIMM, 48)),
        ("transformers", "transformers", lambda: TransformersTextTower(TEXT, 48)),
    ):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra, match=rf"pip install 'wordsight\[{extra}\]'"):
            build_one()


def test_two_foreign_towers_train(tmp_path):
    import torch

    spec = ModelSpec("x", width=48, image=replace(TIMM, size=64), text=TEXT)
    tokens = replace(spec.tokenizer, vocabulary_size=40, kind="tokenizers")
    spec = replace(spec, tokenizer=tokens, preprocess=replace(spec.preprocess, size=64))
    towers = build(spec)
    image, text = towers(torch.randn(2, 3, 64, 64), torch.tensor([[2, 5, 3, 0], [2, 3, 0, 0]], dtype=torch.int32))
    assert image.shape == text.shape == (2, 48)
    (image @ text.T).sum().backward()
    assert all(
        p.grad is not None for name, p in towers.named_parameters() if "pooler" not in name and "logit" not in name
    )
    assert set(IMAGE_FIELDS) == {"align_vision_model"}


@pytest.mark.parametrize(("name", "value"), [("is_decoder", True), ("position_embedding_type", "relative_key")])
def test_a_trunk_that_sees_its_words_otherwise_is_refused(name, value):
    assert full_config(TEXT_FIELDS, "bert", {name: None}, "it") == TEXT_FIELDS["bert"]
    with pytest.raises(ConfigError, match=f"{name} = "):
        full_config(TEXT_FIELDS, "bert", {name: value}, "it")
